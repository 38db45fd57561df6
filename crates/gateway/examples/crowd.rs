//! A gateway whose database is full: 10,000 jobs of 100 tasks each, most of them done, and a few more that nobody has begun.
//!
//! `crowd sqlite|postgres [--jobs N]`: fills a database of its own and serves it on loopback without tokens. Prints one JSON object
//! with the gateway's URL, how much there is, and some jobs; runs until its standard input ends. Another process fills the
//! database (`crowd fill URL [--jobs N]`), so what this one holds is what a gateway holds.

#[path = "../../queue/tests/support/postgres.rs"]
mod postgres;

use std::{
    collections::HashMap,
    env,
    error::Error,
    io::{self, Read},
    process::Command,
};

use phalanx_api::{
    Announce, Complete, Fail, Held, Input, JobId, JobLimits, NewTask, NewWorker, TaskId, TaskSpec, Totals, Verdict,
};
use phalanx_claim::{Digest, EngineId};
use phalanx_gateway::{Auth, Config, Gateway, Limits, Listener, verify};
use phalanx_plan::{Position, TaskKind};
use phalanx_queue::{Claimed, Database, NewJob, Offer, Queue};
use phalanx_store::Store;
use sqlx::{AnyConnection, AssertSqlSafe, Column, Connection, Executor, Row, any::install_default_drivers};

const USAGE: &str = "usage: crowd sqlite|postgres [--jobs N] | crowd fill URL [--jobs N]";
const KINDS: [TaskKind; 4] = [TaskKind::Execute, TaskKind::Prove, TaskKind::Fold, TaskKind::Seal];
/// Together with 26 folds of up to four, the execution and the seal: 100 tasks.
const PROOFS: u32 = 72;
const WORKERS: u32 = 200;
const TENANTS: u32 = 20;
const BOOT: &str = "first";
/// Jobs of one transaction.
const BATCH: u32 = 1_000;
/// Rows of one statement.
const ROWS: usize = 100;
/// Jobs are so far apart, in milliseconds: 10,000 of them come within a month.
const STEP_MS: i64 = 260_000;
/// Nobody beats here, and the sweeper would take back what runs.
const LEASE_MS: i64 = 86_400_000;
/// Jobs that are named in the output.
const NAMED: usize = 64;

type Failure = Box<dyn Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (args, jobs) = match args.as_slice() {
        [rest @ .., "--jobs", jobs] => (rest, jobs.parse()?),
        all => (all, 10_000),
    };
    match args {
        ["fill", url] => fill(url, jobs).await,
        ["sqlite"] => {
            let folder = tempfile::tempdir()?;
            serve(&format!("sqlite:{}", folder.path().join("queue.db").display()), jobs).await
        }
        ["postgres"] => serve(&postgres::new_database().await, jobs).await,
        _ => Err(USAGE.into()),
    }
}

async fn serve(url: &str, jobs: u32) -> Result<(), Failure> {
    let mut fill = Command::new(env::current_exe()?);
    if !fill.args(["fill", url, "--jobs", &jobs.to_string()]).status()?.success() {
        return Err("the database cannot be filled".into());
    }
    let folder = tempfile::tempdir()?;
    let queue = Queue::new(Database::open(url).await?);
    let store = Store::open_dir(folder.path())?;
    let config = Config { queue, store, verify, auth: Auth::Open, limits: Limits::default(), dashboard: true };
    let bound = Gateway::new(config).bind(&Listener { address: ([127, 0, 0, 1], 0).into(), tls: None }).await?;
    let (jobs, tasks, named) = counted(url).await?;
    let server = format!("http://{}", bound.address());
    println!("{}", serde_json::json!({"url": server, "jobs": jobs, "tasks": tasks, "named": named}));
    let input_ends = async {
        let read = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
        if let Ok(Err(error)) = read.await {
            eprintln!("standard input: {error}");
        }
    };
    bound.run(input_ends).await;
    Ok(())
}

