//! `phalanx prove`: a program and an input go in, one receipt comes out.
//!
//! Everything that can be refused is refused before the work: program, input, output paths, store, RAM.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use phalanx_claim::ArtifactKind;
use phalanx_engine::CancelToken;
use phalanx_plan::{Scenario, simulate};
use phalanx_receipt::Receipt;
use phalanx_store::Store;
use phalanx_worker::{JobReport, JobSpec, finished, measure, prove};

use super::job::{JobArgs, Limits, Machine, Plan, open_store, read_program, store_failed};
use crate::{
    display::Display,
    engine::{Prover, StarkProver},
    error::{Error, Result},
    interrupt, paths,
    printer::{Printer, Talk},
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

    /// Who makes the proofs, which are the same: swirl is fast, upstream is OpenVM's own
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    prover: StarkProver,

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
    let prover = Prover::open_with(&paths::keys_directory()?, args.prover)?;
    if let Some(vectors) = prover.unused_vectors() {
        let note = format!(
            "this phalanx does not use this processor's {vectors}: built with -Ctarget-cpu=native it is faster"
        );
        printer.talk().line(&note);
    }
    let machine = Limits { ram_bytes: args.ram, slots: args.jobs }.machine()?;
    let directory = args.job.store.directory()?;
    let plan = match args.job.plan(machine, &prover, None) {
        // Perhaps the job is finished and takes no RAM. Without a store it is not, and none is made for nothing.
        Err(refusal) if !directory.exists() => return Err(refusal),
        plan => plan,
    };
    let store = open_store(&directory)?;
    let cancel = interrupt::token(printer.talk())?;

    let display = Display::start(printer.talk());
    let run = Run { args, prover: &prover, machine, store: &store, display: &display, cancel: &cancel };
    let proven = run.find_or_prove(program, stdin, plan, printer.talk());
    display.finish();
    let (report, plan) = proven?;

    let receipt = checked_receipt(&store, &report)?;
    output.write(&receipt.bytes)?;
    let shown = output.path().display().to_string();
    let bytes = receipt.bytes.len() as u64;
    let note = format!("{}, {}-bit security", size::show(bytes), receipt.receipt.security_bits);
    printer.talk().line(&row("wrote", &shown, None, &note));
    let predicted_wall_ms = plan.map_or(0, |plan| predicted_wall_ms(&prover, &plan, &report));
    if let Some(target) = &timeline {
        target.write(page(&prover, plan.as_ref(), &report, elf, predicted_wall_ms).as_bytes())?;
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

/// All that a job runs with.
struct Run<'a> {
    args: &'a Args,
    prover: &'a Prover,
    machine: Machine,
    store: &'a Store,
    display: &'a Display,
    cancel: &'a CancelToken,
}

impl Run<'_> {
    /// The job's report, and the plan that fits its length. A finished job needs no plan, so it may have none.
    fn find_or_prove(
        &self,
        program: Vec<u8>,
        stdin: Vec<u8>,
        plan: Result<Plan>,
        talk: Talk,
    ) -> Result<(JobReport, Option<Plan>)> {
        let Self { args, prover, machine, store, display, cancel } = *self;
        let engine = prover.engine();
        if let Some(report) = finished(&*engine, store, &program, &stdin, display)? {
            let plan = args.job.plan(machine, prover, Some(report.cycles)).ok();
            return Ok((report, plan));
        }
        let mut plan = plan?;
        if args.job.segment_cycles.is_none() {
            let tell = |cycles| talk.line(&format!("measuring {} cycles so far", thousands(cycles)));
            let given = measure::Given { program: &program, stdin: &stdin };
            if let Some(cycles) = measure::cycles(&*engine, given, args.job.cycles_max, &tell, cancel)? {
                plan = args.job.plan(machine, prover, Some(cycles))?;
            }
        }
        let job = JobSpec { program, stdin, execute: plan.execute };
        Ok((prove(&engine, store, &job, &plan.pool, display, cancel)?, Some(plan)))
    }
}

/// `<stem>.receipt` in the current directory.
pub fn default_output(elf: &Path) -> PathBuf {
    Path::new(elf.file_stem().unwrap_or(elf.as_os_str())).with_added_extension("receipt")
}

/// A receipt that the verifier accepts.
struct Checked {
    receipt: Receipt,
    bytes: Vec<u8>,
}

/// The receipt from the store. It may have been made by another process long ago, so it is verified once more.
fn checked_receipt(store: &Store, report: &JobReport) -> Result<Checked> {
    let stored = store.get(&report.receipt, ArtifactKind::Receipt).map_err(|error| store_failed(&error))?;
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
fn predicted_wall_ms(prover: &Prover, plan: &Plan, report: &JobReport) -> u64 {
    let scenario = Scenario {
        cycles: report.cycles.max(1),
        segment_cycles: plan.execute.segment_cycles_max,
        slots: u32::try_from(plan.pool.slots).unwrap_or(u32::MAX),
        cores: u32::try_from(plan.pool.cores).unwrap_or(u32::MAX),
        ram_bytes: plan.pool.ram_bytes,
    };
    simulate(&prover.calibration(), prover.engine().fold_shape(), &scenario).map_or(0, |schedule| schedule.wall_ms)
}

fn page(prover: &Prover, plan: Option<&Plan>, report: &JobReport, elf: &Path, predicted_wall_ms: u64) -> String {
    let title = elf.file_name().unwrap_or(elf.as_os_str()).to_string_lossy().into_owned();
    let time = |ms| duration(std::time::Duration::from_millis(ms));
    let mut facts = vec![
        ("cycles", thousands(report.cycles)),
        ("segments", thousands(report.segments.into())),
        ("wall time", format!("{} (predicted {})", time(report.wall_ms), time(predicted_wall_ms))),
        ("CPU time", time(report.cpu_ms)),
        ("tasks", format!("{} ran, {} reused", thousands(report.tasks_run), thousands(report.tasks_reused))),
        ("peak RAM", size::show(report.peak_rss_bytes)),
    ];
    if let Some(Plan { pool, .. }) = plan {
        facts.push(("RAM budget", size::show(pool.ram_bytes)));
        facts.push(("pool", format!("{} on {}", count(pool.slots as u64, "slot"), count(pool.cores as u64, "core"))));
    }
    Timeline {
        title: &title,
        facts,
        tasks: &report.tasks,
        wall_ms: report.wall_ms,
        resident_bytes: prover.engine().resident_bytes(),
        ram_bytes: plan.map_or(0, |plan| plan.pool.ram_bytes),
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
