//! One task's life: the pure core of the queue.
//!
//! In: a task as it stands, one [`Event`] and the time. Out: the task as it then stands and the [`Effect`]s on what is around
//! it, or why nothing happens. No clock and no database, so seeded random histories test it.

use phalanx_api::{TaskState, Verdict};
use phalanx_claim::Digest;
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// How long a worker may stay silent, in milliseconds.
pub const LEASE_MS: u64 = 30_000;
/// A task that fails, or whose worker falls silent, is started this many times at most.
pub const FAILURES_MAX: u32 = 3;
/// A task whose fresh proof does not verify is started this many times at most, on whatever machines.
pub const BAD_PROOFS_MAX: u32 = 3;
/// Wait before a failed task may start again, in milliseconds; four times as long after each further failure.
pub const BACKOFF_MS: u64 = 1_000;
/// Wait before a task whose input was lost may start again, in milliseconds, if no child is to make that input again.
pub const INPUT_LOST_MS: u64 = 5_000;

/// Who runs a task, and for how long without a word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The worker's name.
    pub worker: String,
    /// When the task may be given to another.
    pub until_ms: u64,
}

/// A task as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// Where it is in its life.
    pub state: TaskState,
    /// Children without a result.
    pub waiting_on: u32,
    /// How many times it was started.
    pub attempt: u32,
    /// How many starts ended in a failure or in silence.
    pub failures: u32,
    /// How many starts made a proof that does not verify.
    pub bad_proofs: u32,
    /// It starts no earlier.
    pub run_after_ms: u64,
    /// There while it runs.
    pub lease: Option<Lease>,
    /// There once it is done.
    pub output: Option<Digest>,
    /// Whether its result ends the job.
    pub is_last: bool,
}

/// Which start a worker speaks of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fence {
    /// The worker's name.
    pub worker: String,
    /// The attempt it was given.
    pub attempt: u32,
}

/// What happened to a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A child has its result.
    ChildDone,
    /// The result of a child is lost; the child makes it again.
    ChildLost,
    /// A worker takes it.
    Claimed {
        /// Its name.
        worker: String,
    },
    /// Its worker still runs it.
    Beat(Fence),
    /// Its worker made its result.
    Completed {
        /// Which start.
        fence: Fence,
        /// The artifact.
        output: Digest,
    },
    /// Its worker failed.
    Failed {
        /// Which start.
        fence: Fence,
        /// How.
        verdict: Verdict,
        /// For people.
        detail: String,
    },
    /// Its worker misses an input, which another task makes again: no fault of this one.
    InputLost {
        /// Which start.
        fence: Fence,
        /// For people.
        detail: String,
    },
    /// Somebody misses its result, so it makes it again. Counts as a failure of it.
    ResultLost,
    /// Its worker gives it back unharmed, because it shuts down.
    Released(Fence),
    /// The time has come to look at its lease.
    LeaseChecked,
    /// Its job ended without it.
    JobEnded,
    /// An operator wants it to run again.
    Requeued,
}

/// What became of a start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It made the result.
    Done,
    /// It failed and may run again.
    Retry,
    /// Its proof did not verify.
    BadProof,
    /// It failed for good.
    Failed,
    /// Its worker fell silent.
    Expired,
    /// Its worker gave it back.
    Released,
    /// The job ended first.
    Cancelled,
}

impl Outcome {
    /// Its name in the database and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry => "retry",
            Self::BadProof => "bad_proof",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Released => "released",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What follows for what is around the task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// A start is over.
    Ended {
        /// Which worker had it.
        worker: String,
        /// Which start.
        attempt: u32,
        /// What became of it.
        outcome: Outcome,
        /// For people.
        detail: Option<String>,
    },
    /// It may be claimed.
    BecameReady,
    /// The start that made its result is history, and the result is no more.
    Forgotten,
    /// Its parents have one child less to wait for.
    WakeParents,
    /// Its parents have one child more to wait for.
    HoldParents,
    /// The job has its result.
    JobDone(Digest),
    /// The job cannot be done.
    JobFailed(String),
}

/// The task after an event, and what follows.
pub type Step = (Task, Vec<Effect>);

