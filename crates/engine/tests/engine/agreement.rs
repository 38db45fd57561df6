//! What our interpreter says of an execution is what upstream says, on every committed guest.

use std::collections::{BTreeMap, BTreeSet};

use openvm_circuit::{
    arch::{
        BOUNDARY_AIR_ID, MERKLE_AIR_ID, SystemConfig, VirtualMachine,
        instructions::{LocalOpcode as _, SystemOpcode, exe::VmExe, program::Program},
    },
    system::memory::merkle::public_values::extract_public_values,
};
use openvm_sdk::F;
use openvm_sdk_config::{SdkVmCpuBuilder, TranspilerConfig as _};
use openvm_stark_backend::{
    StarkEngine as _,
    p3_field::PrimeField32 as _,
    prover::{DeviceDataTransporter as _, MatrixDimensions as _},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2CpuEngine;
use openvm_transpiler::{FromElf as _, elf::Elf as UpstreamElf, openvm_platform::memory::MEM_SIZE};
use phalanx_engine::{
    Execution,
    elf::Elf,
    openvm::{chip_name, keys::KeyCache, upstream_exe},
    stdin::Stdin,
};

use crate::support::{
    Bench,
    cases::{Case, Expected, cases},
    guest, streams,
};

type Prover = BabyBearPoseidon2CpuEngine;
/// Rows of each AIR, by the name of its chip; AIRs without rows are left out.
type Rows = BTreeMap<String, u64>;

/// Traces of longer executions take more memory than a test should.
const TRACED_CYCLES_MAX: u64 = 1 << 20;
/// `csrrw x0, cycle, x0`, behind `abort` and `exit`: upstream runs over it, here it ends the guest.
const TRAP: u32 = 0xc000_1073;

/// Upstream's VM with our keys.
struct Upstream {
    vm: VirtualMachine<Prover, SdkVmCpuBuilder>,
    names: Vec<String>,
}

/// What upstream says of an execution.
struct Metered {
    cycles: u64,
    public_values: Vec<u8>,
    /// Trace heights of each segment, in the order of the AIRs.
    heights: Vec<Vec<u32>>,
}

impl Upstream {
    fn new() -> Self {
        let keys = KeyCache::new(None).unwrap().proving().unwrap();
        let key = &keys.app().app_vm_pk;
        let engine = Prover::new(key.vm_pk.params.clone());
        let device_key = engine.device().transport_pk_to_device(&*key.vm_pk);
        let vm = VirtualMachine::new(engine, SdkVmCpuBuilder, key.vm_config.clone(), device_key).unwrap();
        let names: Vec<String> = key.vm_pk.per_air.iter().map(|air| chip_name(&air.air_name)).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "names tell AIRs apart");
        Self { vm, names }
    }

    /// Metered as the SDK does, except that memory ends no segment.
    fn metered(&self, exe: &VmExe<F>, stdin: &Stdin) -> Metered {
        let context = self.vm.build_metered_ctx(exe).with_max_memory(usize::MAX);
        let interpreter = self.vm.metered_interpreter(exe).unwrap();
        let (segments, end) = interpreter.execute_metered(streams(stdin), context).unwrap();
        let system: &SystemConfig = self.vm.config().as_ref();
        Metered {
            cycles: segments.iter().map(|segment| segment.num_insns).sum(),
            public_values: extract_public_values(system.num_public_values, &end.memory.memory),
            heights: segments.into_iter().map(|segment| segment.trace_heights).collect(),
        }
    }

    /// Traces of an execution of one segment, padded as they are proven.
    fn traced(&mut self, exe: &VmExe<F>, stdin: &Stdin, heights: &[u32]) -> Rows {
        let committed = self.vm.commit_program_on_device(&exe.program);
        self.vm.load_program(committed);
        let state = self.vm.create_initial_state(exe, streams(stdin));
        self.vm.transport_init_memory_to_device(&state.memory);
        let mut interpreter = self.vm.preflight_interpreter(exe).unwrap();
        let run = self.vm.execute_preflight(&mut interpreter, state, None, heights).unwrap();
        let traces = self.vm.generate_proving_ctx(run.system_records, run.record_arenas).unwrap();
        let height = |(air, trace): &(usize, _)| (self.names[*air].clone(), height_of(trace));
        traces.per_trace.iter().map(height).collect()
    }

    /// AIRs that hold the memory argument: upstream counts whole pages of it, we count what is touched.
    fn is_memory(&self, air: usize) -> bool {
        [BOUNDARY_AIR_ID, MERKLE_AIR_ID, self.names.len() - 2].contains(&air)
    }

    /// AIRs whose height follows from the instructions that ran, and from nothing else.
    fn instruction_airs(&self) -> BTreeSet<&str> {
        let constant = self.vm.build_metered_ctx(&VmExe::new(Program::new_empty(0))).is_trace_height_constant;
        let counted = |air: &usize| !constant[*air] && !self.is_memory(*air);
        (0..self.names.len()).filter(counted).map(|air| self.names[air].as_str()).collect()
    }
}

fn height_of(
    trace: &openvm_stark_backend::prover::AirProvingContext<openvm_cpu_backend::CpuBackend<openvm_sdk::SC>>,
) -> u64 {
    trace.common_main.height() as u64
}

