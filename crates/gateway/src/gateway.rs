//! [`Gateway`]: its parts put together, and its life from binding an address to the last answer.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
};

use axum::Router;
use phalanx_queue::Queue;
use phalanx_receipt::Receipt;
use phalanx_store::Store;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Auth, Limits, Tls,
    auth::Tokens,
    blocking::Blocking,
    engines::Engines,
    load::Load,
    metrics,
    pages::Pages,
    rate::Rates,
    router, serve,
    state::{Shared, State},
    stores::Stores,
    sweep,
};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4_096;
/// Looks at tasks for metrics at once.
const LOOKS_MAX: usize = 8;

/// Believes a receipt's bytes or says why not.
pub type Verify = fn(&[u8]) -> Result<(), String>;

/// The verifier of `phalanx_receipt`.
///
/// # Errors
/// When the bytes are no receipt, or it does not verify.
pub fn verify(receipt: &[u8]) -> Result<(), String> {
    let receipt = Receipt::decode(receipt).map_err(|error| error.to_string())?;
    phalanx_receipt::verify(&receipt).map(drop).map_err(|error| error.to_string())
}

/// What a gateway is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// The jobs.
    pub queue: Queue,
    /// The artifacts.
    pub store: Store,
    /// Who believes receipts; [`verify`] unless a test has its own.
    pub verify: Verify,
    /// Whether tokens are asked for.
    pub auth: Auth,
    /// What it takes on.
    pub limits: Limits,
    /// Whether it shows the dashboard.
    pub dashboard: bool,
}

/// Where a gateway listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// How connections are encrypted; none: they are not.
    pub tls: Option<Tls>,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Everybody on the network could do everything.
    #[error("{address} is no loopback address, and without tokens everybody who reaches it may do everything")]
    OpenToAll {
        /// The address.
        address: IpAddr,
    },
    /// The address cannot be had.
    #[error("cannot listen on {address}: {reason}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        reason: std::io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("{}: {reason}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The HTTP face of a queue and a store.
pub struct Gateway {
    shared: Shared,
    routes: Router,
}

/// A gateway that listens, and answers once it [runs](Bound::run).
pub struct Bound {
    gateway: Gateway,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Gateway {
    /// A gateway that does not listen yet.
    pub fn new(config: Config) -> Self {
        let Config { queue, store, verify, auth, limits, dashboard } = config;
        metrics::install();
        let (routes, openapi) = router::described();
        let pages = Pages::new(&queue);
        let shared = Arc::new(State {
            queue,
            stores: Stores::new(store),
            verify,
            auth,
            limits,
            tokens: Tokens::new(),
            rates: Rates::new(limits.requests_per_second, limits.requests_burst),
            blocking: Blocking::new(),
            engines: Engines::default(),
            pages,
            load: Load::default(),
            transfers: Arc::new(Semaphore::new(limits.transfers_max)),
            streams: Arc::new(Semaphore::new(limits.streams_max)),
            looks: Arc::new(Semaphore::new(LOOKS_MAX)),
            claims_waiting: AtomicUsize::new(0),
            ending: CancellationToken::new(),
            openapi,
        });
        let routes = router::router(routes, dashboard).with_state(shared.clone());
        Self { shared, routes }
    }

    /// Takes an address.
    ///
    /// # Errors
    /// When it cannot be had, when certificate or key cannot be used, and when a gateway without tokens would be reachable
    /// from other machines.
    pub async fn bind(self, listener: &Listener) -> Result<Bound, GatewayError> {
        let Listener { address, tls } = listener;
        if self.shared.auth == Auth::Open && !address.ip().is_loopback() {
            return Err(GatewayError::OpenToAll { address: address.ip() });
        }
        let tls = tls.as_ref().map(Tls::acceptor).transpose()?;
        let bind = |reason| GatewayError::Bind { address: *address, reason };
        let listener = listen(*address).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        Ok(Bound { gateway: self, listener, address, tls })
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A gateway that starts again takes its port although old connections still end.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is ready; then lets what runs end, within [`Limits::shutdown_wait`].
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { gateway: Gateway { shared, routes }, listener, tls, .. } = self;
        let sweeper = tokio::spawn(sweep::run(shared.clone()));
        let watcher = tokio::spawn(sweep::watch(shared.clone()));
        let ended = async {
            shutdown.await;
            // Whoever waits for a job or a task answers now.
            shared.ending.cancel();
        };
        serve::serve(listener, tls, routes, &shared.limits, ended).await;
        // A count of a large queue that is under way is for nobody any more.
        watcher.abort();
        if let Err(error) = sweeper.await {
            tracing::warn!("the sweeper ended badly: {error}");
        }
    }
}
