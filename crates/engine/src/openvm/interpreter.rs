//! The execution loop: runs a program instruction by instruction and stops exactly where it is told to.
//!
//! Upstream's metered interpreter stops up to a thousand instructions after the end of a segment, where no checkpoint can
//! be taken. This loop drives the same instruction handlers (`MeteredExecutor`), so it executes what upstream executes,
//! and asks [`Meter`] before each stretch how far it may run. It also stands between the guest and the host: prints go to
//! the meter instead of standard output, and a read past the end of the input is told apart from other failures.
//!
//! All unsafe code of the engine is here. It rests on upstream's contract for `ExecuteFunc`: a handler is called with the
//! data it was compiled into, on a state of the VM it was compiled for.

use openvm_circuit::arch::{
    ExecuteFunc, ExecutionError, ExecutorInventory, InterpreterMeteredExecutor, VmExecState,
    instructions::{
        LocalOpcode, SystemOpcode,
        exe::VmExe,
        instruction::Instruction,
        program::{DEFAULT_PC_STEP, Program},
    },
};
use openvm_circuit::system::memory::online::GuestMemory;
use openvm_sdk::F;
use openvm_stark_backend::p3_field::PrimeField32;

use super::{
    align::Access,
    backend::Executor,
    host::{Call, Host, HostFault},
    meter::{Meter, REGISTERS},
};

/// The state of a running program.
pub(super) type State = VmExecState<F, GuestMemory, Meter>;
type Handler = ExecuteFunc<F, Meter>;

/// One compiled instruction.
struct Op {
    handler: Handler,
    data: *const u8,
}

/// What a handler reads, aligned for any of upstream's types.
#[repr(C, align(64))]
#[derive(Clone)]
struct Line([u8; LINE_BYTES]);
const LINE_BYTES: usize = 64;

/// What a wrapped phantom instruction reads.
#[repr(C)]
struct HostOp {
    call: Call,
    original: Handler,
    data: *const u8,
    air: usize,
}

/// What an instruction that must access aligned memory reads first.
#[repr(C)]
struct AlignedOp {
    access: Access,
    original: Handler,
    data: *const u8,
}

/// A program compiled for execution.
pub(super) struct Interpreter {
    ops: Vec<Op>,
    base: u32,
    // `ops` points into these.
    _data: Vec<Line>,
    #[expect(clippy::vec_box, reason = "`ops` points to them, so they must not move when the vector grows")]
    _host_ops: Vec<Box<HostOp>>,
    #[expect(clippy::vec_box, reason = "as above")]
    _aligned_ops: Vec<Box<AlignedOp>>,
    _inventory: ExecutorInventory<Executor>,
}

// SAFETY: the pointers in `ops` lead into the fields below it, which are owned here, are not changed after
// `new` and hold plain data or `Sync` executors.
unsafe impl Send for Interpreter {}
// SAFETY: as above; `run` only reads.
unsafe impl Sync for Interpreter {}

impl Interpreter {
    /// Compiles the program. `air_of_executor[i]` is the AIR that the instructions of executor `i` add rows to.
    pub fn new(
        exe: &VmExe<F>,
        inventory: ExecutorInventory<Executor>,
        air_of_executor: &[usize],
    ) -> Result<Self, String> {
        let Program { instructions_and_debug_infos: instructions, pc_base } = &exe.program;
        let executor = |instruction: &Instruction<F>| {
            let index = *inventory.instruction_lookup.get(&instruction.opcode)? as usize;
            Some((inventory.executors.get(index)?, *air_of_executor.get(index)?))
        };
        let lines_per_op = instructions
            .iter()
            .flatten()
            .filter_map(|(instruction, _)| Some(executor(instruction)?.0.metered_pre_compute_size()))
            .max()
            .unwrap_or_default()
            .max(size_of::<u32>())
            .div_ceil(LINE_BYTES);
        let mut lines = vec![Line([0; LINE_BYTES]); instructions.len() * lines_per_op];
        let mut ops = Vec::with_capacity(instructions.len());
        let mut host_ops = Vec::new();
        let mut aligned_ops = Vec::new();
        for (index, (entry, data)) in instructions.iter().zip(lines.chunks_exact_mut(lines_per_op)).enumerate() {
            let pc = pc_base + index as u32 * DEFAULT_PC_STEP;
            // SAFETY: `Line` is `repr(C)` around bytes, so `lines_per_op` of them are that many bytes in a row.
            let data =
                unsafe { std::slice::from_raw_parts_mut(data.as_mut_ptr().cast::<u8>(), lines_per_op * LINE_BYTES) };
            let Some((instruction, _)) = entry else {
                ops.push(Op { handler: no_instruction, data: data.as_ptr() });
                continue;
            };
            if instruction.opcode == SystemOpcode::TERMINATE.global_opcode() {
                data[..4].copy_from_slice(&instruction.c.as_canonical_u32().to_ne_bytes());
                ops.push(Op { handler: terminate, data: data.as_ptr() });
                continue;
            }
            let unknown = || format!("opcode {} at pc {pc:#x} is not in the VM configuration", instruction.opcode);
            let (executor, air) = executor(instruction).ok_or_else(unknown)?;
            let handler =
                executor.metered_pre_compute::<Meter>(air, pc, instruction, data).map_err(|error| error.to_string())?;
            let op = Op { handler, data: data.as_ptr() };
            ops.push(if let Some(call) = Call::of(instruction) {
                let host_op = Box::new(HostOp { call, original: op.handler, data: op.data, air });
                let data: *const HostOp = &raw const *host_op;
                host_ops.push(host_op);
                Op { handler: call_host, data: data.cast() }
            } else if let Some(access) = Access::of(instruction) {
                let aligned_op = Box::new(AlignedOp { access, original: op.handler, data: op.data });
                let data: *const AlignedOp = &raw const *aligned_op;
                aligned_ops.push(aligned_op);
                Op { handler: check_alignment, data: data.cast() }
            } else {
                op
            });
        }
        Ok(Self {
            ops,
            base: *pc_base,
            _data: lines,
            _host_ops: host_ops,
            _aligned_ops: aligned_ops,
            _inventory: inventory,
        })
    }

