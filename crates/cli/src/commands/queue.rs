//! `phalanx queue`: looks after the database and what its jobs left in the store.

use std::{
    cell::RefCell,
    collections::HashSet,
    time::{Duration, Instant},
};

use phalanx_api::JobQuery;
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_queue::{Database, Migration, Queue, QueueError, SchemaState};
use phalanx_store::{Collected, Store};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::{
    database::runtime,
    job::store_failed,
    place::{PlaceArgs, shown_url},
    store::gc_lines,
};
use crate::{
    engine::Prover,
    error::{Error, Result},
    paths,
    printer::Printer,
    span::{self, now_ms},
    text::count,
};

/// Artifacts that may name others; the others are bytes of users and proofs.
const NAMING: [ArtifactKind; 2] = [ArtifactKind::Execution, ArtifactKind::Segment];
/// What is in use is asked again after this time.
const FRESH: Duration = Duration::from_secs(10);

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Bring the database's schema up to date; `serve` does it, too
    Migrate(PlaceArgs),
    /// Say which migrations the database has; changes nothing
    Check(PlaceArgs),
    /// Forget old jobs, and remove artifacts that no job in progress and no receipt needs
    Gc(GcArgs),
}

#[derive(clap::Args, Debug)]
struct GcArgs {
    /// Forget jobs that have been over for this time
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = span::parse_ms)]
    keep: u64,

    /// In a store that many machines share: spare artifacts that are younger than this
    #[arg(long, value_name = "TIME", default_value = "2h", value_parser = span::parse_ms)]
    grace: u64,

    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Serialize)]
struct Schema<'a> {
    database_url: &'a str,
    is_current: bool,
    applied: Vec<Step>,
    missing: Vec<Step>,
    foreign: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    version: u64,
    description: String,
}

#[derive(Serialize)]
struct Removed {
    dry_run: bool,
    forgotten_jobs: u64,
    removed_artifacts: u64,
    removed_bytes: u64,
    removed_keys: u64,
    removed_temporaries: u64,
    kept_artifacts: u64,
    kept_bytes: u64,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    match &args.verb {
        Verb::Migrate(place) => {
            let url = place.database_url()?;
            show(&url, &runtime()?.block_on(Database::migrate(&url))?, printer)
        }
        Verb::Check(place) => {
            let url = place.database_url()?;
            show(&url, &runtime()?.block_on(Database::check(&url))?, printer)
        }
        Verb::Gc(args) => gc(args, printer),
    }
}

fn show(url: &str, schema: &SchemaState, printer: &Printer) -> Result<()> {
    let steps = |migrations: &[Migration]| {
        let step = |step: &Migration| Step { version: step.version, description: step.description.clone() };
        migrations.iter().map(step).collect::<Vec<_>>()
    };
    let (applied, missing, foreign) = (steps(&schema.applied), steps(&schema.missing), steps(&schema.foreign));
    let is_current = schema.is_current();
    if printer.is_json() {
        printer.object(&Schema { database_url: shown_url(url), is_current, applied, missing, foreign })?;
    } else {
        for (verb, steps) in [("applied", applied), ("missing", missing), ("foreign", foreign)] {
            for Step { version, description } in steps {
                printer.line(format!("{verb:<9} {version:04} {description}"))?;
            }
        }
    }
    if is_current {
        return Ok(());
    }
    if !schema.foreign.is_empty() {
        return Err(
            Error::input("the database is of a newer phalanx").hint("use that version, or its backup of before")
        );
    }
    Err(Error::input("the database's schema is not up to date").hint("`phalanx queue migrate` brings it there"))
}

