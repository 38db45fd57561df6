//! What to do next: the pure core of the pool.
//!
//! In: one [`Event`] after another. Out: [`Effect`]s for the shell to carry out. No thread, clock or file, so seeded random
//! histories test it; of the engine it asks only names and costs, it never runs it.

mod admit;
mod node;
mod rewind;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use phalanx_claim::Digest;
use phalanx_engine::{Cost, CostHint, Engine, Execution, SegmentEntry, SegmentReady};
use phalanx_plan::{Budget, ExecuteParams, FoldNode, FoldPlanner, Position, Task, TaskKey, TaskKind};

use self::node::{Known, Node, Running, Segment, State};
use crate::{JobError, TaskName, attempt::Failure};

/// A task that failed by itself is started this many times at most.
pub const ATTEMPTS_MAX: u32 = 3;
/// A task whose fresh proof did not verify is started this many times on this machine at most.
pub const BAD_PROOFS_MAX: u32 = 2;
/// An input that is gone or corrupt is made again for a task this many times at most.
pub const REWINDS_MAX: u32 = 3;
/// The execution pauses while this many segments wait for their proof; their artifacts lie on disk.
pub const UNPROVEN_SEGMENTS_MAX: usize = 1024;

/// What the job is made of, by name.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    pub program: Digest,
    pub stdin: Digest,
    pub execute: ExecuteParams,
}

/// What the job may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub slots: usize,
    pub cores: usize,
    pub ram_bytes: u64,
}

/// What the job is to leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goal {
    /// Only an execution, run in any case: the user wants to see it.
    Execution,
    /// A receipt.
    Receipt,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The answer to [`Effect::Lookup`]: the recorded result if it is there and intact. A found execution is answered by
    /// [`Event::Executed`] instead.
    LookedUp { task: TaskName, output: Option<Digest> },
    /// The running execution cut a segment.
    Segment(SegmentReady),
    /// The execution is there, run or found.
    Executed { output: Digest, execution: Execution },
    /// Another task than the execution ran, and its result is recorded.
    Finished { task: TaskName, output: Digest },
    /// A task ran and failed.
    Failed { task: TaskName, failure: Failure },
    /// The answer to [`Effect::Settle`].
    Settled,
    /// The user wants it to end.
    Cancelled,
}

/// What the shell is to do.
#[derive(Debug)]
pub enum Effect {
    /// Ask the store for the result of a task.
    Lookup { task: TaskName, key: TaskKey },
    /// Run a task.
    Start(Start),
    /// Put the program and the input into the store again.
    RestoreGiven,
    /// Wait a moment, then say [`Event::Settled`].
    Settle,
    /// Tell the observer that a result was found.
    Reused { task: TaskName, output: Digest, cycles: u64 },
    /// Tell the observer that a task will run again.
    Retrying { task: TaskName, attempt: u32, reason: String },
    /// Tell the observer of a segment.
    Segment { index: u32, cycles: u64 },
    /// Tell the observer how much there is to do.
    Totals { cycles: u64, segments: u32, folds: u32 },
    /// The job is over. No effect follows.
    End(Result<Outcome, JobError>),
}

/// A task to run.
#[derive(Clone, Debug)]
pub struct Start {
    pub task: TaskName,
    pub work: Task,
    pub inputs: Vec<Digest>,
    pub key: TaskKey,
    pub slot: usize,
    pub cores: usize,
    pub attempt: u32,
    pub cost: Cost,
    pub cycles: u64,
}

/// What a finished job leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub execution: Digest,
    /// There unless only the execution was wanted.
    pub receipt: Option<Digest>,
}

/// Whether the first proofs wait a moment to learn if theirs is the only segment, which then gets all cores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Settling {
    NotAsked,
    Asked,
    Over,
}

/// The state of a job.
pub struct Schedule<'a> {
    engine: &'a dyn Engine,
    given: Given,
    goal: Goal,
    limits: Limits,
    /// What the limits leave beside the engine's keys.
    budget: Budget,
    nodes: BTreeMap<TaskName, Node>,
    /// Which fold takes the result of a task, as far as planned; the seal takes the last one's.
    parents: BTreeMap<TaskName, TaskName>,
    /// In the order in which they start.
    ready: BTreeSet<Position>,
    running: BTreeMap<TaskName, Running>,
    /// How many lookups are not answered yet.
    looking: usize,
    segments: Vec<Segment>,
    proven: usize,
    folds: FoldPlanner,
    /// The execution as it was first seen; every later one must be the same.
    executed: Option<Digest>,
    settling: Settling,
    over: bool,
}

