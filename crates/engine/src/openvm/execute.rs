//! The execute task: runs the program once, cuts it into segments and stores a checkpoint at each boundary.

use std::collections::BTreeSet;

use openvm_circuit::{
    arch::{ExecutionError, MemoryConfig, Streams, SystemConfig, VmExecState, VmState},
    system::memory::{AddressMap, merkle::public_values::extract_public_values},
};
use openvm_sdk::{F, StdIn};
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_plan::ExecuteParams;

use super::{
    catch,
    checkpoint::{Checkpoint, REGISTERS},
    cost_model::CostModel,
    cut::{Cutter, Decision, Limits},
    host::HostFault,
    interpreter::{Interpreter, State},
    meter::Meter,
    pages::{PAGE_BYTES, PageId, PageIndex},
    program::LoadedProgram,
    segment::{Final, Segment},
    vm_table::AirTable,
};
use crate::{
    Artifact, CostHint, Event, Execution, Fault, RunContext, SegmentEntry, SegmentReady, TaskError, stdin::Stdin,
};

/// A segment shorter than this that is cut for its size means that the limit is too small for any segment.
const SEGMENT_CYCLES_MIN: u64 = 1 << 10;
/// Cells of one leaf of the memory tree, times leaves of a page of [`Meter::pages`].
const CELLS_PER_PAGE: usize = 8 * 64;
/// Main memory that a segment can address is a multiple of this many bytes.
const MEMORY_GRAIN: u64 = 1 << 20;
/// Guest output that is kept for the message of a guest that fails.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Cycles between two progress events.
const PROGRESS_CYCLES: u64 = 1 << 20;

/// What an execution needs besides the program.
pub(super) struct Setup<'a> {
    pub program: &'a LoadedProgram,
    pub interpreter: &'a Interpreter,
    pub airs: &'a AirTable,
    pub model: CostModel,
    pub system: &'a SystemConfig,
    pub rows_max: u64,
    pub interactions_max: u64,
}

/// Executes the program on `stdin` and returns the execution; segments and pages go to the sink as they are cut.
pub(super) fn execute(
    setup: &Setup<'_>,
    stdin: &Stdin,
    stdin_digest: Digest,
    params: &ExecuteParams,
    ctx: &RunContext<'_>,
) -> Result<Execution, TaskError> {
    let mut run = Run::new(setup, stdin, stdin_digest, params, ctx);
    while run.state.exit_code.as_ref().is_ok_and(Option::is_none) {
        if ctx.cancel.is_cancelled() {
            return Err(TaskError::Cancelled);
        }
        run.stop()?;
        if let Err(reason) = catch::panics(|| setup.interpreter.run(&mut run.state)) {
            return Err(run.fault(reason).into());
        }
        run.after_stretch()?;
    }
    run.finish()
}

struct Run<'a> {
    setup: &'a Setup<'a>,
    stdin: &'a Stdin,
    stdin_digest: Digest,
    params: &'a ExecuteParams,
    ctx: &'a RunContext<'a>,
    state: State,
    initial: AddressMap,
    cutter: Cutter,
    index: PageIndex,
    /// The checkpoint at the start of the current segment.
    start: Checkpoint,
    segments: Vec<SegmentEntry>,
    /// Cycles before the current segment, and in it.
    cycles_before: u64,
    cycles: u64,
    /// How many instructions the last stretch was allowed.
    allowed: u64,
    memory_bytes: u64,
    reported: u64,
    said: Vec<u8>,
}

