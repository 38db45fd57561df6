//! The pool through its public face, with an engine that makes no proofs.

mod fake;

use std::{
    cell::RefCell,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use fake::{FakeEngine, Trouble, job};
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_engine::{CancelToken, Engine, Fault};
use phalanx_plan::{ExecuteParams, Task, TaskKey};
use phalanx_receipt::Receipt;
use phalanx_store::Store;
use phalanx_worker::{
    JobError, JobReport, JobSpec, Memory, Observer, PoolConfig, PoolEvent, Silent, TaskName, execute_only, finished,
    job_root_name, prove, receipt_root_name,
};

const RAM: u64 = 2000;

struct Bench {
    engine: Arc<FakeEngine>,
    store: Store,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(engine: FakeEngine) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { engine: Arc::new(engine), store: Store::open_dir(dir.path()).unwrap(), _dir: dir }
    }

    fn prove(&self, job: &JobSpec) -> Result<JobReport, JobError> {
        self.prove_with(job, PoolConfig::new(RAM, 3, 4), &Silent, &CancelToken::default())
    }

    fn prove_with(
        &self,
        job: &JobSpec,
        config: PoolConfig,
        observer: &dyn Observer,
        cancel: &CancelToken,
    ) -> Result<JobReport, JobError> {
        let engine: Arc<dyn Engine> = self.engine.clone();
        prove(&engine, &self.store, job, &config, observer, cancel)
    }

    /// The same store with another engine.
    fn with_engine(self, engine: FakeEngine) -> Self {
        Self { engine: Arc::new(engine), ..self }
    }

    fn corrupt(&self, digest: &Digest) {
        let hex = digest.to_string();
        let path = self.store.path().unwrap().join("artifacts").join(&hex[..2]).join(&hex);
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }

    fn job_roots(&self) -> Vec<String> {
        self.store.roots().unwrap().into_keys().filter(|name| name.starts_with("job-")).collect()
    }
}

/// Remembers every event.
#[derive(Default)]
struct Diary(RefCell<Vec<PoolEvent>>);

impl Observer for Diary {
    fn on(&self, event: &PoolEvent) {
        self.0.borrow_mut().push(event.clone());
    }
}

/// Tasks of a job of `segments` segments under arities 4, 3, 3.
fn tasks_total(segments: u32) -> u64 {
    let folds = FakeEngine::new().shape.widths(segments).unwrap();
    2 + u64::from(segments) + folds.into_iter().map(u64::from).sum::<u64>()
}

#[test]
fn every_segment_is_proven_exactly_once_and_the_budget_holds() {
    for segments in [1, 2, 4, 5, 13, 40] {
        let bench = Bench::new(FakeEngine::new());
        let report = bench.prove(&job(segments, segments as u8)).unwrap();
        assert_eq!((report.segments, report.tasks_run, report.tasks_reused), (segments, tasks_total(segments), 0));
        assert_eq!(bench.engine.runs() as u64, report.tasks_run);
        assert!(bench.engine.used_bytes_max() <= RAM, "{} bytes at once", bench.engine.used_bytes_max());
        assert!(bench.store.get(&report.receipt, ArtifactKind::Receipt).unwrap().is_some());
        assert_eq!(report.public_values, [segments as u8]);
        let cycles: u64 = report.tasks.iter().filter(|t| t.name.kind.name() == "prove").map(|t| t.cycles).sum();
        assert_eq!(cycles, report.cycles);
    }
}

#[test]
fn proving_and_folding_start_while_the_execution_goes_on() {
    let bench = Bench::new(FakeEngine { segment_pause: Duration::from_millis(40), ..FakeEngine::new() });
    let diary = Diary::default();
    bench.prove_with(&job(10, 1), PoolConfig::new(RAM, 3, 4), &diary, &CancelToken::default()).unwrap();
    let order: Vec<String> = diary
        .0
        .borrow()
        .iter()
        .filter_map(|event| match event {
            PoolEvent::Finished(record) => Some(record.name.to_string()),
            _ => None,
        })
        .collect();
    let at = |name: &str| order.iter().position(|task| task == name).unwrap();
    assert!(at("prove 0") < at("execute") && at("fold 0.0") < at("execute"), "{order:?}");
    assert_eq!(order.last().map(String::as_str), Some("seal"));
}