impl<'a> Schedule<'a> {
    /// A job that has not begun, and what to do first.
    pub fn new(
        engine: &'a dyn Engine,
        given: Given,
        goal: Goal,
        limits: Limits,
    ) -> Result<(Self, Vec<Effect>), JobError> {
        let mut schedule = Self {
            engine,
            given,
            goal,
            limits,
            budget: Budget::beside(limits.ram_bytes, engine.resident_bytes()),
            nodes: BTreeMap::new(),
            parents: BTreeMap::new(),
            ready: BTreeSet::new(),
            running: BTreeMap::new(),
            looking: 0,
            segments: Vec::new(),
            proven: 0,
            folds: FoldPlanner::new(engine.fold_shape().clone())?,
            executed: None,
            settling: Settling::NotAsked,
            over: false,
        };
        let mut effects = Vec::new();
        let must_run = goal == Goal::Execution;
        schedule.nodes.insert(TaskName::EXECUTE, Node { must_run, ..Node::new(Vec::new(), CostHint::default()) });
        schedule.wake(TaskName::EXECUTE, &mut effects);
        schedule.admit(&mut effects)?;
        Ok((schedule, effects))
    }

    /// Takes one event. After [`Effect::End`] nothing has an effect any more.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !self.over {
            let taken = self.take(event, &mut effects).and_then(|()| match self.outcome() {
                Some(outcome) => Ok(Some(outcome)),
                None => self.admit(&mut effects).map(|()| None),
            });
            let end = taken.transpose();
            self.over = end.is_some();
            effects.extend(end.map(Effect::End));
        }
        effects
    }

    /// Whether a running execution may go on, or should wait for proofs to catch up. It never waits for a proof that in
    /// turn could wait for the execution's memory.
    pub fn execution_may_go_on(&self) -> bool {
        let proving = self.running.keys().any(|task| *task != TaskName::EXECUTE);
        self.over || !proving || self.segments.len() - self.proven < UNPROVEN_SEGMENTS_MAX
    }

    fn take(&mut self, event: Event, effects: &mut Vec<Effect>) -> Result<(), JobError> {
        match event {
            Event::LookedUp { task, output } => self.looked_up(task, output, effects),
            Event::Segment(segment) => self.segment(segment, effects),
            Event::Executed { output, execution } => self.executed(output, &execution, effects),
            Event::Finished { task, output } => {
                self.running.remove(&task);
                self.done(task, output, effects)
            }
            Event::Failed { task, failure } => self.failed(task, failure, effects),
            Event::Settled => {
                self.settling = Settling::Over;
                Ok(())
            }
            Event::Cancelled => Err(JobError::Cancelled),
        }
    }

    fn looked_up(&mut self, task: TaskName, output: Option<Digest>, effects: &mut Vec<Effect>) -> Result<(), JobError> {
        let Some(node) = self.nodes.get_mut(&task) else { return Ok(()) };
        let State::Looking(known) = &node.state else { return Ok(()) };
        self.looking -= 1;
        match output {
            Some(output) => {
                effects.push(Effect::Reused { task, output, cycles: node.hint.cycles });
                self.done(task, output, effects)
            }
            None => {
                node.state = State::Ready(known.clone());
                self.ready.insert(task.position());
                Ok(())
            }
        }
    }

    fn segment(&mut self, segment: SegmentReady, effects: &mut Vec<Effect>) -> Result<(), JobError> {
        if self.settling == Settling::NotAsked && self.running.contains_key(&TaskName::EXECUTE) {
            self.settling = Settling::Asked;
            effects.push(Effect::Settle);
        }
        self.see_segment(segment.index, SegmentEntry { digest: segment.digest, hint: segment.hint }, effects)
    }

    /// A segment was announced, for the first time or again.
    fn see_segment(&mut self, index: u32, entry: SegmentEntry, effects: &mut Vec<Effect>) -> Result<(), JobError> {
        let (at, known) = (index as usize, self.segments.len());
        let task = TaskName::prove(index);
        match self.segments.get_mut(at) {
            Some(seen) if seen.digest == entry.digest => {
                seen.here = true;
                self.wake(task, effects);
            }
            Some(seen) => {
                let reason =
                    format!("is not deterministic: segment {index} was {}, now it is {}", seen.digest, entry.digest);
                return Err(engine_broke(TaskName::EXECUTE, reason));
            }
            None if at == known && self.executed.is_none() => {
                self.segments.push(Segment { digest: entry.digest, here: true });
                effects.push(Effect::Segment { index, cycles: entry.hint.cycles });
                if self.goal == Goal::Receipt {
                    self.add(task, Vec::new(), entry.hint, effects);
                }
            }
            None => {
                let reason = format!("announced segment {index} after {known} segments");
                return Err(engine_broke(TaskName::EXECUTE, reason));
            }
        }
        Ok(())
    }

    fn executed(&mut self, output: Digest, execution: &Execution, effects: &mut Vec<Effect>) -> Result<(), JobError> {
        let task = TaskName::EXECUTE;
        let was_found = matches!(self.nodes.get(&task).map(|node| &node.state), Some(State::Looking(_)));
        if was_found {
            self.looking -= 1;
            effects.push(Effect::Reused { task, output, cycles: execution.cycles });
        }
        self.running.remove(&task);
        self.settling = Settling::Over;
        if let Some(before) = self.executed.filter(|before| *before != output) {
            return Err(engine_broke(
                task,
                format!("is not deterministic: the execution was {before}, now it is {output}"),
            ));
        }
        for (index, entry) in (0..).zip(&execution.segments) {
            self.see_segment(index, *entry, effects)?;
        }
        if self.segments.len() != execution.segments.len() {
            let reason = format!("announced {} segments but lists {}", self.segments.len(), execution.segments.len());
            return Err(engine_broke(task, reason));
        }
        if self.executed.is_none() {
            self.executed = Some(output);
            let segments = u32::try_from(self.segments.len()).unwrap_or(u32::MAX);
            self.folds.segments_total(segments)?;
            let folds = self.folds.folds().unwrap_or(0);
            effects.push(Effect::Totals { cycles: execution.cycles, segments, folds });
        }
        self.done(task, output, effects)
    }

    /// Adds a task and looks its result up as soon as its inputs are known.
    fn add(&mut self, task: TaskName, children: Vec<TaskName>, hint: CostHint, effects: &mut Vec<Effect>) {
        self.parents.extend(children.iter().map(|child| (*child, task)));
        self.nodes.insert(task, Node::new(children, hint));
        self.wake(task, effects);
    }

    /// Moves a waiting task on if its inputs are there.
    fn wake(&mut self, task: TaskName, effects: &mut Vec<Effect>) {
        if !self.nodes.get(&task).is_some_and(|node| matches!(node.state, State::Waiting)) {
            return;
        }
        let Some(inputs) = self.inputs(task) else { return };
        let key = TaskKey::new(self.engine.id(), &task.task(self.given.execute), &inputs);
        let Some(node) = self.nodes.get_mut(&task) else { return };
        let known = Known { inputs, key };
        if node.must_run {
            node.state = State::Ready(known);
            self.ready.insert(task.position());
        } else {
            node.state = State::Looking(known);
            self.looking += 1;
            effects.push(Effect::Lookup { task, key });
        }
    }

    /// The digests of a task's inputs, once all are there.
    fn inputs(&self, task: TaskName) -> Option<Vec<Digest>> {
        let program = self.given.program;
        let children = || self.nodes.get(&task)?.children.iter().map(|child| self.output(*child)).collect();
        match task.kind {
            TaskKind::Execute => Some(vec![program, self.given.stdin]),
            TaskKind::Prove => {
                let segment = self.segments.get(task.index as usize).filter(|segment| segment.here)?;
                Some(vec![program, segment.digest])
            }
            TaskKind::Fold => children(),
            TaskKind::Seal => {
                let root: Vec<Digest> = children()?;
                Some([program, self.output(TaskName::EXECUTE)?].into_iter().chain(root).collect())
            }
        }
    }

    /// The result of a task, if it is there.
    fn output(&self, task: TaskName) -> Option<Digest> {
        match self.nodes.get(&task)?.state {
            State::Done(output) => Some(output),
            _ => None,
        }
    }

    /// A task has its result: whoever waits for it wakes.
    fn done(&mut self, task: TaskName, output: Digest, effects: &mut Vec<Effect>) -> Result<(), JobError> {
        let Some(node) = self.nodes.get_mut(&task) else { return Ok(()) };
        node.state = State::Done(output);
        node.must_run = false;
        if !std::mem::replace(&mut node.planned, true) {
            match task.kind {
                TaskKind::Prove => self.folds.segment_done(task.index)?,
                TaskKind::Fold => self.folds.fold_done(task.layer, task.index)?,
                TaskKind::Execute | TaskKind::Seal => {}
            }
        }
        self.proven += usize::from(task.kind == TaskKind::Prove);
        if let Some(parent) = self.parents.get(&task).copied() {
            self.wake(parent, effects);
        }
        if task == TaskName::EXECUTE {
            self.wake(TaskName::SEAL, effects);
        }
        self.plan_folds(effects);
        Ok(())
    }

    /// Adds the folds whose children are all there for the first time, and the seal after the last one.
    fn plan_folds(&mut self, effects: &mut Vec<Effect>) {
        while let Some(FoldNode { layer, index, children }) = self.folds.next_ready() {
            let child = |index| match layer.checked_sub(1) {
                None => TaskName::prove(index),
                Some(below) => TaskName::fold(below, index),
            };
            let tasks: Vec<TaskName> = children.clone().map(child).collect();
            // Numbers of a stored execution are whatever somebody stored.
            let columns = tasks.iter().filter_map(|task| self.nodes.get(task)).map(|node| node.hint.columns);
            let columns = columns.fold(0, u64::saturating_add);
            let hint = CostHint { children: children.end - children.start, columns, ..CostHint::default() };
            self.add(TaskName::fold(layer, index), tasks, hint, effects);
        }
        if let Some(layer) = self.folds.root_layer().filter(|_| self.folds.is_complete())
            && !self.nodes.contains_key(&TaskName::SEAL)
        {
            self.add(TaskName::SEAL, vec![TaskName::fold(layer, 0)], CostHint::default(), effects);
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        let execution = self.executed?;
        match self.goal {
            Goal::Execution => Some(Outcome { execution, receipt: None }),
            Goal::Receipt => Some(Outcome { execution, receipt: Some(self.output(TaskName::SEAL)?) }),
        }
    }
}

fn engine_broke(task: TaskName, reason: String) -> JobError {
    JobError::Engine { task, reason }
}
