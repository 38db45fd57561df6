//! The trace of a program: one row for each instruction, what every proof of a run is checked against.
//!
//! The columns are those of upstream's `ProgramExecutionCols`; padding to a power of two ends the guest with exit code 1.

use openvm_circuit::arch::instructions::{
    LocalOpcode, SystemOpcode,
    instruction::Instruction,
    program::{DEFAULT_PC_STEP, Program},
};
use openvm_sdk::F;
use openvm_stark_backend::{p3_field::PrimeCharacteristicRing, p3_matrix::dense::RowMajorMatrix};

/// Program counter, opcode and seven operands.
const WIDTH: usize = 9;
const EXIT_CODE_FAIL: usize = 1;

/// Rows by address; places without an instruction are left out.
pub(super) fn program_trace(program: &Program<F>) -> RowMajorMatrix<F> {
    let instructions = program.enumerate_by_pc();
    let padding = Instruction::from_usize(SystemOpcode::TERMINATE.global_opcode(), [0, 0, EXIT_CODE_FAIL]);
    let height = instructions.len().next_power_of_two();
    let mut values = Vec::with_capacity(height * WIDTH);
    let mut push = |pc: u32, instruction: &Instruction<F>| {
        let Instruction { opcode, a, b, c, d, e, f, g } = instruction;
        values.extend([F::from_u32(pc), opcode.to_field(), *a, *b, *c, *d, *e, *f, *g]);
    };
    for (pc, instruction, _) in &instructions {
        push(*pc, instruction);
    }
    for index in instructions.len()..height {
        push(program.pc_base + index as u32 * DEFAULT_PC_STEP, &padding);
    }
    RowMajorMatrix::new(values, WIDTH)
}