fn gc(args: &GcArgs, printer: &Printer) -> Result<()> {
    let runtime = runtime()?;
    let url = args.place.database_url()?;
    // One that is not there is not made: it would know of nothing that is in use.
    let schema = runtime.block_on(Database::check(&url))?;
    if !schema.is_current() {
        return Err(Error::input(
            "the database's schema is not that of this phalanx, so it is not known what is in use",
        )
        .hint("`phalanx queue check` says what differs"));
    }
    let queue = Queue::new(runtime.block_on(Database::open(&url))?);
    if args.place.is_bucket() {
        let any = JobQuery { limit: Some(1), ..JobQuery::default() };
        if runtime.block_on(queue.jobs(None, &any))?.jobs.is_empty() {
            return Err(Error::input("the database knows no job, so everything in the store would be removed")
                .fact("database", shown_url(&url))
                .hint("--database-url names the database of the gateways that use this store"));
        }
    }
    let store = args.place.open_store()?;
    // What an artifact names, only the engine knows.
    let prover = Prover::open(&paths::keys_directory()?)?;
    let forgotten_jobs = match args.dry_run {
        true => 0,
        false => runtime.block_on(queue.prune(now_ms().saturating_sub(args.keep)))?,
    };
    let done = if store.path().is_some() {
        // The gateways of a directory pin what their jobs need, as local jobs do.
        store.gc(args.dry_run, &|kind, bytes| prover.references(kind, bytes)).map_err(|error| store_failed(&error))?
    } else {
        let live = Live::new(&runtime, &queue, &store, &prover)?;
        let done = store.collect(&|digest| live.has(digest), Duration::from_millis(args.grace), args.dry_run);
        let done = done.map_err(|error| store_failed(&error))?;
        live.failed()?;
        done
    };
    tell(args.dry_run, forgotten_jobs, &done, printer)
}

fn tell(dry_run: bool, forgotten_jobs: u64, done: &Collected, printer: &Printer) -> Result<()> {
    if printer.is_json() {
        return printer.object(&Removed {
            dry_run,
            forgotten_jobs,
            removed_artifacts: done.removed_artifacts,
            removed_bytes: done.removed_bytes,
            removed_keys: done.removed_keys,
            removed_temporaries: done.removed_temporaries,
            kept_artifacts: done.kept_artifacts,
            kept_bytes: done.kept_bytes,
        });
    }
    if !dry_run {
        printer.line(format!("{:<13}{}", "forgot", count(forgotten_jobs, "job")))?;
    }
    gc_lines(done, dry_run).into_iter().try_for_each(|line| printer.line(line))
}

/// What is in use: what jobs need, and what that names. Grows while jobs come.
struct Live<'a> {
    runtime: &'a Runtime,
    queue: &'a Queue,
    store: &'a Store,
    prover: &'a Prover,
    known: RefCell<Known>,
}

struct Known {
    digests: HashSet<Digest>,
    asked: Instant,
    /// Why it is not known; then everything counts as in use.
    failure: Option<Error>,
}

impl<'a> Live<'a> {
    fn new(runtime: &'a Runtime, queue: &'a Queue, store: &'a Store, prover: &'a Prover) -> Result<Self> {
        let known = Known { digests: HashSet::new(), asked: Instant::now(), failure: None };
        let live = Self { runtime, queue, store, prover, known: RefCell::new(known) };
        live.ask()?;
        Ok(live)
    }

    fn has(&self, digest: &Digest) -> bool {
        if self.known.borrow().asked.elapsed() > FRESH {
            let asked = self.ask();
            let mut known = self.known.borrow_mut();
            known.asked = Instant::now();
            known.failure = known.failure.take().or(asked.err());
        }
        let known = self.known.borrow();
        known.failure.is_some() || known.digests.contains(digest)
    }

    fn failed(self) -> Result<()> {
        self.known.into_inner().failure.map_or(Ok(()), Err)
    }

    fn ask(&self) -> Result<()> {
        let needed: std::result::Result<HashSet<Digest>, QueueError> =
            self.runtime.block_on(self.queue.live_artifacts());
        let mut ahead: Vec<Digest> = needed?.into_iter().collect();
        while let Some(digest) = ahead.pop() {
            if !self.known.borrow_mut().digests.insert(digest) {
                continue;
            }
            // Nobody has to say what it is: bytes that are no execution and no segment name nothing.
            let stored = self.store.get(&digest, ArtifactKind::Segment).map_err(|error| store_failed(&error))?;
            if let Some(bytes) = stored {
                ahead.extend(NAMING.iter().flat_map(|kind| self.prover.references(*kind, &bytes)));
            }
        }
        self.known.borrow_mut().asked = Instant::now();
        Ok(())
    }
}
