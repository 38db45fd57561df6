//! Swirl proves as upstream does: the same bytes for a segment of every committed guest, for every layer of folds, and for what
//! leads from a receipt to the hook of a program that verifies it.

use std::{
    borrow::Borrow as _,
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
    time::Instant,
};

use openvm_circuit::arch::{VirtualMachine, VmExecState, instructions::exe::VmExe};
use openvm_continuations::{
    circuit::{
        deferral::{DEF_CIRCUIT_PVS_AIR_ID, DeferralCircuitPvs, hook::DeferralIoCommit},
        inner::ProofsType,
    },
    prover::{
        ChildVkKind, DeferralChildVkKind, DeferralCircuitProver, DeferralHookCpuProver, DeferralInnerCpuProver,
        InnerCpuProver,
    },
};
use openvm_cpu_backend::{CpuBackend, CpuDevice};
use openvm_recursion_circuit::{system::VerifierSubCircuit, utils::poseidon2_hash_slice};
use openvm_sdk::{F, SC, config::MAX_NUM_CHILDREN_LEAF};
use openvm_sdk_config::SdkVmCpuBuilder;
use openvm_stark_backend::{
    ProverError, StarkEngine, SystemParams,
    codec::Encode as _,
    keygen::types::{MultiStarkProvingKey, MultiStarkVerifyingKey},
    proof::Proof,
    prover::{AirProvingContext, Coordinator, DeviceDataTransporter as _, DeviceMultiStarkProvingKey, ProvingContext},
};
use openvm_stark_sdk::config::{app_params_with_100_bits_security, baby_bear_poseidon2::BabyBearPoseidon2CpuEngine};
use openvm_verify_stark_circuit::{DeferredVerifyTraceGenImpl, prover::DeferredVerifyCircuitProver};
use phalanx_engine::{
    openvm::{
        chip_name,
        keys::{KeyCache, ProvingKeys},
        upstream_exe,
    },
    stdin::Stdin,
};
use phalanx_receipt::Receipt;
use phalanx_swirl::SwirlEngine;

use crate::common::LeastWitness;
use crate::support::{
    cases::{Case, cases},
    guest, streams,
};

type Swirl = SwirlEngine<LeastWitness>;
type Upstream = BabyBearPoseidon2CpuEngine<LeastWitness>;
/// With the transcript that proofs are verified with outside of tests.
type Verifier = BabyBearPoseidon2CpuEngine;
type PB = CpuBackend<SC>;
type Vm = VirtualMachine<Upstream, SdkVmCpuBuilder>;

/// The lookup table of multiplication has this many rows, whatever runs.
const LOG_STACKED_HEIGHT: usize = 19;
/// Bits of a grind that is long with ordinary parameters.
const POW_BITS: usize = 8;
/// Cycles of a segment that are proven; with all of them a proof would take a minute.
const CYCLES_MAX: u64 = 20_000;

/// The traces of a program's first segment, up to `cycles_max`.
fn first_segment(vm: &mut Vm, exe: &VmExe<F>, stdin: &Stdin, cycles_max: u64) -> ProvingContext<PB> {
    let start = |vm: &Vm| vm.create_initial_state(exe, streams(stdin));
    // A guest may fail: its execution is a segment all the same.
    let metered = VmExecState::new(start(vm), vm.build_metered_ctx(exe));
    let end = vm.metered_interpreter(exe).unwrap().execute_metered_until_suspend(metered).unwrap();
    let segment = &end.ctx.segments()[0];

    let program = vm.commit_program_on_device(&exe.program);
    vm.load_program(program);
    let state = start(vm);
    vm.transport_init_memory_to_device(&state.memory);
    let mut interpreter = vm.preflight_interpreter(exe).unwrap();
    let cycles = segment.num_insns.min(cycles_max);
    let run = vm.execute_preflight(&mut interpreter, state, Some(cycles), &segment.trace_heights).unwrap();
    vm.generate_proving_ctx(run.system_records, run.record_arenas).unwrap()
}

fn copy(ctx: &ProvingContext<PB>) -> ProvingContext<PB> {
    let copy = |trace: &AirProvingContext<PB>| AirProvingContext {
        cached_mains: trace.cached_mains.clone(),
        common_main: trace.common_main.clone(),
        public_values: trace.public_values.clone(),
    };
    ProvingContext::new(ctx.per_trace.iter().map(|(air, trace)| (*air, copy(trace))).collect())
}

/// The first phase that differs says more than the bytes do.
fn assert_same(name: &str, swirl: &Proof<SC>, upstream: &Proof<SC>) {
    let phases = [
        ("the commitment to the traces", swirl.common_main_commit == upstream.common_main_commit),
        ("the shape of the traces", swirl.trace_vdata == upstream.trace_vdata),
        ("a public value", swirl.public_values == upstream.public_values),
        ("GKR", swirl.gkr_proof == upstream.gkr_proof),
        ("the proof of the constraints", swirl.batch_constraint_proof == upstream.batch_constraint_proof),
        ("the reduction of the openings", swirl.stacking_proof == upstream.stacking_proof),
        ("WHIR", swirl.whir_proof == upstream.whir_proof),
        ("the encoding", swirl.encode_to_vec().unwrap() == upstream.encode_to_vec().unwrap()),
    ];
    for (phase, is_same) in phases {
        assert!(is_same, "{name}: {phase} differs");
    }
}

