//! What an execution counts while it runs: trace rows, touched memory, what the guest printed.

use openvm_circuit::arch::{
    BOUNDARY_AIR_ID, MERKLE_AIR_ID, VmExecState,
    execution_mode::{ExecutionCtxTrait, MeteredExecutionCtxTrait},
};
use openvm_circuit::system::memory::{CHUNK, dimensions::MemoryDimensions, online::GuestMemory};

use super::{host::HostFault, touched::TouchedLeaves, vm_table::AirTable};

/// Address space of the registers.
pub(super) const REGISTERS: u32 = 1;
/// Bytes of the register file: 32 registers of four bytes.
const REGISTER_BYTES: u32 = 128;
const CHUNK_LOG: u32 = CHUNK.ilog2();
/// Most bytes of guest output that are kept for one stretch between two stops.
const OUTPUT_BYTES_MAX: usize = 4 << 20;

/// Counts for one segment at a time.
pub(super) struct Meter {
    /// Instructions that may still run before the next stop.
    pub remaining: u64,
    /// Why a host call failed, when one did.
    pub host_fault: Option<HostFault>,
    /// Random bytes given out since the start of the execution.
    pub random_bytes: u64,
    output: Vec<u8>,
    rows: Vec<u32>,
    constant: Vec<Option<u32>>,
    touched: TouchedLeaves,
    memory: MemoryDimensions,
}

impl Meter {
    /// Nothing counted yet.
    pub fn new(airs: &AirTable, memory: MemoryDimensions) -> Self {
        let mut meter = Self {
            remaining: 0,
            host_fault: None,
            random_bytes: 0,
            output: Vec::new(),
            rows: Vec::new(),
            constant: airs.airs.iter().map(|air| air.constant_rows).collect(),
            touched: TouchedLeaves::new(memory.overall_height() as u32),
            memory,
        };
        meter.start_segment();
        meter
    }

    /// Starts counting from 0. Every segment reads and writes the register file.
    pub fn start_segment(&mut self) {
        self.rows = self.constant.iter().map(|rows| rows.unwrap_or(0)).collect();
        self.touched.clear();
        self.touch(REGISTERS, 0, REGISTER_BYTES);
    }

    /// Trace heights before padding, in the order of the AIRs.
    pub fn heights(&self) -> Vec<u32> {
        let mut heights = self.rows.clone();
        let (leaves, nodes) = (self.touched.leaves(), self.touched.nodes());
        let twice = |count: u64| u32::try_from(2 * count).unwrap_or(u32::MAX);
        heights[BOUNDARY_AIR_ID] = twice(leaves);
        heights[MERKLE_AIR_ID] = twice(nodes);
        // The memory's hash chip is the second but last; it hashes every leaf and node before and after the segment.
        let hashes = heights.len() - 2;
        heights[hashes] = twice(leaves + nodes);
        heights
    }

    /// Pages of 64 leaves that the segment touched; see [`TouchedLeaves::pages`].
    pub fn pages(&self) -> &[u32] {
        self.touched.pages()
    }

    /// Takes what the guest printed since the last call.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Adds guest output, up to a limit for each stretch.
    pub fn print(&mut self, bytes: &[u8]) {
        let space = OUTPUT_BYTES_MAX.saturating_sub(self.output.len());
        self.output.extend(bytes.iter().take(space));
    }

    /// Adds rows to an AIR.
    #[inline(always)]
    pub fn add_rows(&mut self, air: usize, count: u32) {
        if let Some(rows) = self.rows.get_mut(air) {
            *rows = rows.wrapping_add(count);
        }
    }

    #[inline(always)]
    fn touch(&mut self, address_space: u32, pointer: u32, cells: u32) {
        let height = self.memory.address_height as u32;
        let base = (address_space.wrapping_sub(1)) << height;
        let first = pointer >> CHUNK_LOG;
        let last = pointer.wrapping_add(cells - 1) >> CHUNK_LOG;
        if last >> height != 0 {
            return;
        }
        for chunk in first..=last {
            self.touched.insert(base | chunk);
        }
    }
}

impl ExecutionCtxTrait for Meter {
    #[inline(always)]
    fn on_memory_operation(&mut self, address_space: u32, pointer: u32, cells: u32) {
        if address_space != REGISTERS {
            self.touch(address_space, pointer, cells);
        }
    }

    #[inline(always)]
    fn should_suspend<F>(state: &mut VmExecState<F, GuestMemory, Self>) -> bool {
        state.ctx.remaining == 0
    }
}

impl MeteredExecutionCtxTrait for Meter {
    #[inline(always)]
    fn on_height_change(&mut self, air: usize, count: u32) {
        self.add_rows(air, count);
    }
}
