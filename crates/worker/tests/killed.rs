//! A process that is killed at any moment leaves a store from which the next one goes on.

mod fake;

use std::{
    env,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use fake::{FakeEngine, job};
use phalanx_engine::{CancelToken, Engine};
use phalanx_store::Store;
use phalanx_worker::{JobReport, PoolConfig, Silent, prove};

/// Set for the process that is to be killed: the directory of its store.
const VICTIM: &str = "PHALANX_TEST_VICTIM_STORE";
const SEGMENTS: u32 = 12;

fn run(engine: &Arc<FakeEngine>, store: &Store) -> JobReport {
    let engine: Arc<dyn Engine> = engine.clone();
    let config = PoolConfig::new(2000, 2, 2);
    prove(&engine, store, &job(SEGMENTS, 7), &config, &Silent, &CancelToken::default()).unwrap()
}

/// Not a test by itself: what the killed process does.
#[test]
fn victim() {
    if let Ok(dir) = env::var(VICTIM) {
        let engine = FakeEngine { task_ms_max: 60, segment_pause: Duration::from_millis(5), ..FakeEngine::new() };
        run(&Arc::new(engine), &Store::open_dir(dir).unwrap());
    }
}

#[test]
fn after_a_kill_only_unfinished_tasks_run() {
    let total = u64::from(SEGMENTS) + 2 + 3 + 1 + 1;
    let mut interrupted = 0;
    for kill_after_ms in [40, 90, 150, 220, 300, 400] {
        let dir = tempfile::tempdir().unwrap();
        let mut victim = Command::new(env::current_exe().unwrap())
            .args(["--exact", "victim"])
            .env(VICTIM, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(kill_after_ms));
        victim.kill().unwrap();
        victim.wait().unwrap();

        let recorded = recorded(dir.path());
        let store = Store::open_dir(dir.path()).unwrap();
        // A collection takes nothing that was recorded: the killed job still has its root.
        store.gc(false, &|_, bytes| fake::references(bytes)).unwrap();
        let engine = Arc::new(FakeEngine::new());
        let report = run(&engine, &store);
        assert_eq!(report.tasks_run, total - recorded.min(total), "killed after {kill_after_ms} ms");
        assert_eq!(engine.runs() as u64, report.tasks_run);
        interrupted += u64::from(recorded > 0 && recorded < total);
    }
    assert!(interrupted > 0, "no kill hit the middle of the job");
}

/// How many tasks the killed process had recorded; the job's own key counts only when all tasks do.
fn recorded(store: &std::path::Path) -> u64 {
    let Ok(shards) = std::fs::read_dir(store.join("keys")) else { return 0 };
    let files = shards.flat_map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap());
    files.filter(|file| !file.as_ref().unwrap().file_name().to_string_lossy().contains('#')).count() as u64
}
