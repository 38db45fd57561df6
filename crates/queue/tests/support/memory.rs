//! A queue in memory around the same state machine: what the databases must do, without SQL.

use std::collections::BTreeMap;

use phalanx_api::{Held, Input, JobState, NewTask, TaskId, TaskState, Verdict};
use phalanx_claim::Digest;
use phalanx_plan::Position;
use phalanx_queue::{
    ELSEWHERE_MS, NewJob, Refusal, STRIKES_MAX,
    task::{Effect, Event, Fence, Outcome, Task},
};

/// A start that its worker does not name so long after it began is taken back.
const UNNAMED_MS: u64 = 10_000;

/// A job in memory.
#[derive(Clone, Debug)]
pub struct Job {
    pub state: JobState,
    pub priority: i32,
    pub created_ms: u64,
    pub deadline_ms: Option<u64>,
    pub output: Option<Digest>,
    pub failed_task: Option<Position>,
    pub tasks: BTreeMap<Position, Entry>,
}

/// A task in memory.
#[derive(Clone, Debug)]
pub struct Entry {
    pub task: Task,
    pub inputs: Vec<Input>,
    pub started_ms: u64,
    /// How many results it has lost.
    pub lost: usize,
    /// Every start that is over: attempt, worker, outcome, when.
    pub ended: Vec<(u32, String, Outcome, u64)>,
}

/// A queue in memory; jobs are named by their place.
#[derive(Clone, Default, Debug)]
pub struct Memory {
    pub jobs: Vec<Job>,
    pub now_ms: u64,
    /// Bad proofs of each worker.
    pub strikes: BTreeMap<String, u32>,
}

/// A task that was given out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    pub job: usize,
    pub position: Position,
    pub fence: Fence,
    pub inputs: Vec<Digest>,
}

impl Memory {
    pub fn submit(&mut self, job: &NewJob) -> usize {
        let inputs = [job.program, job.input].map(|digest| Input::Artifact { digest });
        let execution =
            Entry { task: Task::new(0, false), inputs: inputs.to_vec(), started_ms: 0, lost: 0, ended: Vec::new() };
        self.jobs.push(Job {
            state: JobState::Queued,
            priority: job.priority,
            created_ms: self.now_ms,
            deadline_ms: job.deadline_after_ms.map(|after_ms| self.now_ms + after_ms),
            output: None,
            failed_task: None,
            tasks: BTreeMap::from([(Position::Execute, execution)]),
        });
        self.jobs.len() - 1
    }

    fn add(&mut self, job: usize, task: &NewTask) {
        let tasks = &mut self.jobs[job].tasks;
        let position = task.task.0;
        let undone = children(&task.inputs).iter().filter(|child| tasks[child].task.state != TaskState::Done).count();
        let new = Task::new(undone as u32, position == Position::Seal);
        let entry = Entry { task: new, inputs: task.inputs.clone(), started_ms: 0, lost: 0, ended: Vec::new() };
        tasks.entry(position).or_insert(entry);
    }

    pub fn announce(&mut self, job: usize, by: Position, fence: &Fence, tasks: &[NewTask]) -> Result<(), Refusal> {
        self.step(job, by, Event::Beat(fence.clone()))?;
        tasks.iter().for_each(|task| self.add(job, task));
        Ok(())
    }

    /// One step of a task and what follows.
    pub fn step(&mut self, job: usize, position: Position, event: Event) -> Result<(), Refusal> {
        let now_ms = self.now_ms;
        let entry = self.jobs[job].tasks.get_mut(&position).unwrap();
        let (next, effects) = entry.task.step(event, now_ms)?;
        entry.task = next;
        for effect in effects {
            match effect {
                Effect::Ended { worker, attempt, outcome, .. } => {
                    let entry = self.jobs[job].tasks.get_mut(&position).unwrap();
                    entry.ended.push((attempt, worker, outcome, now_ms));
                }
                Effect::Forgotten => self.jobs[job].tasks.get_mut(&position).unwrap().lost += 1,
                Effect::WakeParents => self.tell_parents(job, position, &Event::ChildDone),
                Effect::HoldParents => self.tell_parents(job, position, &Event::ChildLost),
                Effect::JobDone(output) => self.end(job, JobState::Done, None, Some(output)),
                Effect::JobFailed(_) => self.end(job, JobState::Failed, Some(position), None),
                Effect::BecameReady => {}
            }
        }
        Ok(())
    }