    /// Runs until the meter has no more instructions to give, the guest ends or it does something forbidden.
    pub fn run(&self, state: &mut State) {
        while state.ctx.remaining > 0 {
            state.ctx.remaining -= 1;
            let pc = state.pc();
            // A misaligned pc has its low bits rotated to the top and so is out of range.
            let index = pc.wrapping_sub(self.base).rotate_right(DEFAULT_PC_STEP.trailing_zeros()) as usize;
            let Some(op) = self.ops.get(index) else {
                state.ctx.remaining += 1;
                state.exit_code = Err(ExecutionError::PcOutOfBounds(pc));
                return;
            };
            // SAFETY: `data` is what `handler` was compiled into by `new`, and lives as long as `self`.
            unsafe { (op.handler)(op.data, state) };
            if !matches!(state.exit_code, Ok(None)) {
                return;
            }
        }
    }
}

unsafe fn terminate(data: *const u8, state: &mut State) {
    // SAFETY: `new` wrote four bytes there.
    let exit_code = u32::from_ne_bytes(unsafe { *data.cast::<[u8; 4]>() });
    state.exit_code = Ok(Some(exit_code));
}

unsafe fn no_instruction(_: *const u8, state: &mut State) {
    state.exit_code = Err(ExecutionError::Unreachable(state.pc()));
}

unsafe fn check_alignment(data: *const u8, state: &mut State) {
    // SAFETY: `new` made `data` from an `AlignedOp` that the interpreter owns.
    let op = unsafe { &*data.cast::<AlignedOp>() };
    let base = u32::from_le_bytes(state.host_read::<u8, 4>(REGISTERS, op.access.base));
    let address = base.wrapping_add(op.access.offset);
    if address & op.access.mask == 0 {
        // SAFETY: `original` was compiled into `op.data`.
        unsafe { (op.original)(op.data, state) };
    } else {
        state.exit_code = Err(ExecutionError::Fail { pc: state.pc(), msg: "misaligned" });
        let bytes = op.access.mask + 1;
        let reason = format!("it accesses {bytes} bytes at {address:#x}, which is not a multiple of {bytes}");
        state.ctx.host_fault = Some(HostFault::Text(reason));
    }
}

unsafe fn call_host(data: *const u8, state: &mut State) {
    // SAFETY: `new` made `data` from a `HostOp` that the interpreter owns.
    let op = unsafe { &*data.cast::<HostOp>() };
    match op.call.prepare(state) {
        // SAFETY: `original` was compiled into `op.data`.
        Ok(Host::Continue) => unsafe { (op.original)(op.data, state) },
        Ok(Host::Done) => {
            state.ctx.add_rows(op.air, 1);
            let next = state.pc().wrapping_add(DEFAULT_PC_STEP);
            state.set_pc(next);
        }
        Err(fault) => {
            state.exit_code = Err(ExecutionError::Fail { pc: state.pc(), msg: "host call" });
            state.ctx.host_fault = Some(fault);
        }
    }
}
