//! `phalanx prove`: a program and an input go in, one receipt comes out.
//!
//! Everything that can be refused is refused before the work: program, input, output paths, store, RAM.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use phalanx_claim::ArtifactKind;
use phalanx_plan::{Scenario, simulate};
use phalanx_receipt::Receipt;
use phalanx_worker::{JobReport, prove};

use super::job::{Job, JobArgs, Limits, read_program, store_failed};
use crate::{
    display::Display,
    engine::Prover,
    error::{Error, Result},
    interrupt, paths,
    printer::Printer,
    progress::row,
    report::{ProveReport, ReceiptFacts},
    size,
    text::{count, duration, thousands},
    timeline::Timeline,
    write::Target,
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where to write the receipt [default: the program's name with .receipt, in this directory]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    job: JobArgs,

    /// RAM for keys and all running tasks, such as 8G or 512MiB [default: 80% of what is free]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    ram: Option<u64>,

    /// Prove at most this many segments at once [default: what is predicted to be fastest]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroU32>,

    /// Also write a picture of which task ran when
    #[arg(long, value_name = "FILE.html")]
    timeline: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let elf = args.job.elf.as_path();
    let program = read_program(elf)?;
    let stdin = args.job.input.read()?.encode();
    let output = Target::prepare("receipt", &args.output.clone().unwrap_or_else(|| default_output(elf)))?;
    let timeline = args.timeline.as_deref().map(|path| Target::prepare("timeline", path)).transpose()?;
    for target in timeline.iter().chain([&output]) {
        if target.is(elf) {
            return Err(Error::input(format!("{} would overwrite the program", target.path().display())));
        }
    }
    let prover = Prover::open(&paths::keys_directory()?)?;
    let limits = Limits { ram_bytes: args.ram, slots: args.jobs };
    let job = args.job.prepare(limits, &prover, program, stdin)?;
    let cancel = interrupt::token(printer.talk())?;

    let display = Display::start(printer.talk());
    let proven = prove(&prover.engine(), &job.store, &job.spec, &job.pool, &display, &cancel);
    display.finish();
    let report = proven?;

    let receipt = checked_receipt(&job, &report)?;
    output.write(&receipt.bytes)?;
    let shown = output.path().display().to_string();
    let bytes = receipt.bytes.len() as u64;
    let note = format!("{}, {}-bit security", size::show(bytes), receipt.receipt.security_bits);
    printer.talk().line(&row("wrote", &shown, None, &note));
    let predicted_wall_ms = predicted_wall_ms(&prover, &job, &report);
    if let Some(target) = &timeline {
        target.write(page(&prover, &job, &report, elf, predicted_wall_ms).as_bytes())?;
        printer.talk().line(&row("wrote", &target.path().display().to_string(), None, "timeline"));
    }
    if printer.is_json() {
        let facts = ReceiptFacts {
            program: receipt.receipt.claim.program,
            path: &shown,
            bytes,
            security_bits: receipt.receipt.security_bits,
        };
        return printer.object(&ProveReport::new(&report, facts, predicted_wall_ms));
    }
    Ok(())
}

/// `<stem>.receipt` in the current directory.
fn default_output(elf: &Path) -> PathBuf {
    Path::new(elf.file_stem().unwrap_or(elf.as_os_str())).with_added_extension("receipt")
}

/// A receipt that the verifier accepts.
struct Checked {
    receipt: Receipt,
    bytes: Vec<u8>,
}

/// The receipt from the store. It may have been made by another process long ago, so it is verified once more.
fn checked_receipt(job: &Job, report: &JobReport) -> Result<Checked> {
    let stored = job.store.get(&report.receipt, ArtifactKind::Receipt).map_err(|error| store_failed(&error))?;
    let lost = || Error::ours(format!("receipt {} is gone from the store", report.receipt)).hint("prove again");
    let bytes = stored.ok_or_else(lost)?.to_vec();
    let refused = |reason: String| {
        Error::ours(format!("receipt {} in the store does not verify: {reason}", report.receipt))
            .hint("use another --store, and report this: stored results are checked before they are recorded")
    };
    let receipt = Receipt::decode(&bytes).map_err(|error| refused(error.to_string()))?;
    phalanx_receipt::verify(&receipt).map_err(|error| refused(error.to_string()))?;
    Ok(Checked { receipt, bytes })
}

/// What the cost model says about a job of this length, from nothing; 0 when it says nothing.
fn predicted_wall_ms(prover: &Prover, job: &Job, report: &JobReport) -> u64 {
    let scenario = Scenario {
        cycles: report.cycles.max(1),
        segment_cycles: job.spec.execute.segment_cycles_max,
        slots: job.sizing.slots,
        cores: u32::try_from(job.pool.cores).unwrap_or(u32::MAX),
        ram_bytes: job.pool.ram_bytes,
    };
    simulate(&prover.calibration(), prover.engine().fold_shape(), &scenario).map_or(0, |schedule| schedule.wall_ms)
}

fn page(prover: &Prover, job: &Job, report: &JobReport, elf: &Path, predicted_wall_ms: u64) -> String {
    let title = elf.file_name().unwrap_or(elf.as_os_str()).to_string_lossy().into_owned();
    let time = |ms| duration(std::time::Duration::from_millis(ms));
    Timeline {
        title: &title,
        facts: vec![
            ("cycles", thousands(report.cycles)),
            ("segments", thousands(report.segments.into())),
            ("wall time", format!("{} (predicted {})", time(report.wall_ms), time(predicted_wall_ms))),
            ("CPU time", time(report.cpu_ms)),
            ("tasks", format!("{} ran, {} reused", thousands(report.tasks_run), thousands(report.tasks_reused))),
            ("peak RAM", size::show(report.peak_rss_bytes)),
            ("RAM budget", size::show(job.pool.ram_bytes)),
            ("pool", format!("{} on {}", count(job.pool.slots as u64, "slot"), count(job.pool.cores as u64, "core"))),
        ],
        tasks: &report.tasks,
        wall_ms: report.wall_ms,
        resident_bytes: prover.engine().resident_bytes(),
        ram_bytes: job.pool.ram_bytes,
    }
    .page()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_named_after_its_program() {
        for (elf, receipt) in
            [("a/mergesort.elf", "mergesort.receipt"), ("guest", "guest.receipt"), ("v1.2.elf", "v1.2.receipt")]
        {
            assert_eq!(default_output(Path::new(elf)), Path::new(receipt));
        }
    }
}
