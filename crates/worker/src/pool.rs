//! The pool itself: threads, clock and store around the pure [`Schedule`].
//!
//! In: a job. Out: its report, after the effects of the schedule were carried out one by one on the caller's thread. Only
//! tasks run elsewhere, and they share nothing with the pool but what they own together.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_engine::{ArtifactSource, CancelToken, Engine, Event as EngineEvent, Execution, TaskError};
use phalanx_plan::TaskKey;
use phalanx_store::Store;
use rayon::ThreadPool;

use crate::{
    JobError, JobSpec, Observer, PoolConfig, PoolEvent, TaskName, TaskRecord,
    attempt::{self, Failure},
    found,
    gauge::Gauge,
    memory::Watch,
    schedule::{Effect, Event, Given, Goal, Limits, Outcome, Schedule, Start},
    threads::Ran,
    work::{self, Ended, Gate, Made, Message, StoreSource, Surroundings},
};

/// How often the pool looks whether the user wants it to end.
const CANCEL_POLL: Duration = Duration::from_millis(20);
/// How long the pool waits for tasks to stop before it leaves them behind. With the poll, under a second.
const STOP_WAIT: Duration = Duration::from_millis(800);
/// How long the first proof waits to learn if its segment is the only one, and then gets all cores.
const SETTLE_WAIT: Duration = Duration::from_millis(50);

/// A job under way.
pub struct Pool<'a> {
    schedule: Schedule<'a>,
    surroundings: Surroundings,
    messages: Receiver<Message>,
    job: &'a JobSpec,
    observer: &'a dyn Observer,
    begin: Instant,
    /// What the schedule wants done, the next first.
    todo: VecDeque<Effect>,
    running: BTreeMap<TaskName, (Start, ThreadPool)>,
    settle_at: Option<Instant>,
    execution: Option<Execution>,
    tasks: Vec<TaskRecord>,
    cpu_ms: u64,
    _watch: Watch,
}

/// What a job leaves that ended well.
pub struct Finished {
    pub outcome: Outcome,
    pub execution: Execution,
    /// In the order they ended.
    pub tasks: Vec<TaskRecord>,
    /// CPU time of all tasks, failed attempts included.
    pub cpu_ms: u64,
}

