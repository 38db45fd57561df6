//! What the queue's tests share: both databases, a clock that tests move, and a queue in memory.

pub mod history;
pub mod memory;
pub mod postgres;

use phalanx_api::{
    Announce, Announced, Beat, BeatAnswer, Complete, Fail, Held, Input, JobId, JobLimits, NewTask, NewWorker, Running,
    TaskId, TaskSpec, TaskView, Verdict,
};
use phalanx_claim::{Digest, EngineId};
use phalanx_plan::{Position, TaskKind};
use phalanx_queue::{Claimed, Completion, Database, NewJob, Offer, Queue, QueueError};
use sqlx::{AnyPool, AssertSqlSafe, any::install_default_drivers};
use tempfile::TempDir;

/// A queue in a new database, at a time that the test sets.
pub struct Bench {
    pub queue: Queue,
    pub url: String,
    clock: AnyPool,
    _folder: Option<TempDir>,
}

/// Workers that every bench knows.
pub const WORKERS: [&str; 5] = ["ada", "bea", "cyd", "eve", "executor"];
/// The boot of all workers that were not started again.
pub const BOOT: &str = "first";
/// Every kind of tasks.
pub const KINDS: [TaskKind; 4] = [TaskKind::Execute, TaskKind::Prove, TaskKind::Fold, TaskKind::Seal];

impl Bench {
    /// On SQLite.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("queue.db").display());
        Self { _folder: Some(folder), ..Self::open(&url).await }
    }

    /// On PostgreSQL, in a database of its own.
    pub async fn postgres() -> Self {
        Self::open(&postgres::new_database().await).await
    }

    /// On any.
    pub async fn open(url: &str) -> Self {
        let database = Database::open(url).await.unwrap().with_clock("(SELECT now_ms FROM clock)");
        install_default_drivers();
        let clock = AnyPool::connect(url).await.unwrap();
        sqlx::query("CREATE TABLE clock (now_ms BIGINT NOT NULL)").execute(&clock).await.unwrap();
        sqlx::query("INSERT INTO clock VALUES (1000)").execute(&clock).await.unwrap();
        let bench = Self { queue: Queue::new(database), url: url.to_owned(), clock, _folder: None };
        for name in WORKERS {
            bench.queue.register(&worker(name, BOOT)).await.unwrap();
        }
        bench
    }

    /// Moves time.
    pub async fn set_clock(&self, now_ms: u64) {
        let text = format!("UPDATE clock SET now_ms = {now_ms}");
        sqlx::query(AssertSqlSafe(text)).execute(&self.clock).await.unwrap();
    }

    /// Moves time, unless the database is away.
    pub async fn try_set_clock(&self, now_ms: u64) {
        let text = format!("UPDATE clock SET now_ms = {now_ms}");
        let _ = sqlx::query(AssertSqlSafe(text)).execute(&self.clock).await;
    }

    /// The best task of any kind.
    pub async fn claim(&self, worker: &str) -> Option<Claimed> {
        self.queue.claim(&offer(worker, &KINDS)).await.unwrap()
    }

    /// All tasks of a job.
    pub async fn tasks(&self, job: JobId) -> Vec<TaskView> {
        self.queue.tasks(job, None, 1_000).await.unwrap().tasks
    }

    pub async fn announce(&self, worker: &str, held: Held, tasks: &[NewTask]) -> Result<Announced, QueueError> {
        self.queue.announce(worker, &Announce { held, tasks: tasks.to_vec(), totals: None }).await
    }

    pub async fn complete(&self, worker: &str, held: Held, output: Digest) -> Result<Completion, QueueError> {
        self.queue.complete(worker, &Complete { held, output, cpu_ms: 1, peak_bytes: None }, false).await
    }

    pub async fn fail(&self, worker: &str, held: Held, verdict: Verdict, detail: &str) -> Result<(), QueueError> {
        self.queue.fail(worker, &Fail { held, verdict, detail: detail.to_owned() }).await
    }

    pub async fn beat(&self, worker: &str, boot: &str, running: &[Held]) -> Result<BeatAnswer, QueueError> {
        let running = running.iter().map(|held| Running { held: *held, cycles: None }).collect();
        let beat = Beat { boot: boot.to_owned(), running, resident_bytes: 0, is_draining: false };
        self.queue.beat(worker, &beat).await
    }

    /// Runs a job's execution, which announces these tasks.
    pub async fn execute(&self, job: JobId, tasks: &[NewTask]) {
        let claimed = self.queue.claim(&offer("executor", &[TaskKind::Execute])).await.unwrap().unwrap();
        let held = claimed.assignment.held;
        assert_eq!(held.job, job);
        for tasks in tasks.chunks(256) {
            self.announce("executor", held, tasks).await.unwrap();
        }
        self.complete("executor", held, digest("execution")).await.unwrap();
    }
}