/// How many jobs and tasks there are, and some of the jobs, from the oldest to the newest.
async fn counted(url: &str) -> Result<(i64, i64, Vec<String>), Failure> {
    let mut connection = AnyConnection::connect(url).await?;
    let jobs: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs").fetch_one(&mut connection).await?;
    let tasks: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM tasks").fetch_one(&mut connection).await?;
    // Of those that nobody has begun there is only one task.
    let all: Vec<String> = sqlx::query_scalar("SELECT id FROM jobs WHERE state <> 'queued' ORDER BY id")
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    let named = all.iter().step_by(all.len().div_ceil(NAMED).max(1)).cloned().collect();
    Ok((jobs, tasks, named))
}

/// Lets the queue itself make one job of each sort, and copies these.
async fn fill(url: &str, jobs: u32) -> Result<(), Failure> {
    let queue = Queue::new(Database::open(url).await?);
    for number in 0..WORKERS {
        queue.register(&worker(&format!("worker-{number}"))).await?;
    }
    let models = Models::made(&queue).await?;
    drop(queue);
    install_default_drivers();
    let mut connection = AnyConnection::connect(url).await?;
    if url.starts_with("sqlite:") {
        connection.execute("PRAGMA synchronous = OFF").await?;
    }
    plan(&mut connection, &models, jobs).await?;
    for (table, job) in [("jobs", "id"), ("tasks", "job"), ("edges", "job"), ("attempts", "job")] {
        copy(&mut connection, table, job, jobs + waiting(jobs)).await?;
    }
    // The originals have served.
    for (table, job) in [("attempts", "job"), ("edges", "job"), ("tasks", "job"), ("jobs", "id")] {
        let query = format!("DELETE FROM {table} WHERE {job} IN (SELECT model FROM crowd)");
        connection.execute(AssertSqlSafe(query)).await?;
        connection.execute(AssertSqlSafe(format!("DROP TABLE model_{table}"))).await?;
    }
    connection.execute("DROP TABLE crowd").await?;
    let later = format!("UPDATE tasks SET lease_until_ms = lease_until_ms + {LEASE_MS} WHERE state = 'running'");
    connection.execute(AssertSqlSafe(later)).await?;
    let later = format!("UPDATE workers SET seen_ms = seen_ms + {LEASE_MS}");
    connection.execute(AssertSqlSafe(later)).await?;
    // What a server does by itself in time.
    let rest = if url.starts_with("sqlite:") { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "VACUUM ANALYZE" };
    connection.execute(rest).await?;
    connection.close().await?;
    Ok(())
}

/// One job of each sort.
struct Models {
    queued: JobId,
    running: JobId,
    done: JobId,
    failed: JobId,
    cancelled: JobId,
}

