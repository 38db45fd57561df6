//! Misaligned accesses, found before they run.
//!
//! Upstream's metered handlers round such an address down and go on, but no trace can be made of what they did: the guest
//! would execute and then fail to be proven. Here it fails where it stands.

use openvm_circuit::arch::instructions::instruction::Instruction;
use openvm_sdk::F;
use openvm_stark_backend::p3_field::PrimeField32;

// `Rv32LoadStoreOpcode` and `Rv32HintStoreOpcode` of openvm-rv32im-transpiler 2.0.2, by global opcode.
const LOADW: usize = 0x210;
const LOADHU: usize = 0x212;
const STOREW: usize = 0x213;
const STOREH: usize = 0x214;
const LOADH: usize = 0x217;
const HINT_STOREW: usize = 0x260;
const HINT_BUFFER: usize = 0x261;

/// How an instruction finds its address, and how that must be aligned.
#[derive(Clone, Copy)]
pub(super) struct Access {
    /// Where the register with the base address is, in the register file.
    pub base: u32,
    /// What is added to it.
    pub offset: u32,
    /// Bits that must be 0.
    pub mask: u32,
}

impl Access {
    /// The access that an instruction makes, if it must be aligned.
    pub fn of(instruction: &Instruction<F>) -> Option<Self> {
        let [base, immediate, negative] =
            [instruction.b, instruction.c, instruction.g].map(|operand| operand.as_canonical_u32());
        let mask = match instruction.opcode.as_usize() {
            LOADW | STOREW => 3,
            LOADH | LOADHU | STOREH => 1,
            HINT_STOREW | HINT_BUFFER => return Some(Self { base, offset: 0, mask: 3 }),
            _ => return None,
        };
        let offset = if negative == 0 { immediate } else { immediate | 0xffff_0000 };
        Some(Self { base, offset, mask })
    }
}