/// The engine of all tests, as the database holds it.
pub fn engine() -> EngineId {
    EngineId { name: "fake".to_owned(), version: "1".to_owned(), verifying_key: digest("key") }
}

/// A worker with 100 bytes.
pub fn worker(name: &str, boot: &str) -> NewWorker {
    NewWorker {
        name: name.to_owned(),
        boot: boot.to_owned(),
        version: "1".to_owned(),
        engine: engine(),
        kinds: KINDS.to_vec(),
        ram_bytes: 100,
        cores: 4,
        slots: 1,
    }
}

/// What such a worker offers.
pub fn offer(worker: &str, kinds: &[TaskKind]) -> Offer {
    Offer {
        worker: worker.to_owned(),
        boot: BOOT.to_owned(),
        kinds: kinds.to_vec(),
        engine: serde_json::to_string(&engine()).unwrap(),
        ram_bytes: 100,
    }
}

/// A digest that names `text`.
pub fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// A job whose program has this name.
pub fn job(name: &str) -> NewJob {
    NewJob {
        tenant: "tenant".to_owned(),
        idempotency_key: None,
        program: digest(name),
        input: digest("input"),
        priority: 0,
        deadline_after_ms: None,
        limits: JobLimits::default(),
    }
}

/// An artifact as an input.
pub fn artifact(name: &str) -> Input {
    Input::Artifact { digest: digest(name) }
}

/// A task of 100 bytes.
pub fn task(position: Position, inputs: &[Input]) -> NewTask {
    let spec = match position {
        Position::Prove { .. } => TaskSpec::Prove { cycles: 7 },
        Position::Fold { layer, .. } => TaskSpec::Fold { layer },
        _ => TaskSpec::Seal,
    };
    NewTask { task: TaskId(position), spec, inputs: inputs.to_vec(), ram_bytes: 100 }
}

/// The proofs of so many segments, folded by twos, and the seal; children before parents.
pub fn tree(segments: u32) -> Vec<NewTask> {
    let prove = |index| task(Position::Prove { index }, &[artifact(&format!("segment {index}"))]);
    let mut tasks: Vec<NewTask> = (0..segments).map(prove).collect();
    let mut below: Vec<TaskId> = tasks.iter().map(|task| task.task).collect();
    let mut layer = 0;
    while below.len() > 1 {
        let fold = |(index, pair): (usize, &[TaskId])| {
            let inputs: Vec<Input> = pair.iter().map(|child| Input::Result { task: *child }).collect();
            task(Position::Fold { layer, index: index as u32 }, &inputs)
        };
        let folds: Vec<NewTask> = below.chunks(2).enumerate().map(fold).collect();
        below = folds.iter().map(|task| task.task).collect();
        tasks.extend(folds);
        layer += 1;
    }
    let execution = Input::Result { task: TaskId(Position::Execute) };
    tasks.push(task(Position::Seal, &[execution, Input::Result { task: below[0] }]));
    tasks
}
