//! Programs: from an ELF to what the VM runs, and the commitment that names it.
//!
//! The transpiler of upstream refuses a whole program for one word it does not know, even where that word is data between
//! functions. Here such a word becomes an instruction that ends the guest, so that only reaching it is an error, and the
//! error can say where.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use openvm_circuit::{
    arch::MemoryConfig,
    arch::instructions::{exe::VmExe, instruction::Instruction, program::Program},
    system::program::trace::compute_exe_commit_from_mem_config,
};
use openvm_sdk::F;
use openvm_sdk_config::{SdkVmConfig, TranspilerConfig};
use openvm_stark_backend::{StarkEngine, p3_field::PrimeField32, prover::TraceCommitter};
use openvm_transpiler::{transpiler::Transpiler, util::unimp};
use phalanx_claim::ProgramId;

use super::{
    backend::{Committed, Committer},
    catch, config,
    program_trace::program_trace,
};
use crate::{Fault, elf::Elf};

/// Address space of the guest's main memory.
const MEMORY_ADDRESS_SPACE: u32 = 2;
const OPCODE_SYSTEM: u32 = 0x73;
/// `csrrw x0, …, x0`: start-up code resets counters with it, and there are none.
const CSRRW_IGNORED: u32 = 0x1073;
const CSRRW_IGNORED_MASK: u32 = 0x000f_ffff;
/// `csrrw x0, cycle, x0`: what compilers emit where execution must not go on, behind `abort` and `exit`. Upstream takes it
/// for one of the ignored ones, so that an aborting guest would run on into the next function.
const TRAP: u32 = 0xc000_1073;

/// A program, ready to execute.
pub(super) struct LoadedProgram {
    /// The parsed file, for messages.
    pub elf: Elf,
    /// What the VM runs.
    pub exe: Arc<VmExe<F>>,
    /// Addresses of the words that are no instruction of this VM.
    pub unsupported: BTreeSet<u32>,
}

impl LoadedProgram {
    /// Parses and transpiles an ELF for `config`.
    pub fn new(file: &[u8], config: &SdkVmConfig) -> Result<Self, Fault> {
        let elf = Elf::parse(file).map_err(|error| Fault::BadElf(error.to_string()))?;
        let transpiler = config.transpiler();
        let mut unsupported = BTreeSet::new();
        let mut instructions = Vec::with_capacity(elf.text.len());
        for (index, &word) in elf.text.iter().enumerate() {
            let instruction = match word {
                TRAP => unimp(),
                _ => transpile(&transpiler, word).unwrap_or_else(|| {
                    unsupported.insert(elf.text_base + 4 * index as u32);
                    unimp()
                }),
            };
            instructions.push(Some(instruction));
        }
        let mut init_memory = BTreeMap::new();
        for (start, bytes) in &elf.memory {
            let nonzero = (*start..).zip(bytes).filter(|(_, byte)| **byte != 0);
            init_memory.extend(nonzero.map(|(address, byte)| ((MEMORY_ADDRESS_SPACE, address), *byte)));
        }
        transpiler.modify_initial_memory(&mut init_memory).map_err(|error| Fault::BadElf(error.to_string()))?;
        let exe = VmExe {
            program: Program::new_without_debug_infos_with_option(&instructions, elf.text_base),
            pc_start: elf.entry,
            init_memory,
            fn_bounds: BTreeMap::new(),
        };
        Ok(Self { elf, exe: Arc::new(exe), unsupported })
    }

    /// The id of the program, what a receipt's claim names, and the commitment to its code that every proof needs.
    pub fn commit(&self, memory: &MemoryConfig) -> Result<(ProgramId, Committed), String> {
        let trace = program_trace(&self.exe.program);
        let device = Committer::new(config::app_params());
        let (commitment, data) = device.device().commit(&[&trace]).map_err(|error| error.to_string())?;
        let committed = Committed { commitment, trace, data: Arc::new(data) };
        let digest = compute_exe_commit_from_mem_config(&committed.commitment, &self.exe, memory);
        let mut bytes = [0; 32];
        for (bytes, element) in bytes.chunks_exact_mut(4).zip(digest) {
            bytes.copy_from_slice(&element.as_canonical_u32().to_le_bytes());
        }
        Ok((ProgramId::new(bytes), committed))
    }
}

fn transpile(transpiler: &Transpiler<F>, word: u32) -> Option<Instruction<F>> {
    // Upstream prints a line for every other system instruction.
    if word & 0x7f == OPCODE_SYSTEM && word & CSRRW_IGNORED_MASK != CSRRW_IGNORED {
        return None;
    }
    let mut instructions = catch::panics(|| transpiler.transpile(&[word])).ok()?.ok()?;
    match instructions.len() {
        1 => instructions.pop()?,
        _ => None,
    }
}
