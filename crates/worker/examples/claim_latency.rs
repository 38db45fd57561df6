//! How long an idle worker waits for a task that is there: from the submission of a job until the worker has its first task.
//!
//! `claim_latency [--rounds N]`: gateways on SQLite and on a PostgreSQL server that it starts, and one worker that waits by long
//! poll over loopback. On PostgreSQL it waits once at the gateway that takes the jobs and once at another. Prints one JSON object:
//! for each case p50, p99 and the largest time in milliseconds, `whole` from before the submission, so with its transaction,
//! and `added` from the submission's answer.

#[path = "../../queue/tests/support/postgres.rs"]
mod postgres;

use std::{
    env,
    error::Error,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use phalanx_api::{Beat, Claim, Fail, JobLimits, NewJob, NewWorker, Verdict};
use phalanx_claim::{Digest, EngineId};
use phalanx_client::{Client, ClientConfig, ClientError};
use phalanx_gateway::{Auth, Config, Gateway, Limits, Listener, verify};
use phalanx_plan::TaskKind;
use phalanx_queue::{Database, Queue};
use phalanx_store::Store;
use rand::Rng;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const USAGE: &str = "usage: claim_latency [--rounds N]";
const WORKER: &str = "idle";
const BOOT: &str = "first";
const CLAIM_WAIT_MS: u64 = 30_000;
/// A claim waits for a random part of this, and as long again, before a task comes: longer than any claim takes to begin.
const PAUSE: Duration = Duration::from_millis(25);

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let rounds: u32 = match (args.next().as_deref(), args.next()) {
        (None, _) => 500,
        (Some("--rounds"), Some(rounds)) => rounds.parse()?,
        _ => return Err(USAGE.into()),
    };
    // The gateways have threads of their own; the worker and whoever submits block theirs.
    let runtime = Runtime::new()?;
    let folder = tempfile::tempdir()?;
    let gateway = |url: &str, store: &str| runtime.block_on(gateway(url, &folder.path().join(store)));
    let on_sqlite = gateway(&format!("sqlite:{}", folder.path().join("queue.db").display()), "sqlite")?;
    let url = runtime.block_on(postgres::new_database());
    let (on_postgres, beside) = (gateway(&url, "postgres")?, gateway(&url, "postgres")?);
    let sqlite = measured(&on_sqlite, &on_sqlite, 0..rounds)?;
    let one = measured(&on_postgres, &on_postgres, 0..rounds)?;
    let another = measured(&on_postgres, &beside, rounds..2 * rounds)?;
    println!("{}", json!({"rounds": rounds, "sqlite": sqlite, "postgres": one, "postgres_other_gateway": another}));
    Ok(())
}

/// A client of a gateway that serves from now on.
async fn gateway(url: &str, store: &Path) -> Result<Client, Box<dyn Error>> {
    let queue = Queue::new(Database::open(url).await?);
    let store = Store::open_dir(store)?;
    let config = Config { queue, store, verify, auth: Auth::Open, limits: Limits::default(), dashboard: false };
    let bound = Gateway::new(config).bind(&Listener { address: ([127, 0, 0, 1], 0).into(), tls: None }).await?;
    let client = Client::new(&ClientConfig::new(format!("http://{}", bound.address())))?;
    tokio::spawn(bound.run(std::future::pending()));
    Ok(client)
}

/// Submits jobs one by one at a gateway while the worker waits at another, or at the same.
fn measured(submitting: &Client, waiting: &Client, rounds: std::ops::Range<u32>) -> Result<Value, Box<dyn Error>> {
    let program = submitting.program(b"\x7fELF")?.digest;
    let input = |round: u32| submitting.input(&[&b"PHin"[..], &round.to_le_bytes()].concat());
    // An identical request would find its job.
    let inputs = rounds.map(input).collect::<Result<Vec<_>, _>>()?;
    waiting.register(&worker())?;
    let (ready, readies) = mpsc::channel();
    let (claimed, claims) = mpsc::channel();
    let (waiting, tasks) = (waiting.clone(), inputs.len());
    let worker = thread::spawn(move || work(&waiting, tasks, &ready, &claimed));
    let (mut whole, mut added) = (Vec::new(), Vec::new());
    for input in inputs {
        // The worker says by ending why nothing more comes.
        if readies.recv().is_err() {
            break;
        }
        thread::sleep(PAUSE + PAUSE.mul_f64(rand::rng().random()));
        let job =
            NewJob { program, input: input.digest, priority: 0, deadline_after_ms: None, limits: JobLimits::default() };
        let began = Instant::now();
        submitting.submit(&job, None)?;
        let answered = Instant::now();
        let Ok(claimed) = claims.recv() else { break };
        whole.push(ms(claimed - began));
        // The worker may have its task before the client has its answer.
        added.push(ms(claimed.saturating_duration_since(answered)));
    }
    worker.join().map_err(|_| "the worker panicked")??;
    Ok(json!({"whole": shares(whole), "added": shares(added)}))
}

/// The worker: says that it is about to wait, and when it has a task.
fn work(
    client: &Client,
    tasks: usize,
    ready: &mpsc::Sender<()>,
    claimed: &mpsc::Sender<Instant>,
) -> Result<(), ClientError> {
    let beat = Beat { boot: BOOT.to_owned(), running: Vec::new(), resident_bytes: 0, is_draining: false };
    let claim = Claim { boot: BOOT.to_owned(), kinds: vec![TaskKind::Execute], ram_bytes: 1, wait_ms: CLAIM_WAIT_MS };
    for _ in 0..tasks {
        client.beat(WORKER, &beat)?;
        let _ = ready.send(());
        let assignment = loop {
            if let Some(assignment) = client.claim(WORKER, &claim)? {
                break assignment;
            }
        };
        let _ = claimed.send(Instant::now());
        // Nothing of the job is left to be claimed.
        let fail =
            Fail { held: assignment.held, verdict: Verdict::FailJob, detail: "a bench needs no result".to_owned() };
        client.fail(WORKER, &fail)?;
    }
    Ok(())
}

fn worker() -> NewWorker {
    NewWorker {
        name: WORKER.to_owned(),
        boot: BOOT.to_owned(),
        version: "1".to_owned(),
        engine: EngineId { name: "none".to_owned(), version: "1".to_owned(), verifying_key: Digest::of(b"key") },
        kinds: vec![TaskKind::Execute],
        ram_bytes: 1,
        cores: 1,
        slots: 1,
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn shares(mut times_ms: Vec<f64>) -> Value {
    times_ms.sort_by(f64::total_cmp);
    // The smallest time that so many of a thousand do not exceed.
    let share = |of_1000: usize| times_ms.get((times_ms.len() * of_1000).div_ceil(1000).saturating_sub(1)).copied();
    json!({"p50_ms": share(500), "p99_ms": share(990), "max_ms": share(1000)})
}