/// The same job, cut elsewhere.
fn with_other_limits(job: JobSpec) -> JobSpec {
    let execute = ExecuteParams { segment_cycles_max: 1 << 10, segment_bytes_max: 1 << 20, cycles_max: 1 << 30 };
    JobSpec { execute, ..job }
}

#[test]
fn a_second_run_runs_nothing_whatever_its_limits() {
    let bench = Bench::new(FakeEngine::new());
    let first = bench.prove(&job(9, 3)).unwrap();
    for again in [job(9, 3), with_other_limits(job(9, 3))] {
        let second = bench.prove(&again).unwrap();
        assert_eq!((second.tasks_run, second.tasks_reused), (0, tasks_total(9)));
        assert_eq!((second.receipt, second.cpu_ms), (first.receipt, 0));
        let facts = |report: JobReport| (report.exit_code, report.public_values, report.cycles, report.segments);
        assert_eq!(facts(second), facts(first.clone()));
    }
    assert_eq!(bench.engine.runs() as u64, first.tasks_run);
}

#[test]
fn a_receipt_outlives_all_that_led_to_it() {
    let bench = Bench::new(FakeEngine::new());
    let first = bench.prove(&job(9, 3)).unwrap();
    first.tasks.iter().filter(|task| task.output != first.receipt).for_each(|task| bench.corrupt(&task.output));
    let second = bench.prove(&job(9, 3)).unwrap();
    assert_eq!((second.tasks_run, second.tasks_reused, second.receipt), (0, tasks_total(9), first.receipt));
}

#[test]
fn a_finished_job_is_reported_by_its_seal_and_an_unfinished_one_not_at_all() {
    let bench = Bench::new(FakeEngine::new());
    let JobSpec { program, stdin, .. } = job(5, 3);
    let found = |observer: &dyn Observer| finished(&*bench.engine, &bench.store, &program, &stdin, observer).unwrap();
    let diary = Diary::default();
    assert_eq!(found(&diary), None);
    assert!(diary.0.borrow().is_empty());

    let proven = bench.prove(&job(5, 3)).unwrap();
    let report = found(&diary).unwrap();
    assert_eq!((report.receipt, report.tasks_run, report.tasks_reused), (proven.receipt, 0, tasks_total(5)));
    let [seal] = &report.tasks[..] else { panic!("{:?}", report.tasks) };
    assert_eq!((seal.name, seal.reused, seal.output), (TaskName::SEAL, true, proven.receipt));
    let totals = PoolEvent::Totals { cycles: proven.cycles, segments: 5, folds: 4 };
    assert_eq!(*diary.0.borrow(), [totals, PoolEvent::Reused(seal.clone())]);
}

#[test]
fn another_input_is_another_job() {
    let bench = Bench::new(FakeEngine::new());
    bench.prove(&job(5, 3)).unwrap();
    let other = JobSpec { stdin: vec![9], ..job(5, 3) };
    assert!(finished(&*bench.engine, &bench.store, &other.program, &other.stdin, &Silent).unwrap().is_none());
}

#[test]
fn a_receipt_that_cannot_be_read_is_sealed_again_and_nothing_else_runs() {
    let garbled = |name: &str, _| (name == "seal").then_some(Trouble::GarbledReceipt);
    let bench = Bench::new(FakeEngine::with_script(garbled));
    let first = bench.prove(&job(5, 3)).unwrap();
    let bench = bench.with_engine(FakeEngine::new());
    let second = bench.prove(&job(5, 3)).unwrap();
    assert_eq!((second.tasks_run, second.tasks_reused), (1, tasks_total(5) - 1));
    assert_ne!(second.receipt, first.receipt);
    let bytes = bench.store.get(&second.receipt, ArtifactKind::Receipt).unwrap().unwrap();
    assert!(Receipt::decode(&bytes).is_ok());
}

#[test]
fn an_execution_of_another_version_is_made_again_and_used() {
    let bench = Bench::new(FakeEngine::new());
    let job = job(5, 3);
    let old = bench.store.put(ArtifactKind::Execution, b"PXEX\x01\x00 as an older version wrote it").unwrap();
    let given = [Digest::of(&job.program), Digest::of(&job.stdin)];
    let key = TaskKey::new(bench.engine.id(), &Task::Execute(job.execute), &given);
    bench.store.record(key.digest(), old).unwrap();
    let report = bench.prove(&job).unwrap();
    assert_eq!((bench.engine.starts("execute"), report.tasks_run), (1, tasks_total(5)));
}

