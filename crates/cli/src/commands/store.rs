//! `phalanx store`: what is in the store, what of it is reachable, what is corrupt.

use std::sync::Arc;

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_store::{Collected, CorruptFile, Store, StoredArtifact, Verified};
use serde::Serialize;

use super::job::{open_store, store_failed};
use crate::{
    engine::Prover,
    error::{Error, Result},
    paths::{self, StoreArg},
    printer::Printer,
    size,
    text::count,
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// List every artifact
    Ls {
        #[command(flatten)]
        store: StoreArg,
    },
    /// Remove what no job in progress and no finished receipt needs
    Gc {
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,

        #[command(flatten)]
        store: StoreArg,
    },
    /// Read every artifact and check its digest
    Verify {
        #[command(flatten)]
        store: StoreArg,
    },
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    match &args.verb {
        Verb::Ls { store } => ls(&*open(store)?, printer),
        Verb::Gc { dry_run, store } => gc(&*open(store)?, *dry_run, printer),
        Verb::Verify { store } => verify(&*open(store)?, printer),
    }
}

/// Looking at a store makes none.
fn open(store: &StoreArg) -> Result<Arc<Store>> {
    let directory = store.directory()?;
    if !directory.exists() {
        return Err(Error::input(format!("there is no store at {}", directory.display()))
            .hint("`phalanx prove` makes one; name another place with --store"));
    }
    open_store(&directory)
}

#[derive(Serialize)]
struct Listed {
    store: String,
    artifacts: Vec<Artifact>,
}

#[derive(Serialize)]
struct Artifact {
    digest: String,
    /// `null` when its header is corrupt.
    kind: Option<&'static str>,
    bytes: u64,
    stored_bytes: u64,
    reachable: bool,
}

fn ls(store: &Store, printer: &Printer) -> Result<()> {
    let prover = prover()?;
    let artifacts = store.ls(&|kind, bytes| prover.references(kind, bytes)).map_err(|error| store_failed(&error))?;
    if printer.is_json() {
        let artifacts = artifacts.iter().map(artifact).collect();
        return printer.object(&Listed { store: store.name().to_owned(), artifacts });
    }
    artifacts.iter().try_for_each(|artifact| printer.line(ls_line(artifact)))?;
    let reachable = artifacts.iter().filter(|artifact| artifact.reachable).count() as u64;
    let total: u64 = artifacts.iter().map(|artifact| artifact.stored_bytes).sum();
    let all = count(artifacts.len() as u64, "artifact");
    printer.talk().line(&format!("{all}, {reachable} reachable, {} on disk", size::show(total)));
    Ok(())
}

fn artifact(artifact: &StoredArtifact) -> Artifact {
    Artifact {
        digest: artifact.digest.to_string(),
        kind: artifact.kind.map(ArtifactKind::name),
        bytes: artifact.raw_bytes,
        stored_bytes: artifact.stored_bytes,
        reachable: artifact.reachable,
    }
}

fn ls_line(artifact: &StoredArtifact) -> String {
    let kind = artifact.kind.map_or("corrupt", ArtifactKind::name);
    let state = if artifact.reachable { "reachable" } else { "unreachable" };
    format!("{}  {kind:<9} {:>9}  {state}", artifact.digest, size::show(artifact.stored_bytes))
}

#[derive(Serialize)]
struct Removed {
    dry_run: bool,
    removed_artifacts: u64,
    removed_bytes: u64,
    removed_keys: u64,
    removed_temporaries: u64,
    kept_artifacts: u64,
    kept_bytes: u64,
}

fn gc(store: &Store, dry_run: bool, printer: &Printer) -> Result<()> {
    let prover = prover()?;
    let done =
        store.gc(dry_run, &|kind, bytes| prover.references(kind, bytes)).map_err(|error| store_failed(&error))?;
    if printer.is_json() {
        return printer.object(&Removed {
            dry_run,
            removed_artifacts: done.removed_artifacts,
            removed_bytes: done.removed_bytes,
            removed_keys: done.removed_keys,
            removed_temporaries: done.removed_temporaries,
            kept_artifacts: done.kept_artifacts,
            kept_bytes: done.kept_bytes,
        });
    }
    gc_lines(&done, dry_run).into_iter().try_for_each(|line| printer.line(line))
}