/// Proves with both and compares; upstream's verifier must believe the proof.
fn prove(name: &str, key: &DeviceMultiStarkProvingKey<PB>, traces: ProvingContext<PB>) -> Proof<SC> {
    let params = key.params.clone();
    let upstream = timed("  upstream", || Upstream::new(params.clone()).prove(key, copy(&traces)).unwrap());
    let swirl = timed("  swirl", || Swirl::new(params.clone()).prove(key, traces).unwrap());
    assert_same(name, &swirl, &upstream);
    assert_verifies(name, &key.get_vk(), &swirl);
    swirl
}

/// Upstream's verifier, as it is.
fn assert_verifies(name: &str, key: &MultiStarkVerifyingKey<SC>, proof: &Proof<SC>) {
    let verified = Verifier::new(key.inner.params.clone()).verify(key, proof);
    verified.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// `make`, and how long it took.
fn timed<T>(what: &str, make: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let made = make();
    println!("{what}: {:?}", start.elapsed());
    made
}

/// Every committed guest, each on the first of its inputs.
fn guests() -> BTreeMap<String, Case> {
    let mut first = BTreeMap::new();
    for case in cases() {
        first.entry(case.guest.clone()).or_insert(case);
    }
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guests/elf")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let committed: BTreeSet<_> = names.filter_map(|name| Some(name.strip_suffix(".elf")?.to_owned())).collect();
    assert!(first.keys().eq(&committed), "there are guests without inputs");
    first
}

#[test]
fn segments_of_every_guest_have_the_same_proofs() {
    let mut config = KeyCache::new(None).unwrap().proving().unwrap().app().app_vm_pk.vm_config.clone();
    // No guest uses 256-bit integers, and they need a table of four times the rows.
    config.bigint = None;
    config.rv32m = Some(Default::default());
    let mut params = app_params_with_100_bits_security(LOG_STACKED_HEIGHT);
    params.logup.pow_bits = POW_BITS;
    params.whir.query_phase_pow_bits = POW_BITS;
    let mut vm = Vm::new_with_keygen(Upstream::new(params), SdkVmCpuBuilder, config.clone()).unwrap().0;
    let mut idle: BTreeSet<usize> = (0..vm.num_airs()).collect();
    for (name, case) in guests() {
        let exe = upstream_exe(&guest(&name), &config).unwrap();
        let traces = timed(&name, || first_segment(&mut vm, &exe, &case.stdin, CYCLES_MAX));
        idle.retain(|idle| traces.per_trace.iter().all(|(air, _)| air != idle));
        prove(&name, vm.pk(), traces);
    }
    let names: Vec<_> = vm.air_names().map(chip_name).collect();
    println!("no rows in any of them: {:?}", idle.iter().map(|air| &names[*air]).collect::<Vec<_>>());
}

/// A fold of one proof. Both prove the same traces, for two that upstream makes differ: the order of the rows of
/// `EqBitsAir` is that of a hash map.
fn fold<const N: usize>(name: &str, prover: &InnerCpuProver<N>, kind: ChildVkKind, child: &Proof<SC>) -> Proof<SC> {
    let child = std::slice::from_ref(child);
    let traces = timed(name, || prover.generate_proving_ctx(child, kind, ProofsType::Vm, None, &()));
    let key = prover.get_pk();
    let device_key = Upstream::new(key.params.clone()).device().transport_pk_to_device(&key);
    prove(name, &device_key, traces)
}

#[test]
fn folds_of_every_layer_have_the_same_proofs() {
    let keys = KeyCache::new(None).unwrap().proving().unwrap();
    let segment = segment_to_fold(&keys);
    let leaf = fold("leaf", keys.leaf(), ChildVkKind::App, &segment);
    let internal = fold("internal for leaf", keys.internal_for_leaf(), ChildVkKind::Standard, &leaf);
    let recursive = fold("internal recursive", keys.internal_recursive(), ChildVkKind::Standard, &internal);
    fold("itself", keys.internal_recursive(), ChildVkKind::RecursiveSelf, &recursive);
}

/// Proves with both and compares, where upstream asks for an engine and keeps the traces to itself.
struct Both(Upstream);

impl StarkEngine for Both {
    type SC = SC;
    type PB = PB;
    type PD = CpuDevice<SC>;
    type TS = LeastWitness;

    fn new(params: SystemParams) -> Self {
        Self(Upstream::new(params))
    }

    fn config(&self) -> &SC {
        self.0.config()
    }

    fn device(&self) -> &CpuDevice<SC> {
        self.0.device()
    }

    fn initial_transcript(&self) -> LeastWitness {
        self.0.initial_transcript()
    }

    fn prover_from_transcript(&self, transcript: LeastWitness) -> Coordinator<SC, PB, CpuDevice<SC>, LeastWitness> {
        self.0.prover_from_transcript(transcript)
    }

    fn prove(
        &self,
        key: &DeviceMultiStarkProvingKey<PB>,
        traces: ProvingContext<PB>,
    ) -> Result<Proof<SC>, ProverError<Self>> {
        Ok(prove("deferral", key, traces))
    }
}

/// What says that a receipt holds, for a program that asks: the proof that it verifies, the folds of it, and the hook.
#[test]
fn deferral_and_hook_proofs_are_the_same() {
    let keys = KeyCache::new(None).unwrap().deferral().unwrap().circuits;
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../receipt/tests/golden/fibonacci-20.receipt");
    let receipt = Receipt::decode(&fs::read(golden).unwrap()).unwrap();
    let circuit = &keys.circuits[0];

    let verify = <VerifyStark as DeferralCircuitProver<SC>>::from_pk(circuit.def_circuit_pk.as_ref().clone());
    let proof = timed("verify-stark", || verify.prove(&receipt.proof));
    let io = io_commit(&proof);

    let prefix = &circuit.agg_prefix_pk;
    let leaf = deferral_folds(verify.get_vk(), &prefix.leaf, false);
    let proof = deferral_fold("deferral leaf", &leaf, DeferralChildVkKind::DeferralCircuit, proof);
    let internal = deferral_folds(leaf.get_vk(), &prefix.internal_for_leaf, false);
    let proof = deferral_fold("deferral internal", &internal, DeferralChildVkKind::DeferralAggregation, proof);
    let recursive = deferral_folds(internal.get_vk(), &keys.def_internal_recursive_pk, true);
    let proof = deferral_fold("deferral recursive", &recursive, DeferralChildVkKind::DeferralAggregation, proof);

    let itself = recursive.get_vk_commit(true).cached_commit.into();
    let hook = DeferralHookCpuProver::from_pk::<Upstream>(recursive.get_vk(), itself, keys.def_hook_pk.clone());
    let proof = timed("hook", || hook.prove::<Both>(proof, vec![io]).unwrap());

    let agg = KeyCache::new(None).unwrap().deferral().unwrap().agg.prefix.leaf;
    let folds = InnerCpuProver::<MAX_NUM_CHILDREN_LEAF>::from_pk::<Upstream>(
        hook.get_vk(),
        agg,
        false,
        Some(hook.get_cached_commit()),
    );
    let proof = std::slice::from_ref(&proof);
    timed("leaf of the hook", || folds.agg_prove::<Both>(proof, ChildVkKind::App, ProofsType::Deferral, None)).unwrap();
}

type VerifyStark = DeferredVerifyCircuitProver<Both, VerifierSubCircuit<1>, DeferredVerifyTraceGenImpl>;

fn deferral_folds(
    child: Arc<MultiStarkVerifyingKey<SC>>,
    key: &Arc<MultiStarkProvingKey<SC>>,
    verifies_itself: bool,
) -> DeferralInnerCpuProver {
    DeferralInnerCpuProver::from_pk::<Upstream>(child, key.clone(), verifies_itself)
}

fn deferral_fold(name: &str, folds: &DeferralInnerCpuProver, kind: DeferralChildVkKind, child: Proof<SC>) -> Proof<SC> {
    timed(name, || folds.agg_prove::<Both>(&[child], kind, None)).unwrap()
}

/// What went into a deferral circuit and what came out, as the hook takes them: the input together with the commitments
/// to constants that the proof names.
fn io_commit(proof: &Proof<SC>) -> DeferralIoCommit<F> {
    let values: &DeferralCircuitPvs<F> = proof.public_values[DEF_CIRCUIT_PVS_AIR_ID].as_slice().borrow();
    let cached = proof.trace_vdata.iter().flatten().flat_map(|trace| &trace.cached_commitments);
    let committed: Vec<F> = std::iter::once(&values.input_commit).chain(cached).flatten().copied().collect();
    (poseidon2_hash_slice(&committed).0, values.output_commit)
}

/// The proof of a short execution under the parameters and with the chips of every segment, which the leaf takes.
fn segment_to_fold(keys: &ProvingKeys) -> Proof<SC> {
    let key = &keys.app().app_vm_pk;
    let engine = Upstream::new(key.vm_pk.params.clone());
    let device_key = engine.device().transport_pk_to_device(&*key.vm_pk);
    let mut vm = Vm::new(engine, SdkVmCpuBuilder, key.vm_config.clone(), device_key).unwrap();
    let exe = upstream_exe(&guest("fibonacci"), &key.vm_config).unwrap();
    let stdin = Stdin { items: vec![10u64.to_le_bytes().to_vec()] };
    let traces = first_segment(&mut vm, &exe, &stdin, u64::MAX);
    prove("segment", vm.pk(), traces)
}
