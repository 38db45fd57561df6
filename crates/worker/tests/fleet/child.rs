//! The processes of a scenario: this test program, started again with a part to play.

use std::{
    env,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use phalanx_api::{NewToken, Scope};
use phalanx_claim::EngineId;
use phalanx_client::ClientConfig;
use phalanx_engine::Engine;
use phalanx_gateway::{Auth, Config, Gateway, Limits, Listener, secret_hash};
use phalanx_plan::{Sizing, TaskKind};
use phalanx_queue::{Database, Queue};
use phalanx_receipt::Receipt;
use phalanx_store::Store;
use phalanx_worker::{
    Memory,
    fleet::{Artifacts, FleetConfig, FleetEvent, FleetObserver, Shutdown, run},
};
use serde::{Deserialize, Serialize};

use crate::{
    fake::{FakeEngine, Trouble},
    small_disk::{self, SmallDisk},
};

/// Set for a process that plays a part.
const PART: &str = "PHALANX_TEST_PART";

/// What everybody shows; gateways that more than this machine reaches ask for it.
pub const TOKEN: &str = "phx_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What a process does.
#[derive(Clone, Serialize, Deserialize)]
pub enum Part {
    Gateway(GatewayPart),
    Worker(WorkerPart),
}

/// A gateway on a database and a store.
#[derive(Clone, Serialize, Deserialize)]
pub struct GatewayPart {
    pub database: String,
    /// A directory, or a bucket that these variables lead to.
    pub store: String,
    pub store_variables: Vec<(String, String)>,
    /// A disk of its own.
    pub disk: Option<SmallDisk>,
    /// While there is such a file, an SQLite database does not grow.
    pub database_is_full: PathBuf,
    pub address: SocketAddr,
    /// How fast the queue's clock runs, and how far ahead of this machine's it is.
    pub clock_times: u32,
    pub clock_ahead_ms: u64,
}

/// A worker with an engine that does as it is told.
#[derive(Clone, Serialize, Deserialize)]
pub struct WorkerPart {
    pub server: String,
    /// How long the gateway, or its store, may say nothing.
    pub silence_ms_max: u64,
    pub name: String,
    /// The network namespace that it runs in, if not the test's.
    pub host: Option<String>,
    pub kinds: Vec<TaskKind>,
    pub slots: usize,
    pub cache: PathBuf,
    /// A disk of its own.
    pub disk: Option<SmallDisk>,
    /// A process whose disks it has.
    pub beside: Option<u32>,
    /// The gateway's store, if it is used directly.
    pub shared: Option<PathBuf>,
    pub engine_version: String,
    pub task_ms_max: u64,
    pub segment_pause_ms: u64,
    pub mischief: Option<Mischief>,
}

/// What an engine does wrong.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Mischief {
    /// This task fails each time.
    Fails(String),
    /// This task takes the process with it.
    Dies(String),
    /// No proof verifies.
    WrongProofs,
    /// Segment proofs end only when they are cancelled.
    Hangs,
    /// The guest panics.
    GuestPanics,
    /// The receipt cannot be read.
    GarbledReceipt,
}

impl Part {
    /// Starts a process that plays this part.
    pub fn start(&self) -> Child {
        let program = env::current_exe().unwrap();
        let mut command = match self {
            Self::Gateway(GatewayPart { disk: Some(disk), .. }) | Self::Worker(WorkerPart { disk: Some(disk), .. }) => {
                disk.command(&program)
            }
            Self::Worker(WorkerPart { host: Some(host), .. }) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", host]).arg(&program);
                command
            }
            Self::Worker(WorkerPart { beside: Some(process), .. }) => small_disk::command_beside(*process, &program),
            _ => Command::new(program),
        };
        command
            .args(["--exact", "child::plays_a_part", "--nocapture"])
            .env(PART, serde_json::to_string(self).unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap()
    }
}

/// Not a test by itself: what the processes of the scenarios do.
#[test]
fn plays_a_part() {
    match env::var(PART).map(|part| serde_json::from_str(&part).unwrap()) {
        Ok(Part::Gateway(part)) => gateway(part),
        Ok(Part::Worker(part)) => worker(part),
        Err(_) => {}
    }
}