impl<'a> Run<'a> {
    fn new(
        setup: &'a Setup<'a>,
        stdin: &'a Stdin,
        stdin_digest: Digest,
        params: &'a ExecuteParams,
        ctx: &'a RunContext<'a>,
    ) -> Self {
        let memory: &MemoryConfig = &setup.system.memory_config;
        let exe = &setup.program.exe;
        let mut streams = StdIn::<F>::default();
        stdin.items.iter().for_each(|item| streams.write_bytes(item));
        let vm_state = VmState::initial(setup.system, &exe.init_memory, exe.pc_start, Streams::from(streams));
        let mut initial = AddressMap::new(memory.addr_spaces.clone());
        initial.set_from_sparse(&exe.init_memory);
        let limits = Limits {
            cycles_max: params.segment_cycles_max.max(1),
            bytes_max: params.segment_bytes_max,
            rows_max: setup.rows_max,
            interactions_max: setup.interactions_max,
        };
        let memory_end = setup.program.elf.memory.iter().map(|(start, bytes)| u64::from(*start) + bytes.len() as u64);
        Self {
            start: Checkpoint::registers_and_streams(&vm_state, stdin, 0),
            state: VmExecState::new(vm_state, Meter::new(setup.airs, memory.memory_dimensions())),
            cutter: Cutter::new(limits, setup.model, setup.airs),
            index: PageIndex::default(),
            segments: Vec::new(),
            cycles_before: 0,
            cycles: 0,
            allowed: 0,
            memory_bytes: memory_end.max().unwrap_or(0).next_multiple_of(MEMORY_GRAIN),
            reported: 0,
            said: Vec::new(),
            setup,
            stdin,
            stdin_digest,
            params,
            ctx,
            initial,
        }
    }

    /// Between two stretches: cuts when it is time, and allows the next stretch.
    fn stop(&mut self) -> Result<(), TaskError> {
        let total = self.cycles_before + self.cycles;
        if total >= self.params.cycles_max {
            return Err(Fault::CycleLimit { cycles_max: self.params.cycles_max }.into());
        }
        let heights = self.state.ctx.heights();
        let next = match self.cutter.decide(self.setup.airs, &heights, self.cycles) {
            Decision::Run(next) => next,
            Decision::Cut => {
                if self.cycles < SEGMENT_CYCLES_MIN.min(self.params.segment_cycles_max) {
                    let needed = self.setup.model.peak_bytes(&self.setup.airs.size(&heights));
                    let budget_bytes = self.params.segment_bytes_max;
                    let needed_bytes = needed.max(budget_bytes.saturating_add(1));
                    return Err(Fault::BudgetTooSmall { needed_bytes, budget_bytes }.into());
                }
                self.cut(heights)?;
                self.capture()?;
                match self.cutter.decide(self.setup.airs, &self.state.ctx.heights(), 0) {
                    Decision::Run(next) => next,
                    Decision::Cut => 1,
                }
            }
        };
        self.allowed = next.min(self.params.cycles_max - total);
        self.state.ctx.remaining = self.allowed;
        Ok(())
    }

    /// Counts what ran and passes on what the guest printed.
    fn after_stretch(&mut self) -> Result<(), TaskError> {
        self.cycles += self.allowed - self.state.ctx.remaining;
        let output = self.state.ctx.take_output();
        if !output.is_empty() {
            self.said.extend(&output);
            let old = self.said.len().saturating_sub(MESSAGE_BYTES_MAX);
            self.said.drain(..old);
            (self.ctx.events)(Event::GuestOutput(output));
        }
        let total = self.cycles_before + self.cycles;
        if total >= self.reported + PROGRESS_CYCLES {
            self.reported = total;
            (self.ctx.events)(Event::Cycles(total));
        }
        match &self.state.exit_code {
            Ok(None | Some(0)) => Ok(()),
            Ok(Some(exit_code)) => Err(self.exited(*exit_code).into()),
            Err(error) => Err(self.failed(error).into()),
        }
    }

    /// Ends the current segment where the execution stands.
    fn cut(&mut self, heights: Vec<u32>) -> Result<(), TaskError> {
        let pages = self.touched_pages();
        let main = pages.iter().filter(|page| page.space == 2).map(|page| u64::from(page.number) + 1).max();
        let touched = main.unwrap_or(0) * PAGE_BYTES as u64;
        self.memory_bytes = self.memory_bytes.max(touched.next_multiple_of(MEMORY_GRAIN));
        let size = self.setup.airs.size(&heights);
        let hint = CostHint {
            cycles: self.cycles,
            main_cells: size.main_cells,
            interaction_cells: size.interaction_cells,
            memory_bytes: self.memory_bytes,
            children: 0,
            columns: size.columns,
        };
        let segment = Segment {
            start: self.start.clone(),
            cycles: self.cycles,
            heights,
            memory_bytes: self.memory_bytes,
            stdin: self.stdin_digest,
        };
        let artifact = Artifact { kind: ArtifactKind::Segment, bytes: segment.encode() };
        let digest = self.ctx.sink.put(artifact)?;
        let index = self.segments.len() as u32;
        self.segments.push(SegmentEntry { digest, hint });
        (self.ctx.events)(Event::SegmentReady(SegmentReady { index, digest, hint }));
        Ok(())
    }

