//! One assignment from its start to what the gateway is told of it.
//!
//! In: an assignment. Out: its result recorded at the gateway, or its failure with the verdict, or nothing if it is not this
//! worker's any more. Blocking; runs on the task's own threads and owns what it uses.

use std::{
    num::NonZeroU64,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use phalanx_api::{
    Announce, Announced, Assignment, Complete, ExecuteSpec, Fail, Held, LookUp, NewTask, Settle, TaskSpec, Totals,
    Verdict,
};
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_client::{Client, ClientError};
use phalanx_engine::{
    ArtifactSource, CancelToken, Engine, Event, Execution, Fault, SegmentEntry, SourceError, TaskError,
};
use phalanx_plan::{ExecuteParams, FoldError, Task, TaskKey};

use super::{
    FleetConfig,
    announce::{BATCH_MAX, Plan},
    artifacts::Depot,
    cut,
};
use crate::{
    JobError,
    attempt::{Attempt, Failure},
    measure,
    threads::Ran,
};

/// The gateway is told of a result for so long. Beats keep the lease meanwhile, and the result is in the store.
const TELL_MAX: Duration = Duration::from_mins(10);
/// How often a paused execution looks whether proofs have caught up.
const PAUSE: Duration = Duration::from_millis(500);

/// A task that this worker runs.
pub struct Duty {
    pub engine: Arc<dyn Engine>,
    pub config: Arc<FleetConfig>,
    pub client: Client,
    pub depot: Depot,
    pub assignment: Assignment,
    /// Set when the task is not this worker's any more, or the worker gives it back.
    pub stop: CancelToken,
    /// Instructions executed so far, for the next beat.
    pub cycles: Arc<AtomicU64>,
}

/// How a duty ended.
pub enum End {
    /// Its result is recorded.
    Recorded,
    /// It was somebody else's, or its job was over.
    Stopped,
    /// It failed, and the gateway knows.
    Failed { verdict: Verdict, reason: String },
}

impl Duty {
    /// Makes the result and puts it where the gateway finds it.
    pub fn make(&self) -> Result<Digest, Failure> {
        match self.assignment.spec {
            TaskSpec::Execute(spec) => self.execute(&spec),
            TaskSpec::Prove { .. } => self.attempt(&Task::Prove),
            TaskSpec::Fold { layer } => self.attempt(&Task::Fold { layer }),
            TaskSpec::Seal => self.attempt(&Task::Seal),
        }
    }

    /// Tells the gateway what came out.
    pub fn report(&self, ran: Ran<Digest>) -> End {
        match ran.result {
            Ok(output) => self.complete(output, ran.cpu_ms, ran.measured_peak_bytes),
            Err(_) if self.stop.is_cancelled() => End::Stopped,
            Err(failure) => self.fail(failure),
        }
    }

    fn held(&self) -> Held {
        self.assignment.held
    }

    fn complete(&self, output: Digest, cpu_ms: u64, peak_bytes: Option<u64>) -> End {
        let complete = Complete { held: self.held(), output, cpu_ms, peak_bytes };
        match self.tell(|| self.client.complete(&self.config.name, &complete)) {
            Ok(_) => End::Recorded,
            Err(error) if error.is_stale() => End::Stopped,
            // Not accepted: perhaps what was sent did not arrive whole.
            Err(error) => self.fail(Failure::Store(error.to_string())),
        }
    }

    fn fail(&self, failure: Failure) -> End {
        let (verdict, reason) = verdict(failure);
        let fail = Fail { held: self.held(), verdict, detail: reason.clone() };
        match self.tell(|| self.client.fail(&self.config.name, &fail)) {
            Err(error) if error.is_stale() => End::Stopped,
            Err(error) => {
                tracing::warn!(held = ?self.held(), %error, "the gateway could not be told of a failure; the lease runs out");
                End::Failed { verdict, reason }
            }
            Ok(_) => End::Failed { verdict, reason },
        }
    }

    /// Says something to the gateway until it answers or the task is not this worker's any more.
    fn tell<T>(&self, call: impl FnMut() -> Result<T, ClientError>) -> Result<T, ClientError> {
        let wanted = || !self.stop.is_cancelled();
        self.client.persistently_while(Instant::now() + TELL_MAX, &wanted, call)
    }

    /// The same for what must be known before the task can go on.
    fn ask<T>(&self, call: impl FnMut() -> Result<T, ClientError>) -> Result<T, Failure> {
        self.tell(call).map_err(|error| {
            if error.is_stale() {
                self.stop.cancel();
                return Failure::Verdict(TaskError::Cancelled);
            }
            Failure::Verdict(TaskError::Retry(format!("the gateway: {error}")))
        })
    }

    fn attempt(&self, task: &Task) -> Result<Digest, Failure> {
        let attempt = self.as_attempt(task);
        let artifact = attempt.run(|artifact| self.depot.put(&artifact).map(drop), |_| Ok::<_, Failure>(()), || {})?;
        self.depot.put(&artifact)
    }

    fn as_attempt<'a>(&'a self, task: &'a Task) -> Attempt<'a> {
        Attempt { engine: &*self.engine, task, inputs: &self.assignment.inputs, source: &self.depot, stop: &self.stop }
    }

    fn execute(&self, spec: &ExecuteSpec) -> Result<Digest, Failure> {
        let [program, stdin] = self.assignment.inputs[..] else {
            return Err(Failure::Engine(format!("an execution has 2 inputs, not {}", self.assignment.inputs.len())));
        };
        let params = self.params(spec, program, stdin)?;
        let key = TaskKey::new(self.engine.id(), &Task::Execute(params), &[program, stdin]);
        let mut plan = Plan::new(&*self.engine, program).map_err(impossible)?;
        if let Some((found, execution)) = self.found(&key)? {
            for entry in &execution.segments {
                self.announce(plan.segment(entry).map_err(impossible)?, None)?;
            }
            self.announce_end(&mut plan, execution.cycles)?;
            return Ok(found);
        }
        self.execute_anew(plan, params)
    }

    /// The recorded execution, if it can be read. Only the first start looks for it: later ones may be there because
    /// segments that it names are gone.
    fn found(&self, key: &TaskKey) -> Result<Option<(Digest, Execution)>, Failure> {
        if self.held().attempt > 1 {
            return Ok(None);
        }
        let found = self.ask(|| self.client.look_up(&self.config.name, &LookUp { key: key.digest() }))?;
        let Some(digest) = found.output else { return Ok(None) };
        let Ok(bytes) = self.depot.get(&digest, ArtifactKind::Execution) else { return Ok(None) };
        let execution = Execution::decode(&bytes);
        let execution =
            execution.inspect_err(|error| tracing::warn!(%digest, "a recorded execution cannot be read: {error}"));
        Ok(execution.ok().map(|execution| (digest, execution)))
    }

    fn execute_anew(&self, plan: Plan<'_>, params: ExecuteParams) -> Result<Digest, Failure> {
        let plan = Mutex::new(plan);
        let task = Task::Execute(params);
        let artifact = self.as_attempt(&task).run(
            |artifact| self.depot.put(&artifact).map(drop),
            |event| match event {
                Event::Cycles(cycles) => {
                    self.cycles.store(cycles, Ordering::Relaxed);
                    Ok(())
                }
                Event::SegmentReady(ready) => {
                    let entry = SegmentEntry { digest: ready.digest, hint: ready.hint };
                    let tasks = plan.lock().unwrap_or_else(PoisonError::into_inner).segment(&entry);
                    self.announce(tasks.map_err(impossible)?, None)
                }
                Event::GuestOutput(_) => Ok(()),
            },
            || {},
        )?;
        let mut plan = plan.into_inner().unwrap_or_else(PoisonError::into_inner);
        let execution = Execution::decode(&artifact.bytes)
            .map_err(|error| Failure::Engine(format!("made an execution that cannot be read: {error}")))?;
        if execution.segments.len() != plan.segments() as usize {
            let (told, listed) = (plan.segments(), execution.segments.len());
            return Err(Failure::Engine(format!("announced {told} segments but lists {listed}")));
        }
        let output = self.depot.put(&artifact)?;
        self.announce_end(&mut plan, execution.cycles)?;
        Ok(output)
    }

    /// Where segments end: as was chosen at an earlier start, or now.
    fn params(&self, spec: &ExecuteSpec, program: Digest, stdin: Digest) -> Result<ExecuteParams, Failure> {
        if let Some(params) = spec.params() {
            return Ok(params);
        }
        let cycles = match spec.segment_cycles {
            Some(_) => None,
            None => self.count(spec, program, stdin)?,
        };
        let resident_bytes = self.engine.resident_bytes();
        let cut = cut::choose(&self.config, resident_bytes, self.assignment.fleet, spec, cycles)
            .map_err(|reason| Failure::Verdict(TaskError::FailJob(Fault::BadArtifact { what: "the job", reason })))?;
        let settle = Settle { held: self.held(), cut };
        let settled = self.ask(|| self.client.settle(&self.config.name, &settle))?;
        let spec = ExecuteSpec { cut: Some(settled.cut), ..*spec };
        spec.params().ok_or_else(|| Failure::Engine("the cut was settled and is not there".into()))
    }

    /// How many cycles the execution has, counted by running it.
    fn count(&self, spec: &ExecuteSpec, program: Digest, stdin: Digest) -> Result<Option<u64>, Failure> {
        let read = |digest, kind| self.depot.get(&digest, kind).map_err(|error| Failure::Verdict(error.into()));
        let (program, stdin) = (read(program, ArtifactKind::Program)?, read(stdin, ArtifactKind::Stdin)?);
        let cycles_max = NonZeroU64::new(spec.cycles_max).unwrap_or(NonZeroU64::MIN);
        let given = measure::Given { program: &program, stdin: &stdin };
        measure::cycles(&*self.engine, given, cycles_max, &|_| {}, &self.stop).map_err(|error| match error {
            JobError::Fault { fault, .. } => Failure::Verdict(TaskError::FailJob(fault)),
            JobError::Cancelled => Failure::Verdict(TaskError::Cancelled),
            error => Failure::Verdict(TaskError::Retry(error.to_string())),
        })
    }

    fn announce_end(&self, plan: &mut Plan<'_>, cycles: u64) -> Result<(), Failure> {
        let tasks = plan.end().map_err(impossible)?;
        self.announce(tasks, Some(Totals { cycles, segments: u64::from(plan.segments()) }))
    }

    /// Announces tasks, and waits while too many proofs are outstanding, unless there is nothing more to come.
    fn announce(&self, tasks: Vec<NewTask>, totals: Option<Totals>) -> Result<(), Failure> {
        let mut batches: Vec<Vec<NewTask>> = tasks.chunks(BATCH_MAX).map(<[NewTask]>::to_vec).collect();
        if batches.is_empty() {
            batches.push(Vec::new());
        }
        let last = batches.len() - 1;
        for (at, tasks) in batches.into_iter().enumerate() {
            let totals = totals.filter(|_| at == last);
            let mut announced = self.say(Announce { held: self.held(), tasks, totals })?;
            while totals.is_none() && announced.outstanding > announced.outstanding_max {
                if self.stop.is_cancelled() {
                    return Err(Failure::Verdict(TaskError::Cancelled));
                }
                thread::sleep(PAUSE);
                announced = self.say(Announce { held: self.held(), tasks: Vec::new(), totals: None })?;
            }
        }
        Ok(())
    }

    fn say(&self, announce: Announce) -> Result<Announced, Failure> {
        self.ask(|| self.client.announce(&self.config.name, &announce))
    }
}

fn impossible(error: FoldError) -> Failure {
    Failure::Verdict(TaskError::FailJob(Fault::BadArtifact { what: "execution", reason: error.to_string() }))
}

/// What the queue is to do about a failure, and the text for people.
fn verdict(failure: Failure) -> (Verdict, String) {
    let error = match failure {
        Failure::Engine(reason) => return (Verdict::Retry, format!("the engine {reason}")),
        Failure::Store(reason) => return (Verdict::Retry, reason),
        Failure::Verdict(error) => error,
    };
    let verdict = match &error {
        TaskError::Retry(_) | TaskError::Cancelled | TaskError::Source(SourceError::Failed { .. }) => Verdict::Retry,
        TaskError::RetryElsewhere(_) => Verdict::BadProof,
        TaskError::Source(SourceError::Missing { digest, .. }) => Verdict::InputLost { digest: *digest },
        TaskError::FailJob(_) => Verdict::FailJob,
    };
    (verdict, error.to_string())
}