    fn tell_parents(&mut self, job: usize, child: Position, event: &Event) {
        let takes = |(_, entry): &(&Position, &Entry)| children(&entry.inputs).contains(&child);
        let parents: Vec<Position> = self.jobs[job].tasks.iter().filter(takes).map(|(at, _)| *at).collect();
        for parent in parents {
            self.step(job, parent, event.clone()).unwrap();
        }
    }

    pub fn end(&mut self, at: usize, state: JobState, failed_task: Option<Position>, output: Option<Digest>) {
        let job = &mut self.jobs[at];
        if job.state.is_over() {
            return;
        }
        (job.state, job.failed_task, job.output) = (state, failed_task, output);
        let positions: Vec<Position> = job.tasks.keys().copied().collect();
        for position in positions {
            // Those that are over refuse.
            let _ = self.step(at, position, Event::JobEnded);
        }
    }

    /// Whether a worker gets no more tasks.
    pub fn is_quarantined(&self, worker: &str) -> bool {
        self.strikes.get(worker).is_some_and(|strikes| *strikes >= STRIKES_MAX)
    }

    pub fn claim(&mut self, worker: &str) -> Option<Given> {
        if self.is_quarantined(worker) {
            return None;
        }
        let mut candidates = Vec::new();
        for (at, job) in self.jobs.iter().enumerate() {
            for (position, entry) in &job.tasks {
                let was_bad = |ended: &(u32, String, Outcome, u64)| {
                    ended.2 == Outcome::BadProof && ended.1 == worker && ended.3 + ELSEWHERE_MS > self.now_ms
                };
                let is_free = entry.task.state == TaskState::Ready && entry.task.run_after_ms <= self.now_ms;
                if is_free && !entry.ended.iter().any(was_bad) {
                    // Positions order within a job by layer first; across jobs the place comes last.
                    let (rank, place) = match *position {
                        Position::Seal => ((0, 0), 0),
                        Position::Fold { layer, index } => ((1, u32::MAX - layer), index),
                        Position::Execute => ((2, 0), 0),
                        Position::Prove { index } => ((3, 0), index),
                    };
                    let step = if rank.0 == 3 { u64::from(place) } else { 0 };
                    let due_ms = job.created_ms + 1_000 * step;
                    candidates.push((-job.priority, rank, due_ms, at, place, *position));
                }
            }
        }
        let (_, _, _, job, _, position) = candidates.into_iter().min()?;
        self.step(job, position, Event::Claimed { worker: worker.to_owned() }).unwrap();
        if position == Position::Execute && self.jobs[job].state == JobState::Queued {
            self.jobs[job].state = JobState::Running;
        }
        let now_ms = self.now_ms;
        self.jobs[job].tasks.get_mut(&position).unwrap().started_ms = now_ms;
        let tasks = &self.jobs[job].tasks;
        let entry = &tasks[&position];
        let resolved = |input: &Input| match input {
            Input::Artifact { digest } => *digest,
            Input::Result { task } => tasks[&task.0].task.output.unwrap(),
        };
        Some(Given {
            job,
            position,
            fence: Fence { worker: worker.to_owned(), attempt: entry.task.attempt },
            inputs: entry.inputs.iter().map(resolved).collect(),
        })
    }

    /// What a worker says of a start that failed.
    pub fn fail(&mut self, given: &Given, verdict: Verdict, detail: &str) -> Result<(), Refusal> {
        let (fence, detail) = (given.fence.clone(), detail.to_owned());
        if let Verdict::InputLost { digest } = verdict {
            return self.input_lost(given, digest, detail);
        }
        self.step(given.job, given.position, Event::Failed { fence, verdict, detail })?;
        if verdict == Verdict::BadProof {
            *self.strikes.entry(given.fence.worker.clone()).or_default() += 1;
        }
        Ok(())
    }

    fn input_lost(&mut self, given: &Given, digest: Digest, detail: String) -> Result<(), Refusal> {
        let (job, position, fence) = (given.job, given.position, given.fence.clone());
        let tasks = &self.jobs[job].tasks;
        let entry = &tasks[&position];
        entry.task.step(Event::Beat(fence.clone()), self.now_ms)?;
        let made = |child: &Position| tasks[child].task.output == Some(digest);
        let makers: Vec<Position> =
            if position != Position::Execute && entry.inputs.contains(&Input::Artifact { digest }) {
                vec![Position::Execute]
            } else {
                children(&entry.inputs).into_iter().filter(made).collect()
            };
        let is_made_again = entry.task.waiting_on > 0 || !makers.is_empty();
        if entry.task.waiting_on == 0 {
            for maker in makers {
                // One that makes it already refuses.
                let _ = self.step(job, maker, Event::ResultLost);
            }
        }
        if !is_made_again {
            let verdict = Verdict::InputLost { digest };
            return self.step(job, position, Event::Failed { fence, verdict, detail });
        }
        // If the job ended by it, this start did, too.
        let _ = self.step(job, position, Event::InputLost { fence, detail });
        Ok(())
    }