#[test]
fn a_corrupt_receipt_is_sealed_again_and_nothing_else_runs() {
    let bench = Bench::new(FakeEngine::new());
    let first = bench.prove(&job(5, 3)).unwrap();
    bench.corrupt(&first.receipt);
    let second = bench.prove(&job(5, 3)).unwrap();
    assert_eq!((second.tasks_run, second.receipt), (1, first.receipt));
    assert_eq!(bench.engine.starts("seal"), 2);
}

#[test]
fn a_corrupt_artifact_in_the_middle_runs_only_what_made_it() {
    let fault = || Some(Trouble::Fault(Fault::BadElf("stop here".into())));
    let bench =
        Bench::new(FakeEngine::with_script(move |name, _| if name == "fold 1 from 0" { fault() } else { None }));
    let diary = Diary::default();
    let config = PoolConfig::new(RAM, 3, 4);
    bench.prove_with(&job(8, 3), config, &diary, &CancelToken::default()).unwrap_err();
    let made = |name: &str| {
        diary
            .0
            .borrow()
            .iter()
            .find_map(|event| match event {
                PoolEvent::Finished(record) if record.name.to_string() == name => Some(record.output),
                _ => None,
            })
            .unwrap()
    };
    // The artifacts of a fold and of a proof below it: the rewind goes back two levels.
    bench.corrupt(&made("fold 0.1"));
    bench.corrupt(&made("prove 6"));
    let bench = bench.with_engine(FakeEngine::new());
    let report = bench.prove(&job(8, 3)).unwrap();
    let mut order = bench.engine.order();
    order.sort();
    assert_eq!(order, ["fold 0 from 4", "fold 1 from 0", "fold 2 from 0", "prove 6", "seal"]);
    assert_eq!(report.tasks_run, 5);
}

#[test]
fn a_lost_segment_is_executed_again_and_its_neighbours_stay() {
    let fail = |name: &str, _| (name == "prove 2").then(|| Trouble::Fault(Fault::BadElf("stop here".into())));
    let bench = Bench::new(FakeEngine { task_ms_max: 0, ..FakeEngine::with_script(fail) });
    let config = PoolConfig::new(RAM, 1, 1);
    bench.prove_with(&job(3, 3), config, &Silent, &CancelToken::default()).unwrap_err();
    let engine: Arc<dyn Engine> = bench.engine.clone();
    let executed = execute_only(&engine, &bench.store, &job(3, 3), &config, &Silent, &CancelToken::default()).unwrap();
    let bytes = bench.store.get(&executed.execution, ArtifactKind::Execution).unwrap().unwrap();
    let execution = phalanx_engine::Execution::decode(&bytes).unwrap();
    bench.corrupt(&execution.segments[2].digest);
    let bench = bench.with_engine(FakeEngine::new());
    bench.prove(&job(3, 3)).unwrap();
    assert_eq!(
        (bench.engine.starts("execute"), bench.engine.starts("prove 0"), bench.engine.starts("prove 2")),
        (1, 0, 1)
    );
}

#[test]
fn failures_are_retried_and_capped_with_their_cause() {
    let twice = |name: &str, attempt| (name == "prove 1" && attempt < 3).then_some(Trouble::Retry);
    let bench = Bench::new(FakeEngine::with_script(twice));
    let report = bench.prove(&job(3, 1)).unwrap();
    let attempts = report.tasks.iter().find(|task| task.name.to_string() == "prove 1").unwrap().attempt;
    assert_eq!(attempts, 3);

    let always = |name: &str, _| (name == "prove 1").then_some(Trouble::Retry);
    match Bench::new(FakeEngine::with_script(always)).prove(&job(3, 1)).unwrap_err() {
        JobError::Attempts { task, attempts: 3, reason } => {
            assert_eq!((task.to_string().as_str(), reason.as_str()), ("prove 1", "the fake is tired"));
        }
        error => panic!("{error}"),
    }
}

