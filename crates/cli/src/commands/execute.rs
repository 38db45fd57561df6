//! `phalanx execute`: what a program does and what proving it would cost, without proving it.
//!
//! In: a program and its input. Out: cycles, segments, public values, cost by chip on stdout; what the guest prints on
//! stderr as it comes, or in the `--json` object.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_engine::{ArtifactSource, Execution, SourceError};
use phalanx_store::Store;
use phalanx_worker::{ExecuteReport, JobSpec, Observer, PoolEvent, execute_only};
use serde::Serialize;

use super::job::{JobArgs, Limits, open_store, read_program};
use crate::{
    engine::{Chip, Prover},
    error::{Error, Result},
    interrupt, paths,
    printer::{Printer, Talk},
    text::{duration, harmless, rate, thousands},
};

/// Most bytes of guest output that the `--json` object carries; the rest is counted.
const GUEST_OUTPUT_BYTES_MAX: usize = 1 << 20;

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    job: JobArgs,

    /// Also compute the id that receipts name the program by; takes seconds
    #[arg(long)]
    program_id: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Executed<'a> {
    /// If it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    program_id: Option<String>,
    exit_code: u32,
    public_values: String,
    cycles: u64,
    segments: u32,
    wall_ms: u64,
    cpu_ms: u64,
    predicted_peak_bytes: u64,
    measured_peak_bytes: Option<u64>,
    guest_output: String,
    /// What of it was left out.
    guest_output_bytes_omitted: u64,
    chips: &'a [Chip],
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let program = read_program(&args.job.elf)?;
    let stdin = args.job.input.read()?.encode();
    let prover = Prover::open(&paths::keys_directory()?)?;
    let program_id = args.program_id.then(|| prover.known_program_id(&program)).transpose();
    let program_id = program_id.map_err(|fault| Error::from(&fault))?.map(|id| id.to_string());
    // Nothing is proven, so segments of a length that was asked for need not fit this machine.
    let ram_bytes = args.job.segment_cycles.map(|_| u64::MAX);
    let machine = Limits { ram_bytes, ..Limits::default() }.machine()?;
    // Its length is what is asked for, and to execute twice only to cut it better would be too much.
    let plan = args.job.plan(machine, &prover, None)?;
    let store = open_store(&args.job.store.directory()?)?;
    let job = JobSpec { program, stdin, execute: plan.execute };
    let cancel = interrupt::token(printer.talk())?;
    let output = GuestOutput::new((!printer.is_json()).then(|| printer.talk()));
    let executed = execute_only(&prover.engine(), &store, &job, &plan.pool, &output, &cancel);
    output.end_line();
    let report = executed?;
    let chips = chips(&prover, &store, &report.execution)?;
    let (guest_output, guest_output_bytes_omitted) = output.kept();
    if printer.is_json() {
        return printer.object(&Executed {
            program_id,
            exit_code: report.exit_code,
            public_values: hex::encode(&report.public_values),
            cycles: report.cycles,
            segments: report.segments,
            wall_ms: report.task.end_ms.saturating_sub(report.task.start_ms),
            cpu_ms: report.task.cpu_ms,
            predicted_peak_bytes: report.task.predicted_peak_bytes,
            measured_peak_bytes: report.task.measured_peak_bytes,
            guest_output,
            guest_output_bytes_omitted,
            chips: &chips,
        });
    }
    lines(program_id.as_deref(), &report, &chips).into_iter().try_for_each(|line| printer.line(line))
}

