//! `phalanx serve`: the whole service in one process, or one part of it.
//!
//! The gateway answers over HTTP; the worker beside it speaks with it as any other worker does, but shares its store. The first
//! Ctrl-C or SIGTERM drains, the second ends at once.

use std::{net::SocketAddr, path::PathBuf};

use phalanx_api::{NewToken, Scope};
use phalanx_client::ClientConfig;
use phalanx_gateway::{
    Auth, Bound, Config, Gateway, GatewayError, Limits, Listener, OPEN_TENANT, Tls, new_secret, secret_hash,
};
use phalanx_queue::{Database, Queue};
use phalanx_store::Store;
use phalanx_worker::fleet::{self, Artifacts, Shutdown};
use serde::Serialize;
use tokio::{runtime::Runtime, sync::watch, task::JoinHandle};

use super::{
    database::runtime,
    fleet::{FleetArgs, Teller, machine_name},
    place::{PlaceArgs, shown_url},
};
use crate::{
    error::{Error, Result},
    interrupt, paths,
    printer::Printer,
};

/// How much a worker keeps of a store that is elsewhere.
const CACHE_BYTES_MAX: u64 = 10 << 30;

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The address to answer on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// What this process does
    #[arg(long, value_name = "ROLES", value_delimiter = ',', value_enum, default_value = "gateway,worker")]
    roles: Vec<Role>,

    /// Ask for tokens, also on an address that only this machine reaches
    #[arg(long, conflicts_with = "open")]
    require_tokens: bool,

    /// Ask for no tokens, also with TLS; only on an address that only this machine reaches
    #[arg(long)]
    open: bool,

    /// Encrypt with this certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    fleet: FleetArgs,
}

/// A part of the service.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Gateway,
    Worker,
}

/// What `--json` prints when the service is up.
#[derive(Serialize)]
struct Up<'a> {
    url: &'a str,
    tokens: bool,
    roles: &'a [Role],
    database_url: &'a str,
    store: &'a str,
}

/// What everything here works with.
struct Service {
    runtime: Runtime,
    queue: Queue,
    store: Store,
}

impl Args {
    fn auth(&self) -> Auth {
        let is_private = self.listen.ip().is_loopback() && self.tls_cert.is_none() && !self.require_tokens;
        if self.open || is_private { Auth::Open } else { Auth::Tokens }
    }

    fn listener(&self) -> Listener {
        let tls = self.tls_cert.clone().zip(self.tls_key.clone());
        Listener { address: self.listen, tls: tls.map(|(cert_pem, key_pem)| Tls { cert_pem, key_pem }) }
    }

    fn worker_name(&self) -> String {
        // Stable, so that one that was killed gives back what it held as soon as it is there again.
        self.fleet.name.clone().unwrap_or_else(|| format!("{}-{}", machine_name(), self.listen.port()))
    }
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    if !args.roles.contains(&Role::Gateway) {
        return Err(Error::input("--roles names no gateway").hint("`phalanx worker` is a worker without one"));
    }
    // What can be refused is refused before anything is made.
    if args.auth() == Auth::Open && !args.listen.ip().is_loopback() {
        return Err(GatewayError::OpenToAll { address: args.listen.ip() }.into());
    }
    let has_worker = args.roles.contains(&Role::Worker);
    let prover = has_worker.then(|| args.fleet.prover()).transpose();
    let prover = prover.map_err(|error| match &error.hint {
        Some(hint) => {
            let hint = format!("{hint}, or serve without a worker: --roles gateway");
            error.hint(hint)
        }
        None => error,
    })?;
    let url = args.place.database_url()?;
    let runtime = runtime()?;
    let queue = Queue::new(runtime.block_on(Database::open(&url))?);
    let service = Service { runtime, queue, store: args.place.open_store()? };

    let bound = service.bind(args.auth(), &args.listener())?;
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{}", bound.address());
    let (stop, stopped) = watch::channel(false);
    let mut serving = vec![service.run(bound, stopped.clone())];
    let inside = match &prover {
        Some(_) => Some(Inside::start(&service, args, &address, &stopped, &mut serving)?),
        None => None,
    };
    tell(args, &service, &address, &url, printer)?;

    let shutdown = Shutdown::default();
    let (drain, abort) = (shutdown.clone(), shutdown.clone());
    let (drained, aborted) = (stop.clone(), stop.clone());
    interrupt::twice(
        move || {
            drain.drain();
            // A worker still needs its gateway while it drains.
            if !has_worker {
                drained.send_replace(true);
            }
        },
        move || {
            abort.abort();
            aborted.send_replace(true);
        },
    )?;
    let worked = match (&prover, &inside) {
        (Some(prover), Some(inside)) => {
            let name = args.worker_name();
            args.fleet.config(prover, inside.gateway.clone(), name, service.artifacts()?).and_then(|config| {
                let teller = Teller::new(printer.talk());
                Ok(fleet::run(&prover.engine(), &config, &teller, &shutdown)?)
            })
        }
        _ => Ok(()),
    };
    if has_worker {
        stop.send_replace(true);
    }
    for gateway in serving {
        service.runtime.block_on(gateway).map_err(|cause| Error::ours(format!("the gateway ended badly: {cause}")))?;
    }
    if let Some(inside) = inside {
        inside.end(&service);
    }
    worked
}

