//! How many tasks a second the queue gives out and takes back, beside a plain table that knows nothing of graphs and attempts.
//!
//! `throughput [--rounds N]`: a tree of 1,024 proofs and 1,023 folds, claimed and completed one by one by 8 claimers at once, on
//! SQLite and on a PostgreSQL server that it starts (with fsync). There the same number of rows of a plain table are claimed with
//! `SKIP LOCKED` and marked done, in turn with the queue. Prints one JSON object: tasks per second, medians over the rounds.

#[path = "../tests/support/postgres.rs"]
mod postgres;

use std::{
    env,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use phalanx_claim::Digest;
use phalanx_plan::{Position, TaskKind};
use phalanx_queue::{Database, Input, JobId, JobState, NewJob, NewTask, Offer, Queue};
use sqlx::{AnyPool, Row, any::AnyPoolOptions};
use tokio::task::JoinSet;

const LEAVES: u32 = 1024;
const TASKS: u32 = 2 * LEAVES - 1;
const CLAIMERS: u32 = 8;
const ENGINE: &str = "bench";
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
    for _ in 0..rounds {
        on_sqlite.push(rate(of_queue(&sqlite).await?));
        on_postgres.push(rate(of_queue(&postgres).await?));
        plain.push(rate(of_plain_table(&url).await?));
    }
    println!(
        "{}",
        serde_json::json!({"tasks": TASKS, "claimers": CLAIMERS, "sqlite_per_s": median(on_sqlite),
            "postgres_per_s": median(on_postgres), "plain_per_s": median(plain)})
    );
    Ok(())
}

fn rate(time: Duration) -> f64 {
    f64::from(TASKS) / time.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// From the first claim to the end of a job whose tasks are all announced.
async fn of_queue(queue: &Arc<Queue>) -> Result<Duration, Box<dyn Error>> {
    let first = task(Position::Execute, Vec::new());
    let request = Digest::of(b"throughput");
    let (tenant, priority) = ("bench".to_owned(), 0);
    let new = NewJob { tenant, idempotency_key: None, request, priority, deadline_ms: None, first };
    let job = queue.submit(&new).await?.job;
    let offer = |worker: &str, kinds: &[TaskKind]| Offer {
        worker: worker.to_owned(),
        kinds: kinds.to_vec(),
        engine: ENGINE.to_owned(),
        ram_bytes: 1,
    };
    let execute = queue.claim(&offer("executor", &[TaskKind::Execute])).await?.ok_or("nothing to claim")?;
    for tasks in tree().chunks(256) {
        queue.announce(job, Position::Execute, &execute.fence, tasks).await?;
    }
    let begin = Instant::now();
    let mut claimers = JoinSet::new();
    for claimer in 0..CLAIMERS {
        let (queue, offer) = (queue.clone(), offer(&format!("claimer {claimer}"), &[TaskKind::Prove, TaskKind::Fold]));
        claimers.spawn(async move { claim_all(&queue, &offer, job).await.map_err(|error| error.to_string()) });
    }
    while let Some(claimer) = claimers.join_next().await {
        claimer??;
    }
    Ok(begin.elapsed())
}

async fn claim_all(queue: &Queue, offer: &Offer, job: JobId) -> Result<(), phalanx_queue::QueueError> {
    loop {
        match queue.claim(offer).await? {
            Some(claimed) => {
                let output = Digest::of(claimed.position.to_string().as_bytes());
                queue.complete(job, claimed.position, &claimed.fence, output).await?;
            }
            None if queue.job(job).await?.state == JobState::Done => return Ok(()),
            // The last folds wait for each other.
            None => tokio::task::yield_now().await,
        }
    }
}

fn task(position: Position, inputs: Vec<Input>) -> NewTask {
    NewTask { position, engine: ENGINE.to_owned(), ram_bytes: 1, inputs, body: serde_json::Value::Null, is_last: false }
}

/// A full binary tree; its root ends the job.
fn tree() -> Vec<NewTask> {
    let prove = |index: u32| task(Position::Prove { index }, vec![Input::Artifact(Digest::of(&index.to_le_bytes()))]);
    let mut tasks: Vec<NewTask> = (0..LEAVES).map(prove).collect();
    let mut below: Vec<Position> = tasks.iter().map(|task| task.position).collect();
    for layer in 0.. {
        let fold = |(index, pair): (u32, &[Position])| {
            task(Position::Fold { layer, index }, pair.iter().map(|child| Input::Result(*child)).collect())
        };
        let folds: Vec<NewTask> = (0..).zip(below.chunks(2)).map(fold).collect();
        below = folds.iter().map(|task| task.position).collect();
        tasks.extend(folds);
        if below.len() == 1 {
            break;
        }
    }
    if let Some(root) = tasks.last_mut() {
        root.is_last = true;
    }
    tasks
}

/// The least that a queue on PostgreSQL can be: claim a row, mark it done.
async fn of_plain_table(url: &str) -> Result<Duration, Box<dyn Error>> {
    let pool = AnyPoolOptions::new().max_connections(CLAIMERS).connect(url).await?;
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