    /// Takes the checkpoint that the next segment starts from.
    fn capture(&mut self) -> Result<(), TaskError> {
        let pages = self.touched_pages();
        if let Some(pack) = self.index.pack(pages, &self.state.memory.memory, &self.initial) {
            let mut pack = pack;
            let bytes = std::mem::take(&mut pack.bytes);
            let digest = self.ctx.sink.put(Artifact { kind: ArtifactKind::Pages, bytes })?;
            self.index.stored(pack, digest);
        }
        let state = &self.state.vm_state;
        let mut start = Checkpoint::registers_and_streams(state, self.stdin, self.state.ctx.random_bytes);
        (start.packs, start.pages) = self.index.table();
        self.start = start;
        self.cycles_before += self.cycles;
        self.cycles = 0;
        self.state.ctx.start_segment();
        Ok(())
    }

    fn finish(mut self) -> Result<Execution, TaskError> {
        let heights = self.state.ctx.heights();
        self.cut(heights)?;
        self.capture()?;
        (self.ctx.events)(Event::Cycles(self.cycles_before));
        let public_values = extract_public_values(self.setup.system.num_public_values, &self.state.memory.memory);
        let end = Final { end: self.start, memory_bytes: self.memory_bytes, stdin: self.stdin_digest };
        Ok(Execution {
            cycles: self.cycles_before,
            exit_code: 0,
            public_values,
            segments: self.segments,
            state: end.encode(),
        })
    }

    /// Pages that the current segment touched, registers excepted.
    fn touched_pages(&self) -> BTreeSet<PageId> {
        let memory = &self.setup.system.memory_config;
        let pages_per_space = memory.memory_dimensions().address_height - 6;
        let page = |index: &u32| {
            let space = (index >> pages_per_space) as usize + 1;
            let cells = (*index as usize & ((1 << pages_per_space) - 1)) * CELLS_PER_PAGE;
            let config = memory.addr_spaces.get(space).filter(|_| space != REGISTERS)?;
            let cell_bytes = config.size().checked_div(config.num_cells)?;
            let (first, last) =
                (cells * cell_bytes / PAGE_BYTES, ((cells + CELLS_PER_PAGE) * cell_bytes - 1) / PAGE_BYTES);
            Some((first..=last).map(move |number| PageId { space: space as u8, number: number as u32 }))
        };
        self.state.ctx.pages().iter().filter_map(page).flatten().collect()
    }

    fn exited(&self, exit_code: u32) -> Fault {
        let pc = self.state.pc();
        let symbol = self.setup.program.elf.symbol_at(pc);
        if self.setup.program.unsupported.contains(&pc) {
            let word = self.setup.program.elf.word_at(pc).unwrap_or_default();
            return Fault::UnsupportedInstruction { pc, symbol, word };
        }
        let message = String::from_utf8_lossy(&self.said).into_owned();
        Fault::GuestPanic { exit_code, pc, symbol, message }
    }

    fn failed(&self, error: &ExecutionError) -> Fault {
        let pc = self.state.pc();
        let symbol = self.setup.program.elf.symbol_at(pc);
        match (&self.state.ctx.host_fault, error) {
            (Some(HostFault::NoMoreInput), _) => {
                let given = self.stdin.items.len();
                Fault::MissingInput { item: given, given, pc, symbol }
            }
            (Some(HostFault::Text(reason)), _) => self.fault(reason.clone()),
            (None, ExecutionError::PcOutOfBounds(_) | ExecutionError::Unreachable(_)) => {
                self.fault("it jumped to where there is no code".into())
            }
            (None, error) => self.fault(error.to_string()),
        }
    }

    fn fault(&self, reason: String) -> Fault {
        let pc = self.state.pc();
        Fault::GuestFault { pc, symbol: self.setup.program.elf.symbol_at(pc), reason }
    }
}