#[test]
fn a_machine_that_makes_bad_proofs_gets_one_more_try() {
    let once = |name: &str, attempt| (name == "prove 0" && attempt == 1).then_some(Trouble::BadProof);
    Bench::new(FakeEngine::with_script(once)).prove(&job(2, 1)).unwrap();
    let always = |name: &str, _| (name == "fold 0 from 0").then_some(Trouble::BadProof);
    let error = Bench::new(FakeEngine::with_script(always)).prove(&job(2, 1)).unwrap_err();
    assert!(matches!(&error, JobError::BadMachine { attempts: 2, .. }), "{error}");
    assert!(error.to_string().contains("fold 0.0"), "{error}");
}

#[test]
fn a_broken_engine_is_named_with_its_task() {
    let cases = [
        (Trouble::Panic, "prove 1: the engine panicked: the fake panics"),
        (Trouble::WrongKind, "prove 1: the engine made an artifact of kind pages, not proof"),
        (Trouble::Cancelled, "prove 1: the engine stopped without being asked to"),
    ];
    for (trouble, text) in cases {
        let script = move |name: &str, _| (name == "prove 1").then(|| trouble.clone());
        let error = Bench::new(FakeEngine::with_script(script)).prove(&job(2, 1)).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert!(!error.is_users());
    }
}

#[test]
fn a_fault_stops_the_others_and_leaves_no_root() {
    let fault = Fault::CycleLimit { cycles_max: 7 };
    let named = fault.clone();
    let bench = Bench::new(FakeEngine::with_script(move |name, _| match name {
        "prove 0" => Some(Trouble::UntilCancelled),
        "prove 1" => Some(Trouble::Fault(fault.clone())),
        _ => None,
    }));
    match bench.prove(&job(3, 1)).unwrap_err() {
        JobError::Fault { fault, .. } => assert_eq!(fault, named),
        error => panic!("{error}"),
    }
    assert!(bench.job_roots().is_empty());
}

#[test]
fn a_store_that_cannot_write_is_to_blame_and_not_the_task() {
    /// Puts a file where the store has its artifacts, as soon as there is a segment.
    struct Saboteur(std::path::PathBuf);
    impl Observer for Saboteur {
        fn on(&self, event: &PoolEvent) {
            if matches!(event, PoolEvent::Segment { index: 0, .. }) {
                std::fs::remove_dir_all(&self.0).unwrap();
                std::fs::write(&self.0, "in the way").unwrap();
            }
        }
    }
    let bench = Bench::new(FakeEngine { segment_pause: Duration::from_millis(20), ..FakeEngine::new() });
    let saboteur = Saboteur(bench.store.path().unwrap().join("artifacts"));
    let config = PoolConfig::new(RAM, 2, 2);
    let error = bench.prove_with(&job(2, 1), config, &saboteur, &CancelToken::default()).unwrap_err();
    assert!(matches!(&error, JobError::Store(_)), "{error}");
    assert!(error.to_string().contains("artifacts"), "{error}");
}

#[test]
fn a_budget_too_small_says_how_much_is_needed() {
    let bench = Bench::new(FakeEngine::new());
    let config = PoolConfig::new(1099, 2, 2);
    match bench.prove_with(&job(2, 1), config, &Silent, &CancelToken::default()).unwrap_err() {
        JobError::BudgetTooSmall { needed_bytes, budget_bytes: 1099, .. } => assert!(needed_bytes >= 1100),
        error => panic!("{error}"),
    }
    let config = PoolConfig::new(RAM, 0, 2);
    let error = bench.prove_with(&job(2, 1), config, &Silent, &CancelToken::default()).unwrap_err();
    assert_eq!(error.to_string(), "slots must be at least 1, not 0");
}

#[test]
fn cancelling_returns_within_a_second_and_what_finished_is_kept() {
    for trouble in [Trouble::UntilCancelled, Trouble::Deaf(Duration::from_secs(3))] {
        let bench = Bench::new(FakeEngine::with_script(move |name, _| (name == "prove 2").then(|| trouble.clone())));
        let cancel = CancelToken::default();
        let canceller = cancel.clone();
        let cancelled_at = thread::spawn(move || {
            thread::sleep(Duration::from_millis(400));
            canceller.cancel();
            Instant::now()
        });
        let error = bench.prove_with(&job(4, 1), PoolConfig::new(RAM, 2, 2), &Silent, &cancel).unwrap_err();
        let late = cancelled_at.join().unwrap().elapsed();
        assert!(matches!(error, JobError::Cancelled), "{error}");
        assert!(late < Duration::from_secs(1), "returned {late:?} after the cancellation");
        assert_eq!(bench.job_roots().len(), 1, "the next run goes on from here");
        let bench = bench.with_engine(FakeEngine::new());
        let report = bench.prove(&job(4, 1)).unwrap();
        assert!(report.tasks_reused >= 3, "execution and two proofs at least");
        assert_eq!(bench.engine.starts("execute"), 0);
        assert!(bench.job_roots().is_empty());
    }
}