/// Executes with our engine; the rows are summed over all segments.
fn ours(elf: &[u8], stdin: &Stdin) -> (Execution, Rows) {
    let mut bench = Bench::new();
    let execution = bench.execute(elf, stdin, u64::MAX).unwrap();
    let costs = bench.engine.profile(&execution, &bench.store).unwrap();
    (execution, costs.into_iter().map(|cost| (cost.chip, cost.rows)).collect())
}

fn succeeding() -> impl Iterator<Item = (Case, Vec<u8>)> {
    cases().into_iter().filter_map(|mut case| match &mut case.expected {
        Expected::PublicValues(values) => {
            let values = std::mem::take(values);
            Some((case, values))
        }
        Expected::ErrorContains(_) => None,
    })
}

#[test]
fn cycles_public_values_and_instruction_rows_are_upstreams_on_every_guest() {
    let upstream = Upstream::new();
    let airs = upstream.instruction_airs();
    for (case, public_values) in succeeding() {
        let elf = guest(&case.guest);
        let theirs = upstream.metered(&upstream_exe(&elf, upstream.vm.config()).unwrap(), &case.stdin);
        let (execution, rows) = ours(&elf, &case.stdin);
        assert_eq!(execution.cycles, theirs.cycles, "{}", case.guest);
        assert_eq!(execution.public_values, theirs.public_values, "{}", case.guest);
        assert_eq!(execution.public_values, public_values, "{}", case.guest);
        let ours: Rows = rows.into_iter().filter(|(name, _)| airs.contains(name.as_str())).collect();
        let sum = |air: usize| theirs.heights.iter().map(|heights| u64::from(heights[air])).sum::<u64>();
        let named = upstream.names.iter().enumerate().map(|(air, name)| (name.clone(), sum(air)));
        let theirs: Rows = named.filter(|(name, rows)| *rows > 0 && airs.contains(name.as_str())).collect();
        assert_eq!(ours, theirs, "{}", case.guest);
    }
}

#[test]
fn no_trace_outgrows_what_we_count() {
    let mut upstream = Upstream::new();
    let mut traced = BTreeSet::new();
    for (case, _) in succeeding() {
        let elf = guest(&case.guest);
        let (execution, counted) = ours(&elf, &case.stdin);
        let is_short = execution.cycles <= TRACED_CYCLES_MAX && execution.segments.len() == 1;
        if !is_short || traced.contains(&case.guest) {
            continue;
        }
        let exe = upstream_exe(&elf, upstream.vm.config()).unwrap();
        let metered = upstream.metered(&exe, &case.stdin);
        for (name, height) in upstream.traced(&exe, &case.stdin, &metered.heights[0]) {
            let counted = counted.get(&name).copied().unwrap_or(0);
            let padded = if counted == 0 { 0 } else { counted.next_power_of_two() };
            assert!(padded >= height, "{}: {name} has {height} rows, {counted} were counted", case.guest);
        }
        for air in (0..upstream.names.len()).filter(|air| upstream.is_memory(*air)) {
            let (name, theirs) = (&upstream.names[air], u64::from(metered.heights[0][air]));
            assert!(counted[name] <= theirs, "{}: {name}: {} counted, upstream {theirs}", case.guest, counted[name]);
        }
        traced.insert(case.guest);
    }
    assert!(traced.len() >= 7, "only {traced:?} are short enough");
}

#[test]
fn programs_are_upstreams_but_for_the_trap_behind_abort() {
    let guests: BTreeSet<String> = cases().into_iter().map(|case| case.guest).collect();
    let keys = KeyCache::new(None).unwrap().proving().unwrap();
    for name in guests {
        let file = guest(&name);
        let words = Elf::parse(&file).unwrap().text;
        let config = &keys.app().app_vm_pk.vm_config;
        let ours = upstream_exe(&file, config).unwrap();
        let parsed = UpstreamElf::decode(&file, MEM_SIZE as u32).unwrap();
        let theirs = VmExe::<F>::from_elf(parsed, config.transpiler()).unwrap();
        assert_eq!((ours.pc_start, ours.program.pc_base), (theirs.pc_start, theirs.program.pc_base), "{name}");
        let nonzero = |exe: &VmExe<F>| -> Vec<_> {
            exe.init_memory.iter().filter(|(_, byte)| **byte != 0).map(|(at, byte)| (*at, *byte)).collect()
        };
        assert!(nonzero(&ours) == nonzero(&theirs), "{name}: the initial memory differs");
        let instructions = |exe: &VmExe<F>| exe.program.instructions_and_debug_infos.clone();
        let (ours, theirs) = (instructions(&ours), instructions(&theirs));
        assert_eq!((ours.len(), theirs.len()), (words.len(), words.len()), "{name}");
        for ((word, ours), theirs) in words.iter().zip(ours).zip(theirs) {
            let [ours, theirs] = [ours, theirs].map(|entry| entry.map(|(instruction, _)| instruction));
            if *word == TRAP {
                let ours = ours.unwrap();
                assert_eq!(ours.opcode, SystemOpcode::TERMINATE.global_opcode(), "{name}");
                assert_ne!(ours.c.as_canonical_u32(), 0, "{name}: it ends the guest as failed");
            } else {
                assert_eq!(ours, theirs, "{name}: {word:#010x}");
            }
        }
    }
}
