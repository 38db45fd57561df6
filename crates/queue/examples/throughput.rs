//! How many tasks a second the queue gives out and takes back, beside a plain table that knows nothing of graphs and attempts.
//!
//! `throughput [--rounds N]`: a tree of 1,024 proofs, 1,023 folds and the seal, claimed and completed one by one by 8 claimers at once, on
//! SQLite and on a PostgreSQL server that it starts (with fsync). There the same number of rows of a plain table are claimed with
//! `SKIP LOCKED` and marked done, in turn with the queue. Prints one JSON object: tasks per second in each round.

#[path = "../tests/support/postgres.rs"]
mod postgres;

use std::{
    env,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use phalanx_api::{Announce, Complete, Input, JobId, JobLimits, JobState, NewTask, NewWorker, TaskId, TaskSpec};
use phalanx_claim::{Digest, EngineId};
use phalanx_plan::{Position, TaskKind};
use phalanx_queue::{Database, NewJob, Offer, Queue, QueueError};
use sqlx::{AnyPool, Row, any::AnyPoolOptions};
use tokio::task::JoinSet;

const LEAVES: u32 = 1024;
/// Proofs, folds and the seal.
const TASKS: u32 = 2 * LEAVES;
const CLAIMERS: u32 = 8;
/// Whoever finds nothing looks again when something changed, or after this time.
const WAIT: Duration = Duration::from_millis(100);
const USAGE: &str = "usage: throughput [--rounds N]";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let rounds: usize = match (args.next().as_deref(), args.next()) {
        (None, _) => 3,
        (Some("--rounds"), Some(rounds)) => rounds.parse()?,
        _ => return Err(USAGE.into()),
    };
    let folder = tempfile::tempdir()?;
    let sqlite = Arc::new(Queue::new(Database::open(&format!("sqlite:{}", folder.path().join("db").display())).await?));
    let url = postgres::new_database().await;
    let postgres = Arc::new(Queue::new(Database::open(&url).await?));
    let (mut on_sqlite, mut on_postgres, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        on_sqlite.push(rate(of_queue(&sqlite, round).await?));
        on_postgres.push(rate(of_queue(&postgres, round).await?));
        plain.push(rate(of_plain_table(&url).await?));
    }
    println!(
        "{}",
        serde_json::json!({"tasks": TASKS, "claimers": CLAIMERS, "sqlite_per_s": on_sqlite,
            "postgres_per_s": on_postgres, "plain_per_s": plain})
    );
    Ok(())
}

fn rate(time: Duration) -> f64 {
    f64::from(TASKS) / time.as_secs_f64()
}

/// From the first claim to the end of a job whose tasks are all announced.
async fn of_queue(queue: &Arc<Queue>, round: usize) -> Result<Duration, Box<dyn Error>> {
    let new = NewJob {
        tenant: "bench".to_owned(),
        idempotency_key: None,
        program: Digest::of(&round.to_le_bytes()),
        input: Digest::of(b"input"),
        priority: 0,
        deadline_after_ms: None,
        limits: JobLimits::default(),
    };
    let job = queue.submit(&new).await?.job;
    queue.register(&worker("executor")).await?;
    let execute = queue.claim(&offer("executor", &[TaskKind::Execute])?).await?.ok_or("nothing to claim")?;
    let held = execute.assignment.held;
    for tasks in tree().chunks(256) {
        queue.announce("executor", &Announce { held, tasks: tasks.to_vec(), totals: None }).await?;
    }
    let output = Digest::of(b"execution");
    queue.complete("executor", &Complete { held, output, cpu_ms: 0, peak_bytes: None }, false).await?;
    let mut claimers = JoinSet::new();
    let mut offers = Vec::new();
    for claimer in 0..CLAIMERS {
        let name = format!("claimer {claimer}");
        queue.register(&worker(&name)).await?;
        offers.push(offer(&name, &[TaskKind::Prove, TaskKind::Fold, TaskKind::Seal])?);
    }
    let begin = Instant::now();
    for offer in offers {
        let queue = queue.clone();
        claimers.spawn(async move { claim_all(&queue, &offer, job).await.map_err(|error| error.to_string()) });
    }
    while let Some(claimer) = claimers.join_next().await {
        claimer??;
    }
    Ok(begin.elapsed())
}

