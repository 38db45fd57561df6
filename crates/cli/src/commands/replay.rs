//! `phalanx replay`: runs one task of a job here, once, from the artifacts that it had there.
//!
//! For whoever wants to know why a task failed or took long. Changes nothing at the gateway. Needs the token of a worker or an
//! admin: only they may read segments.

use std::time::{Duration, Instant};

use anyhow::Context;
use phalanx_api::{JobId, JobView, TaskId, TaskView};
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_client::Client;
use phalanx_engine::{ArtifactSource, Execution, Inputs, RunContext, SourceError};
use phalanx_plan::{ExecuteParams, Position, SizingRequest, Task};
use serde::Serialize;

use super::job::{Limits, open_store, unsizable};
use crate::{
    engine::Prover,
    error::{Error, Result},
    follow::all_tasks,
    interrupt,
    job_lines::JobOrTask,
    paths::{self, StoreArg},
    printer::Printer,
    progress::row,
    remote_source::RemoteSource,
    server::{ServerArgs, patiently},
    text::short,
};

/// Stack of a thread that proves, as workers have it; only reserved, not touched.
const STACK_BYTES: usize = 16 << 20;
/// An execution that nobody limits ends here.
const CYCLES_MAX: u64 = 10_000_000_000;

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The task, such as 0199…/prove-7
    #[arg(value_name = "JOB/TASK")]
    what: JobOrTask,

    #[command(flatten)]
    store: StoreArg,

    #[command(flatten)]
    server: ServerArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Replayed {
    job: JobId,
    task: TaskId,
    fetch_ms: u64,
    run_ms: u64,
    output: Digest,
    output_bytes: u64,
    /// What the worker made.
    recorded_output: Option<Digest>,
    /// Absent for executions, which are cut for the machine, and for tasks that made nothing.
    is_same: Option<bool>,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let JobOrTask { job, task: Some(id) } = args.what else {
        return Err(Error::input("no task is named").hint("a task is named JOB/TASK, such as 0199…/prove-7"));
    };
    let prover = Prover::open(&paths::keys_directory()?)?;
    let store = open_store(&args.store.directory()?)?;
    let client = args.server.client()?;
    let view = patiently(&client, || client.job(job))?;
    let tasks = patiently(&client, || all_tasks(&client, job))?;
    let known = Known { job: &view, tasks: &tasks, client: &client };
    let source = RemoteSource { client: &client, store: &store };

    let begin = Instant::now();
    let task = known.task(id, &prover)?;
    let inputs = known.inputs(id, &source)?;
    // What else the task names is fetched while it runs; its inputs are there before its time is taken.
    for (digest, kind) in &inputs {
        source.get(digest, *kind).map_err(|error| unfetched(&error))?;
    }
    let fetched = begin.elapsed();
    printer.talk().line(&row("fetched", &format!("{} inputs", inputs.len()), Some(fetched), ""));

    let cancel = interrupt::token(printer.talk())?;
    let digests: Vec<Digest> = inputs.into_iter().map(|(digest, _)| digest).collect();
    let inputs = Inputs { digests: &digests, source: &source };
    let context = RunContext { sink: &source, cancel: &cancel, events: &|_| {} };
    let engine = prover.engine();
    let threads = rayon::ThreadPoolBuilder::new().stack_size(STACK_BYTES).build().context("cannot start threads")?;
    let begin = Instant::now();
    let artifact = threads.install(|| engine.run(&task, &inputs, &context));
    let ran = begin.elapsed();
    let artifact =
        artifact.map_err(|error| Error::from(&error).fact("task", id).fact("after", crate::text::duration(ran)))?;

    let recorded_output = known.view(id)?.output;
    let output = artifact.digest();
    let is_same = recorded_output.filter(|_| !matches!(task, Task::Execute(_))).map(|recorded| recorded == output);
    let note = match is_same {
        Some(true) => "the result that is recorded",
        Some(false) => "NOT the result that is recorded",
        None => "",
    };
    printer.talk().line(&row("ran", &id.to_string(), Some(ran), note));
    if printer.is_json() {
        let [fetch_ms, run_ms] = [fetched, ran].map(millis);
        let output_bytes = artifact.bytes.len() as u64;
        return printer.object(&Replayed {
            job,
            task: id,
            fetch_ms,
            run_ms,
            output,
            output_bytes,
            recorded_output,
            is_same,
        });
    }
    printer.line(output.to_string())
}

