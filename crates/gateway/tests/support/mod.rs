//! A gateway on SQLite in a temporary directory, and a client that sends whatever a test wants.
#![allow(dead_code, reason = "each test uses a part of it")]

pub mod fleet;
pub mod http;

use std::{net::SocketAddr, path::Path, time::Duration};

use phalanx_api::{NewToken, Scope};
use phalanx_client::{Client, ClientConfig};
use phalanx_gateway::{Auth, Config, Gateway, Limits, Listener, Tls, new_secret, secret_hash};
use phalanx_queue::{Database, Queue};
use phalanx_store::Store;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};

pub use http::Request;

/// What the tests' verifier believes.
pub const RECEIPT: &[u8] = b"receipt: ";

/// Believes what begins as [`RECEIPT`].
pub fn believes(receipt: &[u8]) -> Result<(), String> {
    if receipt.starts_with(RECEIPT) { Ok(()) } else { Err("it does not begin as a receipt of this test".to_owned()) }
}

/// How a gateway of a test is made.
pub struct Setup {
    pub auth: Auth,
    pub limits: Limits,
    pub tls: Option<Tls>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { auth: Auth::Open, limits: Limits::default(), tls: None }
    }
}

/// A gateway that runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub queue: Queue,
    pub store: Store,
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<JoinHandle<()>>,
}

impl Server {
    /// A gateway on the database and the store of a directory.
    pub fn start(directory: &Path, setup: Setup) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let store = Store::open_dir(directory.join("store")).unwrap();
        let url = format!("sqlite:{}", directory.join("queue.db").display());
        let (stop, stopped) = oneshot::channel();
        let (address, queue, ended) = runtime.block_on(async {
            let queue = Queue::new(Database::open(&url).await.unwrap());
            let config = Config {
                queue: queue.clone(),
                store: store.clone(),
                verify: believes,
                auth: setup.auth,
                limits: setup.limits,
                dashboard: true,
            };
            let listener = Listener { address: ([127, 0, 0, 1], 0).into(), tls: setup.tls };
            let bound = Gateway::new(config).bind(&listener).await.unwrap();
            let address = bound.address();
            let ended = tokio::spawn(bound.run(async {
                let _ = stopped.await;
            }));
            (address, queue, ended)
        });
        Self { address, queue, store, runtime, stop: Some(stop), ended: Some(ended) }
    }

    /// Everything in a directory that is gone afterwards.
    pub fn open() -> (Self, TempDir) {
        let directory = TempDir::new().unwrap();
        (Self::start(directory.path(), Setup::default()), directory)
    }

    /// The same with tokens.
    pub fn with_tokens() -> (Self, TempDir) {
        let directory = TempDir::new().unwrap();
        (Self::start(directory.path(), Setup { auth: Auth::Tokens, ..Setup::default() }), directory)
    }

    /// Waits for a future of the queue.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// A token's secret.
    pub fn token(&self, scope: Scope, tenant: &str) -> String {
        self.short_token(scope, tenant, None)
    }

    /// A token that is valid for so long.
    pub fn short_token(&self, scope: Scope, tenant: &str, expires_after_ms: Option<u64>) -> String {
        let secret = new_secret().unwrap();
        let token = NewToken { scope, tenant: tenant.to_owned(), note: String::new(), expires_after_ms };
        self.wait(self.queue.create_token(&secret_hash(&secret), &token)).unwrap();
        secret
    }

    /// The client that users have.
    pub fn client(&self, token: Option<&str>) -> Client {
        let config =
            ClientConfig { token: token.map(str::to_owned), ..ClientConfig::new(format!("http://{}", self.address)) };
        Client::new(&config).unwrap()
    }

    /// A request that says anything.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// Stops it and waits for its end.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(ended) = self.ended.take() {
            self.runtime
                .block_on(async { tokio::time::timeout(Duration::from_secs(30), ended).await })
                .unwrap()
                .unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// Asks again until the answer is the wanted one, or too much time has passed.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(std::time::Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A program that is one as far as a gateway looks.
pub fn program() -> Vec<u8> {
    b"\x7fELF and so on".to_vec()
}

/// An input that is one as far as a gateway looks.
pub fn input(text: &str) -> Vec<u8> {
    format!("PHin{text}").into_bytes()
}

/// Uploads both and gives the body of a job.
pub fn new_job(server: &Server, token: Option<&str>, text: &str) -> Value {
    let client = server.client(token);
    let program = client.program(&program()).unwrap().digest;
    let input = client.input(&input(text)).unwrap().digest;
    serde_json::json!({ "program": program, "input": input })
}
