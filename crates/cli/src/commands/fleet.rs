//! What `worker` and `serve` share: from options to a worker of a fleet, and what it says of itself.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use phalanx_client::ClientConfig;
use phalanx_plan::{SizingRequest, TaskKind};
use phalanx_worker::fleet::{Artifacts, FleetConfig, FleetError, FleetEvent, FleetObserver};

use super::job::{Limits, unsizable};
use crate::{
    engine::{Prover, StarkProver},
    error::{Error, Result},
    paths,
    printer::Talk,
    size,
    text::{duration, harmless},
};

/// Every kind of task, in the order of a job.
const KINDS: &str = "execute,prove,fold,seal";

/// Options of both commands.
#[derive(clap::Args, Clone, Debug)]
pub struct FleetArgs {
    /// The worker's name, which no other may have [default: this machine's name and a number]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Which tasks it takes
    #[arg(long, value_name = "KINDS", value_delimiter = ',', default_value = KINDS, value_parser = parse_kind)]
    kinds: Vec<TaskKind>,

    /// RAM for keys and all running tasks, such as 8G or 512MiB [default: 80% of what is free]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    ram: Option<u64>,

    /// Prove at most this many segments at once [default: what is predicted to be fastest]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroU32>,

    /// Who makes the proofs, which are the same: swirl is fast, upstream is OpenVM's own
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    prover: StarkProver,
}

fn parse_kind(text: &str) -> std::result::Result<TaskKind, String> {
    [TaskKind::Execute, TaskKind::Prove, TaskKind::Fold, TaskKind::Seal]
        .into_iter()
        .find(|kind| kind.name() == text)
        .ok_or_else(|| format!("`{text}` is not a kind of task: {KINDS}"))
}

impl FleetArgs {
    /// Opens the prover, or says that there is none.
    pub fn prover(&self) -> Result<Arc<Prover>> {
        Prover::open_with(&paths::keys_directory()?, self.prover).map(Arc::new)
    }

    /// A worker for this gateway.
    pub fn config(
        &self,
        prover: &Arc<Prover>,
        gateway: ClientConfig,
        name: String,
        artifacts: Artifacts,
    ) -> Result<FleetConfig> {
        let machine = Limits { ram_bytes: self.ram, slots: self.jobs }.machine()?;
        let slots = match self.jobs {
            Some(slots) => slots.get(),
            None => {
                let request = SizingRequest {
                    ram_bytes: machine.ram_bytes,
                    cores: u32::try_from(machine.cores).unwrap_or(u32::MAX),
                    cycles: None,
                    segment_cycles: None,
                    slots: None,
                };
                prover.sizing(&request).map_err(|error| unsizable(&error))?.slots
            }
        };
        let sizing = Arc::clone(prover);
        Ok(FleetConfig {
            gateway,
            name,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kinds: self.kinds.clone(),
            ram_bytes: machine.ram_bytes,
            slots: usize::try_from(slots).unwrap_or(usize::MAX),
            cores: machine.cores,
            artifacts,
            memory: crate::MEMORY,
            size: Arc::new(move |request: &SizingRequest| sizing.sizing(request)),
        })
    }
}

/// This machine's name, as far as a name may have such characters.
pub fn machine_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches(['-', '.']).to_owned();
    if name.is_empty() { "machine".to_owned() } else { name }
}

/// Tells what a worker does, one line for each event, and counts.
pub struct Teller {
    talk: Talk,
    done: AtomicU64,
    failed: AtomicU64,
}

impl Teller {
    /// Tells it there.
    pub const fn new(talk: Talk) -> Self {
        Self { talk, done: AtomicU64::new(0), failed: AtomicU64::new(0) }
    }

    /// How many tasks were done and how many failed.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [("tasks_done", read(&self.done)), ("tasks_failed", read(&self.failed))].into()
    }
}

impl FleetObserver for Teller {
    fn on(&self, event: &FleetEvent) {
        match event {
            FleetEvent::Finished { .. } => drop(self.done.fetch_add(1, Ordering::Relaxed)),
            FleetEvent::Failed { .. } => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
        self.talk.line(&line(event));
    }
}

fn line(event: &FleetEvent) -> String {
    let named = |held: &phalanx_api::Held| format!("{}/{}", held.job, held.task);
    match event {
        FleetEvent::Registered => "registered; waiting for tasks".to_owned(),
        FleetEvent::Unreachable { reason } => {
            let reason = harmless(reason.as_bytes());
            format!("{}; trying again", reason.strip_suffix("; try again").unwrap_or(&reason))
        }
        FleetEvent::Started { held, .. } => format!("started   {}", named(held)),
        FleetEvent::Finished { held, wall_ms, .. } => {
            format!("finished  {}  {}", named(held), duration(Duration::from_millis(*wall_ms)))
        }
        FleetEvent::Failed { held, reason, .. } => {
            format!("failed    {}: {}", named(held), harmless(reason.as_bytes()))
        }
        FleetEvent::Stopped { held } => format!("stopped   {}: it is no longer wanted", named(held)),
        FleetEvent::Draining { running: 0 } => "draining; nothing runs".to_owned(),
        FleetEvent::Draining { running } => {
            format!("draining; {running} still running (a second Ctrl-C gives them back)")
        }
    }
}

impl From<FleetError> for Error {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Refused(cause) => {
                let cause = Self::from(cause);
                Self { what: format!("the gateway refuses this worker: {}", cause.what), ..cause }
            }
            FleetError::RamTooSmall { resident_bytes, ram_bytes } => {
                let amount = |bytes: u64| format!("{} ({bytes} bytes)", size::show(bytes));
                Self::input("the proving keys alone need more RAM than is allowed")
                    .fact("needed", amount(resident_bytes))
                    .fact("allowed", amount(ram_bytes))
                    .hint("raise it with --ram")
            }
            FleetError::Setting { .. } | FleetError::Place { .. } => Self::input(error.to_string()),
            FleetError::Thread(_) => Self::ours(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_of_tasks() {
        assert_eq!(KINDS.split(',').map(parse_kind).collect::<std::result::Result<Vec<_>, _>>().unwrap().len(), 4);
        assert!(parse_kind("lift").unwrap_err().contains(KINDS));
    }

    #[test]
    fn a_machines_name_is_one_that_a_worker_may_have() {
        let name = machine_name();
        assert!(name.starts_with(|c: char| c.is_ascii_alphanumeric()), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)), "{name}");
    }
}