impl Task {
    /// A task that never ran.
    pub fn new(waiting_on: u32, is_last: bool) -> Self {
        let state = if waiting_on == 0 { TaskState::Ready } else { TaskState::Pending };
        Self {
            state,
            waiting_on,
            attempt: 0,
            failures: 0,
            bad_proofs: 0,
            run_after_ms: 0,
            lease: None,
            output: None,
            is_last,
        }
    }

    /// Takes one event at `now_ms`.
    pub fn step(&self, event: Event, now_ms: u64) -> Result<Step, Refusal> {
        match event {
            Event::ChildDone => Ok(self.child_done()),
            Event::ChildLost => Ok(self.child_lost()),
            Event::Claimed { worker } => self.claimed(worker, now_ms),
            Event::Beat(fence) => {
                let until_ms = now_ms.saturating_add(LEASE_MS);
                let lease = Lease { until_ms, ..self.held(&fence)?.clone() };
                Ok((Self { lease: Some(lease), ..self.clone() }, Vec::new()))
            }
            Event::Completed { fence, output } => self.completed(&fence, output),
            Event::Failed { fence, verdict, detail } => {
                self.held(&fence)?;
                Ok(match verdict {
                    // Of an input that nobody makes again; otherwise see `Event::InputLost`.
                    Verdict::Retry | Verdict::InputLost { .. } => self.failed(Outcome::Retry, detail, now_ms),
                    Verdict::BadProof => self.bad_proof(detail),
                    Verdict::FailJob => self.dead(Outcome::Failed, detail),
                    Verdict::Released => self.released(now_ms),
                })
            }
            Event::InputLost { fence, detail } => {
                self.held(&fence)?;
                let wait_ms = if self.waiting_on == 0 { INPUT_LOST_MS } else { 0 };
                let run_after_ms = now_ms.saturating_add(wait_ms);
                Ok(self.again(Self { run_after_ms, ..self.clone() }, Outcome::Retry, Some(detail)))
            }
            Event::ResultLost => match self.state {
                TaskState::Done => Ok(self.result_lost(now_ms)),
                state => Err(Refusal::NoResult(state)),
            },
            Event::Released(fence) => {
                self.held(&fence)?;
                Ok(self.released(now_ms))
            }
            Event::LeaseChecked => match &self.lease {
                Some(lease) if self.state == TaskState::Running && lease.until_ms <= now_ms => {
                    let detail = format!("worker {} was silent for {} seconds", lease.worker, LEASE_MS / 1000);
                    Ok(self.failed(Outcome::Expired, detail, now_ms))
                }
                _ => Err(Refusal::NotExpired),
            },
            Event::JobEnded => match self.state {
                TaskState::Pending | TaskState::Ready | TaskState::Running => Ok(self.cancelled()),
                state => Err(Refusal::Over(state)),
            },
            Event::Requeued => match self.state {
                TaskState::Dead | TaskState::Cancelled => Ok(self.requeued(now_ms)),
                state => Err(Refusal::NotStopped(state)),
            },
        }
    }

    /// The lease, if `fence` is that of the running start.
    fn held(&self, fence: &Fence) -> Result<&Lease, Refusal> {
        let stale = || Refusal::Stale { state: self.state, attempt: self.attempt, claimed: fence.attempt };
        let lease = self.lease.as_ref().filter(|_| self.state == TaskState::Running).ok_or_else(stale)?;
        if lease.worker != fence.worker || self.attempt != fence.attempt { Err(stale()) } else { Ok(lease) }
    }

    fn child_done(&self) -> Step {
        let waiting_on = self.waiting_on.saturating_sub(1);
        let wakes = self.state == TaskState::Pending && waiting_on == 0;
        let state = if wakes { TaskState::Ready } else { self.state };
        let effects = if wakes { vec![Effect::BecameReady] } else { Vec::new() };
        (Self { state, waiting_on, ..self.clone() }, effects)
    }

    fn child_lost(&self) -> Step {
        let state = if self.state == TaskState::Ready { TaskState::Pending } else { self.state };
        (Self { state, waiting_on: self.waiting_on.saturating_add(1), ..self.clone() }, Vec::new())
    }

