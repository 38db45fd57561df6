//! How fast a gateway is, on SQLite in a temporary directory.
//!
//! `measure latency [--rounds N]`: the time from before a job is put into the queue until a remote worker that waits has its first
//! task, over loopback. Prints one JSON object with p50 and p99 in milliseconds.
//!
//! `measure serve [--jobs N]`: a gateway with N jobs (10,000) of 100 tasks each, without tokens. Prints its URL and the name of a
//! job, and runs until its standard input ends: for `wrk`, and for looking at its memory.

use std::{
    env,
    error::Error,
    io::{self, Read},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use phalanx_api::{Announce, Claim, Input, JobId, JobLimits, NewTask, NewWorker, TaskId, TaskSpec, Totals};
use phalanx_claim::{Digest, EngineId};
use phalanx_client::{Client, ClientConfig};
use phalanx_gateway::{Auth, Bound, Config, Gateway, Limits, Listener, verify};
use phalanx_plan::{Position, TaskKind};
use phalanx_queue::{Database, NewJob, Offer, Queue};
use phalanx_store::Store;

const USAGE: &str = "usage: measure latency [--rounds N] | serve [--jobs N]";
/// Proofs of a job.
const PROOFS: u32 = 98;
const WORKER: &str = "worker";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let number = |name: &str, default: u32| match &args[1..] {
        [] => Ok(default),
        [option, value] if option == name => value.parse().map_err(|_| USAGE),
        _ => Err(USAGE),
    };
    match args.first().map(String::as_str) {
        Some("latency") => latency(number("--rounds", 300)?).await,
        Some("serve") => serve(number("--jobs", 10_000)?).await,
        _ => Err(USAGE.into()),
    }
}

async fn gateway(directory: &Path) -> Result<(Queue, Bound), Box<dyn Error>> {
    let queue = Queue::new(Database::open(&format!("sqlite:{}", directory.join("db").display())).await?);
    let store = Store::open_dir(directory.join("store"))?;
    let config =
        Config { queue: queue.clone(), store, verify, auth: Auth::Open, limits: Limits::default(), dashboard: true };
    Ok((queue, Gateway::new(config).bind(&Listener { address: ([127, 0, 0, 1], 0).into(), tls: None }).await?))
}

fn job(number: u32) -> NewJob {
    NewJob {
        tenant: "default".to_owned(),
        idempotency_key: None,
        program: Digest::of(b"program"),
        input: Digest::of(&number.to_le_bytes()),
        priority: 0,
        deadline_after_ms: None,
        limits: JobLimits::default(),
    }
}

fn worker() -> NewWorker {
    NewWorker {
        name: WORKER.to_owned(),
        boot: "1".to_owned(),
        version: "1".to_owned(),
        engine: EngineId { name: "none".to_owned(), version: "1".to_owned(), verifying_key: Digest::of(b"key") },
        kinds: vec![TaskKind::Execute],
        ram_bytes: 1,
        cores: 1,
        slots: 1,
    }
}

async fn latency(rounds: u32) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let (queue, bound) = gateway(directory.path()).await?;
    let client = Client::new(&ClientConfig::new(format!("http://{}", bound.address())))?;
    tokio::spawn(bound.run(std::future::pending()));
    let registering = client.clone();
    tokio::task::spawn_blocking(move || registering.register(&worker())).await??;
    let mut times = Vec::new();
    for round in 0..rounds {
        let client = client.clone();
        let waiting = thread::spawn(move || {
            let claim = Claim { boot: "1".to_owned(), kinds: vec![TaskKind::Execute], ram_bytes: 1, wait_ms: 30_000 };
            client.claim(WORKER, &claim).map(|claimed| (claimed.is_some(), Instant::now()))
        });
        // The claim waits for longer than any claim takes to begin.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let began = Instant::now();
        queue.submit(&job(round)).await?;
        let (is_there, at) = waiting.join().map_err(|_| "a claim panicked")??;
        assert!(is_there, "a task came");
        times.push(at.saturating_duration_since(began).as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!("{}", serde_json::json!({ "rounds": rounds, "p50_ms": at(50), "p99_ms": at(99) }));
    Ok(())
}

async fn serve(jobs: u32) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let (queue, bound) = gateway(directory.path()).await?;
    queue.register(&worker()).await?;
    let engine = serde_json::to_string(&worker().engine)?;
    let offer =
        Offer { worker: WORKER.to_owned(), boot: "1".to_owned(), kinds: vec![TaskKind::Execute], engine, ram_bytes: 1 };
    let mut last: Option<JobId> = None;
    for number in 0..jobs {
        last = Some(queue.submit(&job(number)).await?.job);
        let claimed = queue.claim(&offer).await?.ok_or("no task came")?;
        queue.announce(WORKER, &announced(claimed.assignment.held)).await?;
    }
    println!("http://{} {}", bound.address(), last.map(|job| job.to_string()).unwrap_or_default());
    let input_ends = async {
        let read = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
        if let Ok(Err(error)) = read.await {
            eprintln!("standard input: {error}");
        }
    };
    bound.run(input_ends).await;
    Ok(())
}

fn announced(held: phalanx_api::Held) -> Announce {
    let artifact = Input::Artifact { digest: Digest::of(b"segment") };
    let prove = |index| NewTask {
        task: TaskId(Position::Prove { index }),
        spec: TaskSpec::Prove { cycles: 1 << 20 },
        inputs: vec![artifact, artifact],
        ram_bytes: 1 << 30,
    };
    let seal = NewTask {
        task: TaskId(Position::Seal),
        spec: TaskSpec::Seal,
        inputs: vec![Input::Result { task: TaskId(Position::Prove { index: 0 }) }],
        ram_bytes: 1 << 30,
    };
    let totals = Some(Totals { cycles: u64::from(PROOFS) << 20, segments: u64::from(PROOFS) });
    Announce { held, tasks: (0..PROOFS).map(prove).chain([seal]).collect(), totals }
}
