//! What the queue's tests share: both databases, a clock that tests move, and a queue in memory.
#![allow(dead_code, reason = "each test takes what it needs")]

pub mod history;
pub mod memory;
pub mod postgres;

use phalanx_claim::Digest;
use phalanx_plan::Position;
use phalanx_queue::{Database, Input, NewJob, NewTask, Queue};
use sqlx::{AnyPool, AssertSqlSafe, any::install_default_drivers};
use tempfile::TempDir;

/// A queue in a new database, at a time that the test sets.
pub struct Bench {
    pub queue: Queue,
    clock: AnyPool,
    _folder: Option<TempDir>,
}

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

    async fn open(url: &str) -> Self {
        let database = Database::open(url).await.unwrap().with_clock("(SELECT now_ms FROM clock)");
        install_default_drivers();
        let clock = AnyPool::connect(url).await.unwrap();
        sqlx::query("CREATE TABLE clock (now_ms BIGINT NOT NULL)").execute(&clock).await.unwrap();
        sqlx::query("INSERT INTO clock VALUES (1000)").execute(&clock).await.unwrap();
        Self { queue: Queue::new(database), clock, _folder: None }
    }

    /// Limits how many tasks of a tenant run at once.
    pub async fn limit_tenant(&self, name: &str, running_max: i64) {
        let query = sqlx::query("INSERT INTO tenants (name, running_max) VALUES ($1, $2)");
        query.bind(name.to_owned()).bind(running_max).execute(&self.clock).await.unwrap();
    }

    /// Moves time.
    pub async fn set_clock(&self, now_ms: u64) {
        let text = format!("UPDATE clock SET now_ms = {now_ms}");
        sqlx::query(AssertSqlSafe(text)).execute(&self.clock).await.unwrap();
    }
}

/// The engine of all tests.
pub const ENGINE: &str = "fake";

/// A digest that names `text`.
pub fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// A job whose first task is its execution.
pub fn job(name: &str) -> NewJob {
    NewJob {
        tenant: "tenant".to_owned(),
        idempotency_key: None,
        request: digest(name),
        priority: 0,
        deadline_ms: None,
        first: task(Position::Execute, &[Input::Artifact(digest(name))]),
    }
}

/// A task of 100 bytes.
pub fn task(position: Position, inputs: &[Input]) -> NewTask {
    NewTask {
        position,
        engine: ENGINE.to_owned(),
        ram_bytes: 100,
        inputs: inputs.to_vec(),
        body: serde_json::json!({"cycles": 7}),
        is_last: position == Position::Seal,
    }
}

/// The proofs of so many segments, folded by twos, and the seal; children before parents.
pub fn tree(segments: u32) -> Vec<NewTask> {
    let prove = |index| task(Position::Prove { index }, &[Input::Artifact(digest(&format!("segment {index}")))]);
    let mut tasks: Vec<NewTask> = (0..segments).map(prove).collect();
    let mut below: Vec<Position> = tasks.iter().map(|task| task.position).collect();
    let mut layer = 0;
    while below.len() > 1 {
        let fold = |(index, pair): (usize, &[Position])| {
            let inputs: Vec<Input> = pair.iter().map(|child| Input::Result(*child)).collect();
            task(Position::Fold { layer, index: index as u32 }, &inputs)
        };
        let folds: Vec<NewTask> = below.chunks(2).enumerate().map(fold).collect();
        below = folds.iter().map(|task| task.position).collect();
        tasks.extend(folds);
        layer += 1;
    }
    tasks.push(task(Position::Seal, &[Input::Result(Position::Execute), Input::Result(below[0])]));
    tasks
}