    /// Its children are done, so it may start at once; it was well until now.
    fn result_lost(&self, now_ms: u64) -> Step {
        let failures = self.failures.saturating_add(1);
        let lost = Self { failures, run_after_ms: now_ms, output: None, ..self.clone() };
        let mut effects = vec![Effect::Forgotten, Effect::HoldParents];
        if failures >= FAILURES_MAX {
            let (dead, died) = lost.dead(Outcome::Retry, "its result was lost again and again".to_owned());
            effects.extend(died);
            return (dead, effects);
        }
        let (next, followed) = lost.again(lost.clone(), Outcome::Retry, None);
        effects.extend(followed);
        (next, effects)
    }

    fn released(&self, now_ms: u64) -> Step {
        self.again(Self { run_after_ms: now_ms, ..self.clone() }, Outcome::Released, None)
    }

    fn claimed(&self, worker: String, now_ms: u64) -> Result<Step, Refusal> {
        if self.state != TaskState::Ready || self.run_after_ms > now_ms {
            return Err(Refusal::NotReady(self.state));
        }
        let lease = Lease { worker, until_ms: now_ms.saturating_add(LEASE_MS) };
        let attempt = self.attempt.saturating_add(1);
        Ok((Self { state: TaskState::Running, attempt, lease: Some(lease), ..self.clone() }, Vec::new()))
    }

    fn completed(&self, fence: &Fence, output: Digest) -> Result<Step, Refusal> {
        self.held(fence)?;
        let mut effects = self.ended(Outcome::Done, None);
        effects.push(Effect::WakeParents);
        if self.is_last {
            effects.push(Effect::JobDone(output));
        }
        Ok((Self { state: TaskState::Done, lease: None, output: Some(output), ..self.clone() }, effects))
    }

    /// One failure more, and another start unless there were too many.
    fn failed(&self, outcome: Outcome, detail: String, now_ms: u64) -> Step {
        let failures = self.failures.saturating_add(1);
        let failed = Self { failures, ..self.clone() };
        if failures >= FAILURES_MAX {
            return failed.dead(outcome, detail);
        }
        let wait_ms = BACKOFF_MS << (2 * (failures - 1));
        self.again(Self { run_after_ms: now_ms.saturating_add(wait_ms), ..failed }, outcome, Some(detail))
    }

    /// One bad proof more. No wait: whoever claims it next is rather another worker.
    fn bad_proof(&self, detail: String) -> Step {
        let failed = Self { bad_proofs: self.bad_proofs.saturating_add(1), ..self.clone() };
        if failed.bad_proofs >= BAD_PROOFS_MAX {
            return failed.dead(Outcome::BadProof, detail);
        }
        self.again(failed, Outcome::BadProof, Some(detail))
    }

    fn again(&self, task: Self, outcome: Outcome, detail: Option<String>) -> Step {
        let mut effects = self.ended(outcome, detail);
        // A child may have lost its result meanwhile.
        let state = if task.waiting_on == 0 { TaskState::Ready } else { TaskState::Pending };
        if state == TaskState::Ready {
            effects.push(Effect::BecameReady);
        }
        (Self { state, lease: None, ..task }, effects)
    }

    fn dead(&self, outcome: Outcome, detail: String) -> Step {
        let mut effects = self.ended(outcome, Some(detail.clone()));
        effects.push(Effect::JobFailed(detail));
        (Self { state: TaskState::Dead, lease: None, ..self.clone() }, effects)
    }

    fn cancelled(&self) -> Step {
        (Self { state: TaskState::Cancelled, lease: None, ..self.clone() }, self.ended(Outcome::Cancelled, None))
    }

    fn requeued(&self, now_ms: u64) -> Step {
        let state = if self.waiting_on == 0 { TaskState::Ready } else { TaskState::Pending };
        let effects = if state == TaskState::Ready { vec![Effect::BecameReady] } else { Vec::new() };
        (Self { state, failures: 0, bad_proofs: 0, run_after_ms: now_ms, ..self.clone() }, effects)
    }

    fn ended(&self, outcome: Outcome, detail: Option<String>) -> Vec<Effect> {
        let ended = |lease: &Lease| {
            let worker = lease.worker.clone();
            Effect::Ended { worker, attempt: self.attempt, outcome, detail }
        };
        self.lease.as_ref().map(ended).into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
