//! The guest's calls to its host: print, next input item, random bytes.
//!
//! Upstream runs these as phantom instructions that print to standard output and fail with a text. Here printing goes to
//! the meter, every size is bounded, and failures are told apart.

use openvm_circuit::arch::instructions::{LocalOpcode, SystemOpcode, instruction::Instruction};
use openvm_sdk::F;
use openvm_stark_backend::p3_field::PrimeField32;

use super::{interpreter::State, meter::REGISTERS};
use crate::elf::MEMORY_BYTES;

/// Most bytes that one print may have.
pub(super) const PRINT_BYTES_MAX: u32 = 1 << 20;
/// Most bytes that one request for random bytes may have.
pub(super) const RANDOM_BYTES_MAX: u32 = 1 << 20;

const MEMORY: u32 = 2;

// `Rv32Phantom` of openvm-rv32im-transpiler 2.0.2.
const HINT_INPUT: u16 = 0x20;
const PRINT_STR: u16 = 0x21;
const HINT_RANDOM: u16 = 0x22;

/// A call, with the registers its arguments are in.
#[derive(Clone, Copy)]
pub(super) enum Call {
    NextInput,
    Print { address: u32, length: u32 },
    Random { words: u32 },
}

/// What is left to do.
pub(super) enum Host {
    /// Upstream's handler does the rest.
    Continue,
    /// Nothing.
    Done,
}

/// Why a call failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum HostFault {
    NoMoreInput,
    Text(String),
}

impl Call {
    /// The call that an instruction makes, if it makes one.
    pub fn of(instruction: &Instruction<F>) -> Option<Self> {
        if instruction.opcode != SystemOpcode::PHANTOM.global_opcode() {
            return None;
        }
        let [a, b, c] = [instruction.a, instruction.b, instruction.c].map(|operand| operand.as_canonical_u32());
        match c as u16 {
            HINT_INPUT => Some(Self::NextInput),
            PRINT_STR => Some(Self::Print { address: a, length: b }),
            HINT_RANDOM => Some(Self::Random { words: a }),
            _ => None,
        }
    }

    /// Checks the call, and does it where upstream's way will not do.
    pub fn prepare(self, state: &mut State) -> Result<Host, HostFault> {
        let register = |state: &State, at| u32::from_le_bytes(state.host_read::<u8, 4>(REGISTERS, at));
        match self {
            Self::NextInput if state.streams.input_stream.is_empty() => Err(HostFault::NoMoreInput),
            Self::NextInput => Ok(Host::Continue),
            Self::Print { address, length } => {
                let [address, length] = [address, length].map(|at| register(state, at));
                if length > PRINT_BYTES_MAX {
                    return Err(HostFault::Text(format!(
                        "it prints {length} bytes, at most {PRINT_BYTES_MAX} at once"
                    )));
                }
                if u64::from(address) + u64::from(length) > u64::from(MEMORY_BYTES) {
                    return Err(HostFault::Text(format!(
                        "it prints {length} bytes from {address:#x}, past its memory"
                    )));
                }
                let bytes = state.host_read_slice::<u8>(MEMORY, address, length as usize).to_vec();
                if std::str::from_utf8(&bytes).is_err() {
                    // Upstream's preflight executor would refuse it when the segment is proven.
                    return Err(HostFault::Text("it prints bytes that are not UTF-8".into()));
                }
                state.ctx.print(&bytes);
                Ok(Host::Done)
            }
            Self::Random { words } => {
                let bytes = register(state, words).saturating_mul(4);
                if bytes > RANDOM_BYTES_MAX {
                    let reason = format!("it asks for {bytes} random bytes, at most {RANDOM_BYTES_MAX} at once");
                    return Err(HostFault::Text(reason));
                }
                state.ctx.random_bytes += u64::from(bytes);
                Ok(Host::Continue)
            }
        }
    }
}
