//! A queue in memory around the same state machine: what the databases must do, without SQL.

use std::collections::BTreeMap;

use phalanx_claim::Digest;
use phalanx_plan::Position;
use phalanx_queue::{
    Input, JobState, NewJob, NewTask, Refusal,
    task::{Effect, Event, Fence, Outcome, State, Task},
};

/// After a bad proof, its worker waits so long for the same task.
const ELSEWHERE_MS: u64 = 60_000;

/// A job in memory.
#[derive(Clone, Debug)]
pub struct Job {
    pub state: JobState,
    pub priority: i32,
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
    /// Every start that is over: attempt, worker, outcome, when.
    pub ended: Vec<(u32, String, Outcome, u64)>,
}

/// A queue in memory; jobs are named by their place.
#[derive(Clone, Default, Debug)]
pub struct Memory {
    pub jobs: Vec<Job>,
    pub now_ms: u64,
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
        self.jobs.push(Job {
            state: JobState::Queued,
            priority: job.priority,
            deadline_ms: job.deadline_ms,
            output: None,
            failed_task: None,
            tasks: BTreeMap::new(),
        });
        let at = self.jobs.len() - 1;
        self.add(at, &job.first);
        at
    }

    fn add(&mut self, job: usize, task: &NewTask) {
        let tasks = &mut self.jobs[job].tasks;
        let mut children: Vec<Position> = children(&task.inputs).collect();
        children.sort();
        children.dedup();
        let undone = children.iter().filter(|child| tasks[child].task.state != State::Done).count();
        let new = Task::new(undone as u32, task.is_last);
        tasks.entry(task.position).or_insert(Entry { task: new, inputs: task.inputs.clone(), ended: Vec::new() });
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
                Effect::WakeParents => {
                    let takes =
                        |(_, entry): &(&Position, &Entry)| children(&entry.inputs).any(|child| child == position);
                    let parents: Vec<Position> = self.jobs[job].tasks.iter().filter(takes).map(|(at, _)| *at).collect();
                    for parent in parents {
                        self.step(job, parent, Event::ChildDone).unwrap();
                    }
                }
                Effect::JobDone(output) => self.end(job, JobState::Done, None, Some(output)),
                Effect::JobFailed(_) => self.end(job, JobState::Failed, Some(position), None),
                Effect::BecameReady => {}
            }
        }
        Ok(())
    }

    pub fn end(&mut self, at: usize, state: JobState, failed_task: Option<Position>, output: Option<Digest>) {
        let job = &mut self.jobs[at];
        if !matches!(job.state, JobState::Queued | JobState::Running) {
            return;
        }
        (job.state, job.failed_task, job.output) = (state, failed_task, output);
        let positions: Vec<Position> = job.tasks.keys().copied().collect();
        for position in positions {
            // Those that are over refuse.
            let _ = self.step(at, position, Event::JobEnded);
        }
    }

    pub fn claim(&mut self, worker: &str) -> Option<Given> {
        let mut candidates = Vec::new();
        for (at, job) in self.jobs.iter().enumerate() {
            for (position, entry) in &job.tasks {
                let was_bad = |ended: &(u32, String, Outcome, u64)| {
                    ended.2 == Outcome::BadProof && ended.1 == worker && ended.3 + ELSEWHERE_MS > self.now_ms
                };
                let is_free = entry.task.state == State::Ready && entry.task.run_after_ms <= self.now_ms;
                if is_free && !entry.ended.iter().any(was_bad) {
                    // Positions order within a job by layer first; across jobs the place comes last.
                    let (rank, place) = match *position {
                        Position::Seal => ((0, 0), 0),
                        Position::Fold { layer, index } => ((1, u32::MAX - layer), index),
                        Position::Execute => ((2, 0), 0),
                        Position::Prove { index } => ((3, 0), index),
                    };
                    candidates.push((-job.priority, rank, at, place, *position));
                }
            }
        }
        let (_, _, job, _, position) = candidates.into_iter().min()?;
        self.step(job, position, Event::Claimed { worker: worker.to_owned() }).unwrap();
        if position == Position::Execute && self.jobs[job].state == JobState::Queued {
            self.jobs[job].state = JobState::Running;
        }
        let tasks = &self.jobs[job].tasks;
        let entry = &tasks[&position];
        let resolved = |input: &Input| match input {
            Input::Artifact(digest) => *digest,
            Input::Result(child) => tasks[child].task.output.unwrap(),
        };
        Some(Given {
            job,
            position,
            fence: Fence { worker: worker.to_owned(), attempt: entry.task.attempt },
            inputs: entry.inputs.iter().map(resolved).collect(),
        })
    }

    pub fn sweep(&mut self) {
        let mut expired = Vec::new();
        for (at, job) in self.jobs.iter().enumerate() {
            for (position, entry) in &job.tasks {
                if let Some(lease) = entry.task.lease.as_ref().filter(|lease| lease.until_ms <= self.now_ms) {
                    expired.push((lease.until_ms, at, position.to_string(), *position));
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
        let is_stopped = |entry: &Entry| matches!(entry.task.state, State::Dead | State::Cancelled);
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

fn children(inputs: &[Input]) -> impl Iterator<Item = Position> + '_ {
    inputs.iter().filter_map(|input| match input {
        Input::Result(position) => Some(*position),
        Input::Artifact(_) => None,
    })
}