fn gateway(part: GatewayPart) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::open(&part.database).await.unwrap();
        let now = match part.database.starts_with("sqlite") {
            true => "CAST((julianday('now') - 2440587.5) * 86400000 AS BIGINT)",
            false => "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
        };
        let (times, ahead) = (part.clock_times, part.clock_ahead_ms);
        tokio::spawn(keep_full(database.clone(), part.database_is_full));
        let queue = Queue::new(database.with_clock(&format!("({now} * {times} + {ahead})")));
        let auth = if part.address.ip().is_loopback() { Auth::Open } else { Auth::Tokens };
        if auth == Auth::Tokens {
            let (tenant, note) = ("default".to_owned(), String::new());
            let token = NewToken { scope: Scope::Admin, tenant, note, expires_after_ms: None };
            queue.create_token(&secret_hash(TOKEN), &token).await.unwrap();
        }
        let store = open(part.store, part.store_variables).await;
        let config = Config {
            queue,
            store,
            verify: is_fake,
            auth,
            limits: Limits { requests_per_second: 1e6, requests_burst: 1e6, ..Limits::default() },
            dashboard: false,
        };
        let listener = Listener { address: part.address, tls: None };
        Gateway::new(config).bind(&listener).await.unwrap().run(std::future::pending()).await;
    });
}

/// Opens a store, which blocks.
async fn open(place: String, variables: Vec<(String, String)>) -> Store {
    tokio::task::spawn_blocking(move || Store::open_with(&place, variables).unwrap()).await.unwrap()
}

/// Whenever SQLite meets the limit its connection is made anew, without one.
async fn keep_full(database: Database, while_there_is: PathBuf) {
    let mut was_full = false;
    loop {
        let is_full = while_there_is.exists();
        // A limit below what the database has is a limit of what it has.
        if is_full || was_full {
            let _ = database.limit_pages(if is_full { 1 } else { u32::MAX - 1 }).await;
        }
        was_full = is_full;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Believes what the fake engine makes.
fn is_fake(bytes: &[u8]) -> Result<(), String> {
    let receipt = Receipt::decode(bytes).map_err(|error| error.to_string())?;
    if receipt.provenance.made_by == "fake" { Ok(()) } else { Err("not made by the fake engine".into()) }
}

fn worker(part: WorkerPart) {
    let mischief = part.mischief.clone();
    let script = move |task: &str, _| match mischief.as_ref()? {
        Mischief::Fails(name) if task == name => Some(Trouble::Retry),
        Mischief::Dies(name) if task == name => std::process::abort(),
        Mischief::WrongProofs if task.starts_with("prove") => Some(Trouble::BadProof),
        Mischief::Hangs if task.starts_with("prove") => Some(Trouble::UntilCancelled),
        Mischief::GuestPanics if task == "execute" => Some(Trouble::Fault(phalanx_engine::Fault::GuestPanic {
            exit_code: 1,
            pc: 4,
            symbol: None,
            message: "no such luck".into(),
        })),
        Mischief::GarbledReceipt if task == "seal" => Some(Trouble::GarbledReceipt),
        _ => None,
    };
    let mut engine = FakeEngine::with_script(script);
    engine.id = EngineId { version: part.engine_version, ..engine.id };
    engine.task_ms_max = part.task_ms_max;
    engine.segment_pause = Duration::from_millis(part.segment_pause_ms);
    let engine: Arc<dyn Engine> = Arc::new(engine);
    let config = FleetConfig {
        gateway: ClientConfig {
            silence_max: Duration::from_millis(part.silence_ms_max),
            token: Some(TOKEN.to_owned()),
            ..ClientConfig::new(part.server)
        },
        name: part.name,
        version: "test".into(),
        kinds: part.kinds,
        ram_bytes: 2_500,
        slots: part.slots,
        cores: 1,
        artifacts: match part.shared {
            Some(store) => Artifacts::Shared(store),
            None => Artifacts::Cached { directory: part.cache, bytes_max: 1 << 20 },
        },
        memory: Memory::SYSTEM,
        size: Arc::new(|_| {
            Ok(Sizing { segment_cycles_max: 1 << 20, segment_bytes_max: 1 << 30, slots: 1, predicted_wall_ms: 0 })
        }),
    };
    let shutdown = Shutdown::default();
    let drain = shutdown.clone();
    // What SIGTERM does in the product is the command's; here the end of the standard input would do, but a signal is real.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
            term.recv().await;
            drain.drain();
        });
    });
    if let Err(error) = run(&engine, &config, &Quiet, &shutdown) {
        eprintln!("worker {}: {error}", config.name);
        std::process::exit(3);
    }
}

struct Quiet;

impl FleetObserver for Quiet {
    fn on(&self, event: &FleetEvent) {
        tracing::debug!(?event);
    }
}