    /// A worker names what it runs. Gives which starts are over.
    pub fn beat(&mut self, worker: &str, named: &[Given]) -> Vec<Given> {
        let mut stop = Vec::new();
        for given in named {
            if self.step(given.job, given.position, Event::Beat(given.fence.clone())).is_err() {
                stop.push(given.clone());
            }
        }
        let is_forgotten = |job: usize, position: Position, entry: &Entry, now_ms: u64| {
            let is_named = named
                .iter()
                .any(|given| (given.job, given.position, given.fence.attempt) == (job, position, entry.task.attempt));
            !is_named && entry.started_ms + UNNAMED_MS <= now_ms
        };
        let now_ms = self.now_ms;
        self.release_where(worker, |job, position, entry| is_forgotten(job, position, entry, now_ms));
        stop
    }

    /// A worker comes as another process.
    pub fn restart(&mut self, worker: &str) {
        self.release_where(worker, |_, _, _| true);
    }

    fn release_where(&mut self, worker: &str, is_meant: impl Fn(usize, Position, &Entry) -> bool) {
        let mut released = Vec::new();
        for (at, job) in self.jobs.iter().enumerate() {
            for (position, entry) in &job.tasks {
                let is_his = entry.task.lease.as_ref().is_some_and(|lease| lease.worker == worker);
                if is_his && is_meant(at, *position, entry) {
                    released.push((at, *position, entry.task.attempt));
                }
            }
        }
        for (job, position, attempt) in released {
            let fence = Fence { worker: worker.to_owned(), attempt };
            self.step(job, position, Event::Released(fence)).unwrap();
        }
    }

    pub fn sweep(&mut self) {
        let mut expired = Vec::new();
        for (at, job) in self.jobs.iter().enumerate() {
            for (position, entry) in &job.tasks {
                if let Some(lease) = entry.task.lease.as_ref().filter(|lease| lease.until_ms <= self.now_ms) {
                    expired.push((lease.until_ms, at, in_work(*position), *position));
                }
            }
        }
        expired.sort();
        for (_, job, _, position) in expired {
            // One that died took its job with it, and the others of the job.
            let _ = self.step(job, position, Event::LeaseChecked);
        }
        for job in 0..self.jobs.len() {
            if self.jobs[job].deadline_ms.is_some_and(|deadline_ms| deadline_ms <= self.now_ms) {
                self.end(job, JobState::Failed, None, None);
            }
        }
    }

    pub fn requeue(&mut self, at: usize) -> u64 {
        let job = &self.jobs[at];
        let is_stopped = |entry: &Entry| matches!(entry.task.state, TaskState::Dead | TaskState::Cancelled);
        let stopped: Vec<Position> =
            job.tasks.iter().filter(|(_, entry)| is_stopped(entry)).map(|(position, _)| *position).collect();
        for position in &stopped {
            self.step(at, *position, Event::Requeued).unwrap();
        }
        if !stopped.is_empty() {
            let job = &mut self.jobs[at];
            let was_started = job.tasks[&Position::Execute].task.attempt > 0;
            job.state = if was_started { JobState::Running } else { JobState::Queued };
            (job.failed_task, job.deadline_ms) = (None, None);
        }
        stopped.len() as u64
    }
}

impl Given {
    /// The start as the API names it.
    pub fn held(&self, names: &[phalanx_api::JobId]) -> Held {
        Held { job: names[self.job], task: TaskId(self.position), attempt: self.fence.attempt }
    }
}

/// The tasks whose results these are, each once.
pub fn children(inputs: &[Input]) -> Vec<Position> {
    let mut children: Vec<Position> = inputs
        .iter()
        .filter_map(|input| match input {
            Input::Result { task } => Some(task.0),
            Input::Artifact { .. } => None,
        })
        .collect();
    children.sort();
    children.dedup();
    children
}

/// The order in which the tasks of a job are named: that of the work.
pub fn in_work(position: Position) -> (u32, u32, u32) {
    match position {
        Position::Execute => (0, 0, 0),
        Position::Prove { index } => (1, 0, index),
        Position::Fold { layer, index } => (2, layer, index),
        Position::Seal => (3, 0, 0),
    }
}
