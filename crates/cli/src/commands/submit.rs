//! `phalanx submit`: a program and an input go to a gateway; with `--wait`, one receipt comes back.
//!
//! A gateway that has done the same before is asked first, so nothing is uploaded for nothing. The receipt is verified here:
//! no gateway is trusted.

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::Instant,
};

use phalanx_api::{ErrorCode, JobId, JobLimits, NewJob, Submitted};
use phalanx_claim::{Digest, ProgramId};
use phalanx_client::{Client, ClientError};

use super::{job::read_program, prove::default_output};
use crate::{
    engine::Prover,
    error::{Error, Result},
    fetched::{Fetched, fetch},
    follow::{self, all_tasks},
    input::InputArgs,
    paths,
    printer::Printer,
    progress::row,
    remote_report::RemoteReport,
    report::ReceiptFacts,
    server::{ServerArgs, patiently},
    size, span,
    write::Target,
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The program: an RV32IM ELF
    #[arg(value_name = "ELF")]
    elf: PathBuf,

    #[command(flatten)]
    input: InputArgs,

    /// Wait until the job is over and write its receipt, as `prove` does
    #[arg(long)]
    wait: bool,

    /// With --wait: where to write the receipt [default: the program's name with .receipt, in this directory]
    #[arg(long, short, value_name = "FILE", requires = "wait")]
    output: Option<PathBuf>,

    /// More runs first; from -100 to 100
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-100..=100))]
    priority: i32,

    /// Fail the job when it is not done after this time, such as 90s, 30m or 12h
    #[arg(long, value_name = "TIME", value_parser = span::parse_ms)]
    deadline: Option<u64>,

    /// Fail when the guest has not finished after this many cycles [default: 10000000000]
    #[arg(long, value_name = "N")]
    cycles_max: Option<NonZeroU64>,

    /// End each segment after this many cycles [default: what suits the workers]
    #[arg(long, value_name = "N")]
    segment_cycles: Option<NonZeroU64>,

    /// The same key again finds the same job; another request under it is refused
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,

    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let begin = Instant::now();
    let elf = args.elf.as_path();
    let program = read_program(elf)?;
    let stdin = args.input.read()?.encode();
    let output = args.wait.then(|| {
        let target = Target::prepare("receipt", &args.output.clone().unwrap_or_else(|| default_output(elf)))?;
        match target.is(elf) {
            true => Err(Error::input(format!("{} would overwrite the program", target.path().display()))),
            false => Ok(target),
        }
    });
    let output = output.transpose()?;
    let client = args.server.client()?;
    let submitted = submit(args, &client, &program, &stdin)?;
    let Some(output) = output else { return tell(&submitted, printer) };

    let note = if submitted.is_known { "it was there before" } else { "" };
    printer.talk().line(&row("submitted", &submitted.job.to_string(), None, note));
    follow::leave_running_on_interrupt(submitted.job, printer.talk())?;
    // Naming a program for the first time takes seconds, which the job takes anyway.
    let expected = expected(program);
    let job = follow::follow(&client, submitted.job, printer.talk())?;
    follow::ended(&client, &job)?;
    let fetched = fetch(&client, job.job)?;
    check(&fetched, expected, elf, printer)?;
    output.write(&fetched.bytes)?;
    let shown = output.path().display().to_string();
    let bytes = fetched.bytes.len() as u64;
    let security_bits = fetched.receipt.security_bits;
    let note = format!("{}, {security_bits}-bit security", size::show(bytes));
    printer.talk().line(&row("wrote", &shown, None, &note));
    if !printer.is_json() {
        return Ok(());
    }
    let tasks = patiently(&client, || all_tasks(&client, job.job))?;
    let claim = &fetched.receipt.claim;
    let facts = ReceiptFacts { program: claim.program, path: &shown, bytes, security_bits };
    let was_done = submitted.is_known && submitted.state.is_over();
    printer.object(&RemoteReport::new(&job, &tasks, claim, facts, was_done, begin.elapsed()))
}

/// Queues the job. Only a gateway that lacks the artifacts gets them.
fn submit(args: &Args, client: &Client, program: &[u8], stdin: &[u8]) -> Result<Submitted> {
    let job = NewJob {
        program: Digest::of(program),
        input: Digest::of(stdin),
        priority: args.priority,
        deadline_after_ms: args.deadline,
        limits: JobLimits {
            cycles_max: args.cycles_max.map(NonZeroU64::get),
            segment_cycles: args.segment_cycles.map(NonZeroU64::get),
        },
    };
    let ask = || client.submit(&job, args.idempotency_key.as_deref());
    // A request that was lost on its way back is found again by the next: identical jobs are one.
    let submitted = patiently(client, || match ask() {
        Err(ClientError::Refused { body, .. }) if body.code == ErrorCode::MissingArtifact => Ok(None),
        answer => answer.map(Some),
    })?;
    if let Some(submitted) = submitted {
        return Ok(submitted);
    }
    patiently(client, || client.program(program))?;
    patiently(client, || client.input(stdin))?;
    patiently(client, ask)
}

fn tell(submitted: &Submitted, printer: &Printer) -> Result<()> {
    if printer.is_json() {
        return printer.object(submitted);
    }
    if submitted.is_known {
        printer.talk().line(&format!("this job was there before and is {}", submitted.state.name()));
    }
    printer.talk().line(&hint(submitted.job));
    printer.line(submitted.job.to_string())
}

fn hint(job: JobId) -> String {
    format!("`phalanx watch {job}` shows how it goes on")
}

/// The id that the receipt must name; nothing if this phalanx cannot work it out.
fn expected(program: Vec<u8>) -> JoinHandle<Result<Option<ProgramId>>> {
    thread::spawn(move || {
        let Ok(prover) = paths::keys_directory().and_then(|keys| Prover::open(&keys)) else { return Ok(None) };
        prover.known_program_id(&program).map(Some).map_err(|fault| Error::from(&fault))
    })
}

fn check(
    fetched: &Fetched,
    expected: JoinHandle<Result<Option<ProgramId>>>,
    elf: &Path,
    printer: &Printer,
) -> Result<()> {
    let expected = expected.join().unwrap_or_else(|_| Err(Error::ours("the program's id could not be computed")))?;
    match expected {
        Some(expected) => {
            let name = elf.file_name().unwrap_or(elf.as_os_str()).to_string_lossy();
            fetched.check_program(expected, &name)
        }
        None => {
            let id = fetched.receipt.claim.program;
            let note = "this phalanx has no prover, so it cannot tell whether that is the id of the ELF";
            printer.talk().line(&format!("the receipt is a proof of program {id}; {note}"));
            Ok(())
        }
    }
}