impl Models {
    async fn made(queue: &Queue) -> Result<Self, Failure> {
        let done = begun(queue, "done").await?;
        // A start that was given back, and one whose task runs again.
        for verdict in [Verdict::Released, Verdict::Retry] {
            fail(queue, verdict).await?;
        }
        while queue.job(done).await?.state != phalanx_api::JobState::Done {
            if !complete(queue).await? {
                // What failed rests a moment.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        let failed = begun(queue, "failed").await?;
        for _ in 0..20 {
            complete(queue).await?;
        }
        fail(queue, Verdict::FailJob).await?;
        let cancelled = begun(queue, "cancelled").await?;
        for _ in 0..10 {
            complete(queue).await?;
        }
        queue.cancel(cancelled).await?;
        let running = begun(queue, "running").await?;
        for _ in 0..30 {
            complete(queue).await?;
        }
        for _ in 0..8 {
            claim(queue).await?.ok_or("nothing is ready")?;
        }
        let queued = queue.submit(&job("queued")).await?.job;
        Ok(Self { queued, running, done, failed, cancelled })
    }

    /// The sort of a job: of the newest a third waits and a third runs; of the rest a few failed or were cancelled.
    fn of(&self, number: u32, jobs: u32) -> JobId {
        match (number >= jobs - 2 * waiting(jobs), number % 3, number % 100) {
            (true, 0, _) => self.queued,
            (true, 1, _) => self.running,
            (false, _, 7 | 57) => self.failed,
            (false, _, 11) => self.cancelled,
            _ => self.done,
        }
    }
}

/// Jobs that nobody has begun, for so many that somebody has.
fn waiting(jobs: u32) -> u32 {
    jobs / 100
}

/// A job whose execution is done and has announced everything.
async fn begun(queue: &Queue, name: &str) -> Result<JobId, Failure> {
    let job = queue.submit(&job(name)).await?.job;
    let Claimed { assignment, .. } = claim(queue).await?.ok_or("no execution is ready")?;
    let totals = Some(Totals { cycles: u64::from(PROOFS) << 20, segments: PROOFS.into() });
    let announce = Announce { held: assignment.held, tasks: announced(), totals };
    queue.announce("worker-0", &announce).await?;
    done(queue, assignment.held).await?;
    Ok(job)
}

async fn claim(queue: &Queue) -> Result<Option<Claimed>, Failure> {
    let offer = Offer {
        worker: "worker-0".to_owned(),
        boot: BOOT.to_owned(),
        kinds: KINDS.to_vec(),
        engine: serde_json::to_string(&engine())?,
        ram_bytes: 16 << 30,
    };
    Ok(queue.claim(&offer).await?)
}

async fn done(queue: &Queue, held: Held) -> Result<(), Failure> {
    let output = Digest::of(format!("{} {}", held.job, held.task).as_bytes());
    let complete = Complete { held, output, cpu_ms: 3_000, peak_bytes: Some(3 << 30) };
    queue.complete("worker-0", &complete, false).await?;
    Ok(())
}

/// Completes the next task, if one is ready.
async fn complete(queue: &Queue) -> Result<bool, Failure> {
    let Some(claimed) = claim(queue).await? else { return Ok(false) };
    done(queue, claimed.assignment.held).await?;
    Ok(true)
}

async fn fail(queue: &Queue, verdict: Verdict) -> Result<(), Failure> {
    let held = claim(queue).await?.ok_or("nothing is ready")?.assignment.held;
    let detail = "the guest panicked at src/main.rs:17: index out of bounds".to_owned();
    queue.fail("worker-0", &Fail { held, verdict, detail }).await?;
    Ok(())
}

fn job(name: &str) -> NewJob {
    NewJob {
        tenant: "default".to_owned(),
        idempotency_key: None,
        program: Digest::of(b"program"),
        input: Digest::of(name.as_bytes()),
        priority: 0,
        deadline_after_ms: None,
        limits: JobLimits::default(),
    }
}

fn engine() -> EngineId {
    EngineId { name: "openvm".to_owned(), version: "2.0.2+1".to_owned(), verifying_key: Digest::of(b"key") }
}

fn worker(name: &str) -> NewWorker {
    NewWorker {
        name: name.to_owned(),
        boot: BOOT.to_owned(),
        version: "0.1.0".to_owned(),
        engine: engine(),
        kinds: KINDS.to_vec(),
        ram_bytes: 64 << 30,
        cores: 16,
        slots: 4,
    }
}

/// All tasks that an execution announces.
fn announced() -> Vec<NewTask> {
    let artifact = |name: String| Input::Artifact { digest: Digest::of(name.as_bytes()) };
    let result = |task: &TaskId| Input::Result { task: *task };
    let task = |position, spec, inputs| NewTask { task: TaskId(position), spec, inputs, ram_bytes: 3 << 30 };
    let prove = |index| {
        let inputs = vec![artifact("program".to_owned()), artifact(format!("segment {index}"))];
        task(Position::Prove { index }, TaskSpec::Prove { cycles: 1 << 20 }, inputs)
    };
    let mut tasks: Vec<NewTask> = (0..PROOFS).map(prove).collect();
    let mut below: Vec<TaskId> = tasks.iter().map(|task| task.task).collect();
    for layer in 0.. {
        let fold = |(index, children): (u32, &[TaskId])| {
            let inputs = children.iter().map(result).collect();
            task(Position::Fold { layer, index }, TaskSpec::Fold { layer }, inputs)
        };
        let folds: Vec<NewTask> = (0..).zip(below.chunks(4)).map(fold).collect();
        below = folds.iter().map(|task| task.task).collect();
        tasks.extend(folds);
        if below.len() == 1 {
            break;
        }
    }
    let mut inputs = vec![artifact("program".to_owned()), result(&TaskId(Position::Execute))];
    inputs.extend(below.iter().map(result));
    tasks.push(task(Position::Seal, TaskSpec::Seal, inputs));
    tasks
}

/// Says of every job to come which model it follows and what is its own.
async fn plan(connection: &mut AnyConnection, models: &Models, jobs: u32) -> Result<(), Failure> {
    let table = "CREATE TABLE crowd (number BIGINT PRIMARY KEY, model TEXT NOT NULL, job TEXT NOT NULL, digits TEXT NOT NULL, \
                 tenant TEXT NOT NULL, worker TEXT NOT NULL, earlier_ms BIGINT NOT NULL)";
    connection.execute(table).await?;
    for table in ["jobs", "tasks", "edges", "attempts"] {
        connection.execute(AssertSqlSafe(format!("CREATE TABLE model_{table} AS SELECT * FROM {table}"))).await?;
    }
    let row = |number: u32| {
        let model = models.of(number, jobs);
        let earlier_ms = i64::from(jobs + waiting(jobs) - number) * STEP_MS;
        let (tenant, worker) = (number % TENANTS, number % WORKERS);
        // All of it is made here, so nothing needs to be escaped.
        format!(
            "({number}, '{model}', '{}', '{number:08x}', 'tenant-{tenant}', 'worker-{worker}', {earlier_ms})",
            JobId::new()
        )
    };
    let rows: Vec<String> = (0..jobs + waiting(jobs)).map(row).collect();
    for rows in rows.chunks(ROWS) {
        connection.execute(AssertSqlSafe(format!("INSERT INTO crowd VALUES {}", rows.join(", ")))).await?;
    }
    Ok(())
}

/// Adds the rows of the models to a table, once for each job that follows them.
async fn copy(connection: &mut AnyConnection, table: &str, job: &str, jobs: u32) -> Result<(), Failure> {
    let row = connection.fetch_one(AssertSqlSafe(format!("SELECT * FROM {table} LIMIT 1"))).await?;
    let columns: Vec<&str> = row.columns().iter().map(Column::name).collect();
    let digest = |name: &str| format!("crowd.digits || substr(model.{name}, 9)");
    let own = HashMap::from([
        (job, "crowd.job".to_owned()),
        ("tenant", "crowd.tenant".to_owned()),
        ("worker", "CASE WHEN model.worker IS NULL THEN NULL ELSE crowd.worker END".to_owned()),
        ("request", digest("request")),
        ("input", digest("input")),
        ("output", digest("output")),
    ]);
    let value = |name: &&str| match own.get(name) {
        Some(own) => own.clone(),
        None if name.ends_with("_ms") && *name != "cpu_ms" => format!("model.{name} - crowd.earlier_ms"),
        None => format!("model.{name}"),
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    for first in (0..jobs).step_by(BATCH as usize) {
        let query = format!(
            "INSERT INTO {table} ({}) SELECT {} FROM crowd CROSS JOIN model_{table} AS model \
             WHERE model.{job} = crowd.model AND crowd.number >= {first} AND crowd.number < {}",
            columns.join(", "),
            values.join(", "),
            first + BATCH,
        );
        connection.execute(AssertSqlSafe(query)).await?;
    }
    Ok(())
}