async fn claim_all(queue: &Queue, offer: &Offer, job: JobId) -> Result<(), QueueError> {
    let mut changes = queue.wakes();
    loop {
        changes.mark_unchanged();
        match queue.claim(offer).await? {
            Some(claimed) => {
                let held = claimed.assignment.held;
                let output = Digest::of(held.task.to_string().as_bytes());
                queue.complete(&offer.worker, &Complete { held, output, cpu_ms: 0, peak_bytes: None }, false).await?;
            }
            None if queue.job(job).await?.state == JobState::Done => return Ok(()),
            // The last folds wait for each other.
            None => drop(tokio::time::timeout(WAIT, changes.changed()).await),
        }
    }
}

fn engine() -> EngineId {
    EngineId { name: "bench".to_owned(), version: "1".to_owned(), verifying_key: Digest::of(b"key") }
}

fn worker(name: &str) -> NewWorker {
    NewWorker {
        name: name.to_owned(),
        boot: "first".to_owned(),
        version: "1".to_owned(),
        engine: engine(),
        kinds: vec![TaskKind::Execute, TaskKind::Prove, TaskKind::Fold, TaskKind::Seal],
        ram_bytes: 1,
        cores: 1,
        slots: 1,
    }
}

fn offer(worker: &str, kinds: &[TaskKind]) -> Result<Offer, serde_json::Error> {
    Ok(Offer {
        worker: worker.to_owned(),
        boot: "first".to_owned(),
        kinds: kinds.to_vec(),
        engine: serde_json::to_string(&engine())?,
        ram_bytes: 1,
    })
}

fn task(position: Position, spec: TaskSpec, inputs: Vec<Input>) -> NewTask {
    NewTask { task: TaskId(position), spec, inputs, ram_bytes: 1 }
}

/// A full binary tree and the seal, which ends the job.
fn tree() -> Vec<NewTask> {
    let segment = |index: u32| Input::Artifact { digest: Digest::of(&index.to_le_bytes()) };
    let prove = |index: u32| task(Position::Prove { index }, TaskSpec::Prove { cycles: 1 << 20 }, vec![segment(index)]);
    let mut tasks: Vec<NewTask> = (0..LEAVES).map(prove).collect();
    let mut below: Vec<TaskId> = tasks.iter().map(|task| task.task).collect();
    let result = |child: &TaskId| Input::Result { task: *child };
    for layer in 0.. {
        let fold = |(index, pair): (u32, &[TaskId])| {
            task(Position::Fold { layer, index }, TaskSpec::Fold { layer }, pair.iter().map(result).collect())
        };
        let folds: Vec<NewTask> = (0..).zip(below.chunks(2)).map(fold).collect();
        below = folds.iter().map(|task| task.task).collect();
        tasks.extend(folds);
        if below.len() == 1 {
            break;
        }
    }
    tasks.push(task(Position::Seal, TaskSpec::Seal, below.iter().map(result).collect()));
    tasks
}

/// The least that a queue on PostgreSQL can be: claim a row, mark it done.
async fn of_plain_table(url: &str) -> Result<Duration, Box<dyn Error>> {
    // As few round trips as the queue makes.
    let pool = AnyPoolOptions::new().max_connections(CLAIMERS).test_before_acquire(false).connect(url).await?;
    sqlx::query("DROP TABLE IF EXISTS plain").execute(&pool).await?;
    sqlx::query("CREATE TABLE plain (id BIGINT PRIMARY KEY, state TEXT NOT NULL, worker TEXT)").execute(&pool).await?;
    sqlx::query("CREATE INDEX plain_ready ON plain (id) WHERE state = 'ready'").execute(&pool).await?;
    let fill = "INSERT INTO plain SELECT id, 'ready' FROM generate_series(1, $1) AS id";
    sqlx::query(fill).bind(i64::from(TASKS)).execute(&pool).await?;
    let begin = Instant::now();
    let mut claimers = JoinSet::new();
    for claimer in 0..CLAIMERS {
        let pool = pool.clone();
        claimers.spawn(async move { empty(&pool, &format!("claimer {claimer}")).await });
    }
    while let Some(claimer) = claimers.join_next().await {
        claimer??;
    }
    Ok(begin.elapsed())
}

async fn empty(pool: &AnyPool, worker: &str) -> Result<(), sqlx::Error> {
    let claim = "UPDATE plain SET state = 'running', worker = $1 WHERE id = (SELECT id FROM plain WHERE state = 'ready' \
                 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id";
    while let Some(row) = sqlx::query(claim).bind(worker.to_owned()).fetch_optional(pool).await? {
        let id: i64 = row.try_get("id")?;
        sqlx::query("UPDATE plain SET state = 'done' WHERE id = $1").bind(id).execute(pool).await?;
    }
    Ok(())
}