/// A job as the gateway shows it.
struct Known<'a> {
    job: &'a JobView,
    tasks: &'a [TaskView],
    client: &'a Client,
}

impl Known<'_> {
    fn view(&self, id: TaskId) -> Result<&TaskView> {
        self.tasks.iter().find(|task| task.task == id).ok_or_else(|| {
            Error::input(format!("job {} has no task {id}", self.job.job))
                .hint(format!("`phalanx status {} -v` lists its tasks", self.job.job))
        })
    }

    fn output(&self, id: TaskId) -> Result<Digest> {
        let missing = || Error::input(format!("{id} has no result yet, and the task needs it"));
        self.view(id)?.output.ok_or_else(missing)
    }

    /// What is to be run. Where an execution was cut there is not known here, so it is cut for this machine.
    fn task(&self, id: TaskId, prover: &Prover) -> Result<Task> {
        self.view(id)?;
        Ok(match id.0 {
            Position::Execute => {
                let machine = Limits::default().machine()?;
                let request = SizingRequest {
                    ram_bytes: machine.ram_bytes,
                    cores: u32::try_from(machine.cores).unwrap_or(u32::MAX),
                    cycles: self.job.cycles,
                    segment_cycles: None,
                    slots: None,
                };
                let sizing = prover.sizing(&request).map_err(|error| unsizable(&error))?;
                Task::Execute(ExecuteParams {
                    segment_cycles_max: sizing.segment_cycles_max,
                    segment_bytes_max: sizing.segment_bytes_max,
                    cycles_max: CYCLES_MAX,
                })
            }
            Position::Prove { .. } => Task::Prove,
            Position::Fold { layer, .. } => Task::Fold { layer },
            Position::Seal => Task::Seal,
        })
    }

    fn inputs(&self, id: TaskId, source: &RemoteSource<'_>) -> Result<Vec<(Digest, ArtifactKind)>> {
        let program = (self.job.program, ArtifactKind::Program);
        let proofs = || {
            let children = self.view(id)?.children.iter().filter(|child| child.0 != Position::Execute);
            children.map(|child| Ok((self.output(*child)?, ArtifactKind::Proof))).collect::<Result<Vec<_>>>()
        };
        match id.0 {
            Position::Execute => Ok(vec![program, (self.job.input, ArtifactKind::Stdin)]),
            Position::Prove { index } => {
                let execution = self.output(TaskId(Position::Execute))?;
                let bytes = source.get(&execution, ArtifactKind::Execution).map_err(|error| unfetched(&error))?;
                let execution = Execution::decode(&bytes)
                    .map_err(|error| Error::ours(format!("{} sent no execution: {error}", self.client.server())))?;
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                let segment = execution.segments.get(index).map(|segment| segment.digest);
                let segment = segment.ok_or_else(|| Error::ours(format!("the execution has no segment for {id}")))?;
                Ok(vec![program, (segment, ArtifactKind::Segment)])
            }
            Position::Fold { .. } => proofs(),
            Position::Seal => {
                let execution = self.output(TaskId(Position::Execute))?;
                Ok([vec![program, (execution, ArtifactKind::Execution)], proofs()?].concat())
            }
        }
    }
}

fn unfetched(error: &SourceError) -> Error {
    match error {
        SourceError::Missing { digest, kind } => {
            Error::input(format!("the service no longer has {kind} {}", short(&digest.to_string())))
                .hint("artifacts of a job that is over are removed in time")
        }
        SourceError::Failed { .. } => Error::ours(error.to_string()),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