impl Service {
    fn bind(&self, auth: Auth, listener: &Listener) -> Result<Bound> {
        let gateway = Gateway::new(Config {
            queue: self.queue.clone(),
            store: self.store.clone(),
            verify: phalanx_gateway::verify,
            auth,
            limits: Limits::default(),
            dashboard: true,
        });
        Ok(self.runtime.block_on(gateway.bind(listener))?)
    }

    fn run(&self, bound: Bound, mut stopped: watch::Receiver<bool>) -> JoinHandle<()> {
        self.runtime.spawn(bound.run(async move {
            // An error says that nobody is left who could stop it, which is the same.
            drop(stopped.wait_for(|stopped| *stopped).await);
        }))
    }

    /// The gateway's own store, if it is here.
    fn artifacts(&self) -> Result<Artifacts> {
        if let Some(directory) = self.store.path() {
            return Ok(Artifacts::Shared(directory.to_owned()));
        }
        let cache = paths::cache_directory().ok_or_else(|| Error::input("no place for artifacts: HOME is not set"))?;
        Ok(Artifacts::Cached { directory: cache.join("artifacts"), bytes_max: CACHE_BYTES_MAX })
    }
}

/// How the worker of this process reaches the gateway.
struct Inside {
    gateway: ClientConfig,
    /// Its own token, if it needs one.
    token: Option<String>,
}

impl Inside {
    /// A gateway that is open is reached as it is. Another would need the worker to trust a certificate and to be given a
    /// token, so it gets a listener and a token of its own.
    fn start(
        service: &Service,
        args: &Args,
        address: &str,
        stopped: &watch::Receiver<bool>,
        serving: &mut Vec<JoinHandle<()>>,
    ) -> Result<Self> {
        if args.auth() == Auth::Open && args.tls_cert.is_none() {
            return Ok(Self { gateway: ClientConfig::new(address), token: None });
        }
        let listener = Listener { address: SocketAddr::from(([127, 0, 0, 1], 0)), tls: None };
        let bound = service.bind(Auth::Tokens, &listener)?;
        let inner = format!("http://{}", bound.address());
        serving.push(service.run(bound, stopped.clone()));
        let secret = new_secret().map_err(|cause| Error::ours(format!("cannot make a secret: {cause}")))?;
        let note = format!("the worker inside `phalanx serve`: {}", args.worker_name());
        let token = NewToken {
            scope: Scope::Worker,
            tenant: OPEN_TENANT.to_owned(),
            note: note.clone(),
            expires_after_ms: None,
        };
        let made = service.runtime.block_on(async {
            // One that was killed left its token behind.
            for old in service.queue.tokens().await? {
                if old.note == note && old.revoked_ms.is_none() {
                    service.queue.revoke_token(&old.id).await?;
                }
            }
            service.queue.create_token(&secret_hash(&secret), &token).await
        })?;
        Ok(Self { gateway: ClientConfig { token: Some(secret), ..ClientConfig::new(inner) }, token: Some(made.id) })
    }

    fn end(&self, service: &Service) {
        let Some(token) = &self.token else { return };
        if let Err(error) = service.runtime.block_on(service.queue.revoke_token(token)) {
            tracing::warn!("the worker's token could not be revoked: {error}");
        }
    }
}

/// Says where the service is, and how to get in.
fn tell(args: &Args, service: &Service, address: &str, url: &str, printer: &Printer) -> Result<()> {
    let has_tokens = args.auth() == Auth::Tokens;
    let talk = printer.talk();
    if has_tokens {
        let tokens = service.runtime.block_on(service.queue.tokens())?;
        // Only that of the worker inside.
        if !tokens.iter().any(|token| token.scope == Scope::Admin && token.revoked_ms.is_none()) {
            talk.line("nobody has an admin's token yet; where the database is, this makes one:");
            talk.line(&format!("  phalanx token create --scope admin --database-url {}", shown_url(url)));
        }
    }
    if printer.is_json() {
        let (roles, store) = (args.roles.as_slice(), service.store.name());
        printer.object(&Up { url: address, tokens: has_tokens, roles, database_url: shown_url(url), store })?;
    } else {
        talk.line(&format!("database  {}", shown_url(url)));
        talk.line(&format!("store     {}", service.store.name()));
        talk.line(&format!(
            "listening {}",
            if has_tokens { "for those who have a token" } else { "for everyone on this machine" }
        ));
        printer.line(address)?;
    }
    // Whoever started this reads the address while it runs.
    printer.finish()
}

impl From<GatewayError> for Error {
    fn from(error: GatewayError) -> Self {
        let what = error.to_string();
        match error {
            GatewayError::OpenToAll { .. } => {
                Self::input(what).hint("leave out --open; `phalanx token create` makes tokens")
            }
            GatewayError::Bind { .. } => Self::input(what).hint("choose another address with --listen"),
            GatewayError::Tls { .. } => Self::input(format!("cannot use certificate or key: {what}")),
        }
    }
}