fn lines(program_id: Option<&str>, report: &ExecuteReport, chips: &[Chip]) -> Vec<String> {
    let wall = std::time::Duration::from_millis(report.task.end_ms.saturating_sub(report.task.start_ms));
    let pace = rate(report.cycles, wall).map(|rate| format!(", {rate}")).unwrap_or_default();
    let public_values = match hex::encode(&report.public_values) {
        empty if empty.is_empty() => "none".to_owned(),
        hex => hex,
    };
    let mut lines = Vec::from_iter(program_id.map(|id| format!("program        {id}")));
    lines.extend([
        format!("cycles         {}", thousands(report.cycles)),
        format!("segments       {}", thousands(report.segments.into())),
        format!("exit code      {}", report.exit_code),
        format!("public values  {public_values}"),
        format!("time           {}{pace}", duration(wall)),
    ]);
    let cells: u64 = chips.iter().map(|chip| chip.cells).sum();
    let width = chips.iter().map(|chip| chip.chip.chars().count()).max().unwrap_or(0).max("chip".len());
    if cells > 0 {
        lines.push(String::new());
        lines.push(format!("{:<width$}  {:>15}  {:>17}  share of cells", "chip", "rows", "cells"));
    }
    for Chip { chip, rows, cells: own, .. } in chips.iter().filter(|chip| chip.cells > 0) {
        let share = *own as f64 * 100.0 / cells as f64;
        lines.push(format!("{chip:<width$}  {:>15}  {:>17}  {share:5.1} %", thousands(*rows), thousands(*own)));
    }
    lines
}

fn chips(prover: &Prover, store: &Store, execution: &Digest) -> Result<Vec<Chip>> {
    let source = Source(store);
    let lost = |error: SourceError| Error::ours(error.to_string());
    let bytes = source.get(execution, ArtifactKind::Execution).map_err(lost)?;
    let execution =
        Execution::decode(&bytes).map_err(|error| Error::ours(format!("execution {execution}: {error}")))?;
    prover.profile(&execution, &source)
}

/// The store as the engine reads it.
struct Source<'a>(&'a Store);

impl ArtifactSource for Source<'_> {
    fn get(&self, digest: &Digest, kind: ArtifactKind) -> std::result::Result<Arc<[u8]>, SourceError> {
        match self.0.get(digest, kind) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(SourceError::Missing { digest: *digest, kind }),
            Err(error) => Err(SourceError::Failed { digest: *digest, reason: error.to_string() }),
        }
    }
}

/// Passes on what the guest prints, or keeps it.
struct GuestOutput {
    live: Option<Talk>,
    /// Whether what was passed on ends in the middle of a line.
    line_open: Cell<bool>,
    kept: RefCell<Vec<u8>>,
    omitted: RefCell<u64>,
}

impl GuestOutput {
    fn new(live: Option<Talk>) -> Self {
        Self { live, line_open: Cell::new(false), kept: RefCell::default(), omitted: RefCell::default() }
    }

    /// Ends the guest's last line, so that what we say next starts a new one.
    fn end_line(&self) {
        if let Some(talk) = self.live
            && self.line_open.take()
        {
            talk.bytes(b"\n");
        }
    }

    fn kept(&self) -> (String, u64) {
        (String::from_utf8_lossy(&self.kept.borrow()).into_owned(), *self.omitted.borrow())
    }
}

impl Observer for GuestOutput {
    fn on(&self, event: &PoolEvent) {
        let PoolEvent::GuestOutput(bytes) = event else { return };
        if let Some(talk) = self.live {
            self.line_open.set(bytes.last().is_some_and(|last| *last != b'\n'));
            // A person's terminal must not be the guest's to command; a file or a pipe gets the bytes as they are.
            return if talk.is_terminal() { talk.bytes(harmless(bytes).as_bytes()) } else { talk.bytes(bytes) };
        }
        let mut kept = self.kept.borrow_mut();
        let room = GUEST_OUTPUT_BYTES_MAX.saturating_sub(kept.len()).min(bytes.len());
        kept.extend(&bytes[..room]);
        *self.omitted.borrow_mut() += (bytes.len() - room) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_output_beyond_the_limit_is_counted_and_not_kept() {
        let output = GuestOutput::new(None);
        output.on(&PoolEvent::GuestOutput(vec![b'a'; GUEST_OUTPUT_BYTES_MAX - 1]));
        output.on(&PoolEvent::GuestOutput(b"bcd".to_vec()));
        let (kept, omitted) = output.kept();
        assert_eq!((kept.len(), kept.ends_with('b'), omitted), (GUEST_OUTPUT_BYTES_MAX, true, 2));
    }
}