#[test]
fn two_pools_on_one_store_agree_on_the_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let run = |salt| {
        let path = dir.path().to_owned();
        thread::spawn(move || {
            let engine: Arc<dyn Engine> = Arc::new(FakeEngine { salt, ..FakeEngine::new() });
            let store = Store::open_dir(path).unwrap();
            prove(&engine, &store, &job(12, 5), &PoolConfig::new(RAM, 2, 2), &Silent, &CancelToken::default()).unwrap()
        })
    };
    let (one, other) = (run(1), run(2));
    let (one, other) = (one.join().unwrap(), other.join().unwrap());
    assert_eq!(one.receipt, other.receipt, "both report the receipt that is recorded");
}

#[test]
fn executing_alone_always_runs_and_spares_the_prover_the_execution() {
    let bench = Bench::new(FakeEngine::new());
    let engine: Arc<dyn Engine> = bench.engine.clone();
    for _ in 0..2 {
        let diary = Diary::default();
        let config = PoolConfig::new(RAM, 2, 2);
        let report = execute_only(&engine, &bench.store, &job(6, 1), &config, &diary, &CancelToken::default()).unwrap();
        assert_eq!((report.segments, report.public_values, report.task.reused), (6, vec![1], false));
        assert!(diary.0.borrow().contains(&PoolEvent::GuestOutput(b"hello".to_vec())));
    }
    assert_eq!(bench.engine.order(), ["execute", "execute"]);
    bench.prove(&job(6, 1)).unwrap();
    assert_eq!(bench.engine.starts("execute"), 2);
}

#[test]
fn a_finished_job_keeps_its_receipt_and_nothing_else() {
    let bench = Bench::new(FakeEngine::new());
    let report = bench.prove(&job(6, 1)).unwrap();
    let roots: Vec<_> = bench.store.roots().unwrap().into_iter().collect();
    assert_eq!(roots, [(receipt_root_name(&report.receipt), [report.receipt].into())]);
    assert!(job_root_name(&report.receipt).starts_with("job-"));
}

#[test]
fn the_last_fold_gets_all_cores() {
    let bench = Bench::new(FakeEngine::new());
    bench.prove_with(&job(8, 1), PoolConfig::new(RAM, 2, 4), &Silent, &CancelToken::default()).unwrap();
    assert_eq!((bench.engine.threads("fold 2 from 0"), bench.engine.threads("execute")), (4, 1));
}

#[test]
fn only_tasks_that_ran_alone_say_their_peak() {
    let bench = Bench::new(FakeEngine { task_ms_max: 300, ..FakeEngine::new() });
    let engine: Arc<dyn Engine> = bench.engine.clone();
    let one_slot =
        PoolConfig { memory: Memory { held_bytes: || Some(7), ..Memory::SYSTEM }, ..PoolConfig::new(RAM, 1, 2) };
    execute_only(&engine, &bench.store, &job(4, 1), &one_slot, &Silent, &CancelToken::default()).unwrap();
    let report = bench.prove_with(&job(4, 1), one_slot, &Silent, &CancelToken::default()).unwrap();
    let ran = |report: &JobReport| report.tasks.iter().filter(|task| !task.reused).cloned().collect::<Vec<_>>();
    assert!(
        ran(&report).iter().all(|task| task.measured_peak_bytes.unwrap_or(0) == 0 && task.predicted_peak_bytes > 0)
    );
    assert!(ran(&report).iter().any(|task| task.measured_peak_bytes == Some(0)), "some are long enough to be measured");

    let blind = PoolConfig { memory: Memory { held_bytes: || None, ..Memory::SYSTEM }, ..one_slot };
    let report = bench.prove_with(&job(4, 2), blind, &Silent, &CancelToken::default()).unwrap();
    assert!(ran(&report).iter().all(|task| task.measured_peak_bytes.is_none()));
}