impl<'a> Pool<'a> {
    /// A pool for one job whose program and input are in the store.
    pub fn new(
        engine: &'a Arc<dyn Engine>,
        store: &Store,
        root: Option<&str>,
        (job, given, goal): (&'a JobSpec, Given, Goal),
        config: &PoolConfig,
        observer: &'a dyn Observer,
        begin: Instant,
    ) -> Result<Self, JobError> {
        let limits = Limits { slots: config.slots, cores: config.cores, ram_bytes: config.ram_bytes };
        let (schedule, first) = Schedule::new(&**engine, given, goal, limits)?;
        let (sender, messages) = mpsc::channel();
        let no_thread = |error: std::io::Error| JobError::Pool(error.to_string());
        let watch = Watch::start(config.memory, config.ram_bytes).map_err(no_thread)?;
        let surroundings = Surroundings {
            engine: engine.clone(),
            store: store.clone(),
            root: root.map(Arc::from),
            stop: CancelToken::default(),
            gate: Arc::new(Gate::default()),
            gauge: Gauge::start(config.memory.held_bytes).map_err(no_thread)?,
            messages: sender,
        };
        Ok(Self {
            schedule,
            surroundings,
            messages,
            job,
            observer,
            begin,
            todo: first.into(),
            running: BTreeMap::new(),
            settle_at: None,
            execution: None,
            tasks: Vec::new(),
            cpu_ms: 0,
            _watch: watch,
        })
    }

    /// Runs the job to its end. However it ends, tasks that still run were asked to stop, and waited for a moment.
    pub fn run(mut self, cancel: &CancelToken) -> Result<Finished, JobError> {
        let end = self.until_the_end(cancel);
        self.stop();
        let outcome = end?;
        let execution = self.execution.ok_or_else(|| JobError::Pool("the job ended without an execution".into()))?;
        Ok(Finished { outcome, execution, tasks: self.tasks, cpu_ms: self.cpu_ms })
    }

    fn until_the_end(&mut self, cancel: &CancelToken) -> Result<Outcome, JobError> {
        loop {
            let event = match self.todo.pop_front() {
                Some(Effect::End(end)) => return end,
                _ if cancel.is_cancelled() => Some(Event::Cancelled),
                Some(effect) => self.carry_out(effect)?,
                None => self.next_event()?,
            };
            let Some(event) = event else { continue };
            // What follows from an event goes before what was wanted earlier: a task starts before the next lookup.
            for effect in self.schedule.step(event).into_iter().rev() {
                self.todo.push_front(effect);
            }
            self.surroundings.gate.set(self.schedule.execution_may_go_on());
        }
    }

    /// Does what the schedule wants; returns the answer if there is one at once.
    fn carry_out(&mut self, effect: Effect) -> Result<Option<Event>, JobError> {
        match effect {
            Effect::Lookup { task, key } => return self.look_up(task, &key).map(Some),
            Effect::Start(start) => self.start(start)?,
            Effect::RestoreGiven => found::put_given(&self.surroundings.store, self.job)?,
            Effect::Settle => self.settle_at = Some(Instant::now() + SETTLE_WAIT),
            Effect::Reused { task, output, cycles } => {
                work::keep(&self.surroundings, &output)?;
                let record = TaskRecord::reused(task, output, cycles, self.millis_at(Instant::now()));
                self.observer.on(&PoolEvent::Reused(record.clone()));
                self.tasks.push(record);
            }
            Effect::Retrying { task, attempt, reason } => {
                tracing::warn!(%task, attempt, reason, "a task failed and will run again");
                self.observer.on(&PoolEvent::Failed { task, attempt, reason });
            }
            Effect::Segment { index, cycles } => self.observer.on(&PoolEvent::Segment { index, cycles }),
            Effect::Totals { cycles, segments, folds } => {
                self.observer.on(&PoolEvent::Totals { cycles, segments, folds });
            }
            // Taken care of by the loop.
            Effect::End(_) => {}
        }
        Ok(None)
    }

    fn look_up(&mut self, task: TaskName, key: &TaskKey) -> Result<Event, JobError> {
        let store = &self.surroundings.store;
        if task == TaskName::EXECUTE {
            return Ok(match found::execution(store, key)? {
                Some((output, execution)) => {
                    self.execution = Some(execution.clone());
                    Event::Executed { output, execution }
                }
                None => Event::LookedUp { task, output: None },
            });
        }
        Ok(Event::LookedUp { task, output: found::output(store, key, attempt::output_kind(task.kind))? })
    }

    fn start(&mut self, start: Start) -> Result<(), JobError> {
        self.observer.on(&PoolEvent::Started {
            task: start.task,
            slot: start.slot,
            cores: start.cores,
            attempt: start.attempt,
            predicted_peak_bytes: start.cost.peak_bytes,
        });
        let threads = work::start(self.surroundings.clone(), start.clone())
            .map_err(|error| JobError::Pool(format!("cannot start threads for {}: {error}", start.task)))?;
        self.running.insert(start.task, (start, threads));
        Ok(())
    }

    /// Waits for a message, but not longer than until the user may have cancelled or the first proofs may start.
    fn next_event(&mut self) -> Result<Option<Event>, JobError> {
        let now = Instant::now();
        if self.settle_at.is_some_and(|at| at <= now) {
            self.settle_at = None;
            return Ok(Some(Event::Settled));
        }
        let until_settled = self.settle_at.map_or(CANCEL_POLL, |at| at - now);
        match self.messages.recv_timeout(until_settled.min(CANCEL_POLL)) {
            Ok(Message::Event(EngineEvent::SegmentReady(segment))) => Ok(Some(Event::Segment(segment))),
            Ok(Message::Event(EngineEvent::Cycles(cycles))) => {
                self.observer.on(&PoolEvent::Cycles(cycles));
                Ok(None)
            }
            Ok(Message::Event(EngineEvent::GuestOutput(bytes))) => {
                self.observer.on(&PoolEvent::GuestOutput(bytes));
                Ok(None)
            }
            Ok(Message::Ended(ended)) => self.ended(ended).map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            // The pool holds a sender itself.
            Err(RecvTimeoutError::Disconnected) => Err(JobError::Pool("its own channel closed".into())),
        }
    }

    fn ended(&mut self, ended: Ended) -> Result<Event, JobError> {
        let Ended { task, ran: Ran { result, started, ended, cpu_ms, measured_peak_bytes } } = ended;
        self.cpu_ms = self.cpu_ms.saturating_add(cpu_ms);
        let Some((start, _threads)) = self.running.remove(&task) else {
            return Err(JobError::Pool(format!("{task} ended twice")));
        };
        let read = result.and_then(|made| self.read_execution(task, made));
        let (output, execution) = match read {
            Ok(read) => read,
            Err(failure) => return Ok(Event::Failed { task, failure }),
        };
        let record = TaskRecord {
            name: task,
            slot: start.slot,
            start_ms: self.millis_at(started),
            end_ms: self.millis_at(ended),
            cpu_ms,
            cores: start.cores,
            predicted_peak_bytes: start.cost.peak_bytes,
            measured_peak_bytes,
            reused: false,
            cycles: execution.as_ref().map_or(start.cycles, |execution| execution.cycles),
            attempt: start.attempt,
            output,
        };
        self.observer.on(&PoolEvent::Finished(record.clone()));
        self.tasks.push(record);
        Ok(match execution {
            Some(execution) => {
                self.execution = Some(execution.clone());
                Event::Executed { output, execution }
            }
            None => Event::Finished { task, output },
        })
    }

    /// The result of a task, and its content if it is the execution.
    fn read_execution(&self, task: TaskName, made: Made) -> Result<(Digest, Option<Execution>), Failure> {
        if task != TaskName::EXECUTE {
            return Ok((made.output, None));
        }
        let store = &self.surroundings.store;
        let bytes = match made.execution {
            Some(bytes) => bytes.into(),
            None => StoreSource(store)
                .get(&made.output, ArtifactKind::Execution)
                .map_err(|error| Failure::Verdict(TaskError::Retry(error.to_string())))?,
        };
        let execution = Execution::decode(&bytes)
            .map_err(|error| Failure::Engine(format!("made an execution that cannot be read: {error}")))?;
        Ok((made.output, Some(execution)))
    }

    /// Asks running tasks to stop and gives them a moment. Those that do not are left behind: they own what they use.
    fn stop(&mut self) {
        self.surroundings.stop.cancel();
        self.surroundings.gate.set(true);
        let until = Instant::now() + STOP_WAIT;
        while !self.running.is_empty() {
            match self.messages.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Message::Ended(ended)) => drop(self.running.remove(&ended.task)),
                Ok(Message::Event(_)) => {}
                Err(_) => break,
            }
        }
        for task in self.running.keys() {
            tracing::warn!(%task, "still runs and is left behind");
        }
    }

    fn millis_at(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.begin))
    }
}

/// Whole milliseconds; a duration that does not fit is not one of this world.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