pub fn gc_lines(done: &Collected, dry_run: bool) -> [String; 2] {
    let verb = if dry_run { "would remove" } else { "removed" };
    let removed = count(done.removed_artifacts, "artifact");
    let kept = count(done.kept_artifacts, "artifact");
    let keys = count(done.removed_keys, "task key");
    let leftovers = count(done.removed_temporaries, "unfinished file");
    [
        format!("{verb:<13}{removed}, {}; {keys}, {leftovers}", size::show(done.removed_bytes)),
        format!("{:<13}{kept}, {}", if dry_run { "would keep" } else { "kept" }, size::show(done.kept_bytes)),
    ]
}

#[derive(Serialize)]
struct Checked {
    clean: bool,
    intact_artifacts: u64,
    intact_bytes: u64,
    intact_keys: u64,
    corrupt: Vec<Corrupt>,
    dangling_keys: Vec<String>,
    missing_pins: Vec<Pin>,
}

#[derive(Serialize)]
struct Corrupt {
    name: String,
    path: String,
    reason: String,
}

#[derive(Serialize)]
struct Pin {
    root: String,
    digest: String,
}

fn verify(store: &Store, printer: &Printer) -> Result<()> {
    let verified = store.verify().map_err(|error| store_failed(&error))?;
    let corrupt = || verified.corrupt_artifacts.iter().chain(&verified.corrupt_keys);
    if printer.is_json() {
        printer.object(&checked(&verified))?;
    } else {
        let intact = count(verified.intact_artifacts, "artifact");
        let keys = count(verified.intact_keys, "task key");
        printer.line(format!("intact   {intact}, {}; {keys}", size::show(verified.intact_bytes)))?;
        for CorruptFile { place, corrupt, .. } in corrupt() {
            printer.line(format!("corrupt  {place}: {corrupt}"))?;
        }
        verified.dangling_keys.iter().try_for_each(|key| printer.line(format!("dangling task key {key}")))?;
        for (root, digest) in &verified.missing_pins {
            printer.line(format!("missing  {digest}, kept by {root}"))?;
        }
    }
    if verified.is_clean() {
        return Ok(());
    }
    let facts = [
        ("corrupt files", corrupt().count()),
        ("dangling keys", verified.dangling_keys.len()),
        ("missing artifacts", verified.missing_pins.len()),
    ];
    let error = Error::ours(format!("the store {} is damaged", store.name()));
    let error = facts.iter().filter(|(_, number)| *number > 0).fold(error, |error, (what, n)| error.fact(*what, n));
    Err(error.hint("nothing wrong is ever used: what is missing is made again when it is needed"))
}

fn checked(verified: &Verified) -> Checked {
    let corrupt = |file: &CorruptFile| Corrupt {
        name: file.name.to_string(),
        path: file.place.clone(),
        reason: file.corrupt.to_string(),
    };
    let pin = |(root, digest): &(String, Digest)| Pin { root: root.clone(), digest: digest.to_string() };
    Checked {
        clean: verified.is_clean(),
        intact_artifacts: verified.intact_artifacts,
        intact_bytes: verified.intact_bytes,
        intact_keys: verified.intact_keys,
        corrupt: verified.corrupt_artifacts.iter().chain(&verified.corrupt_keys).map(corrupt).collect(),
        dangling_keys: verified.dangling_keys.iter().map(Digest::to_string).collect(),
        missing_pins: verified.missing_pins.iter().map(pin).collect(),
    }
}

/// What an artifact names, only the engine knows.
fn prover() -> Result<Prover> {
    Prover::open(&paths::keys_directory()?)
}
