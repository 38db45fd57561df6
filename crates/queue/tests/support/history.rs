//! Random histories of a queue: workers that claim, work, fail, fall silent and come back late; jobs that come, are cancelled
//! and queued again; time that passes.
//!
//! A history is told to a queue in memory, which says what must happen, and on request to a database, which must do the same.
//! In the end everybody is well, and then every job must end, with the result that its inputs ask for.

use std::collections::BTreeMap;

use phalanx_api::{JobId, JobState, NewTask, TaskState, Verdict, WorkerState};
use phalanx_claim::Digest;
use phalanx_plan::Position;
use phalanx_queue::{
    Claimed, Completion, Offer, QueueError, Refusal,
    task::{Event, Fence, Outcome},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    BOOT, Bench, KINDS, digest, job,
    memory::{Given, Memory, children, in_work},
    offer, tree, worker,
};

const WORKERS: [&str; 3] = ["ada", "bea", "cyd"];
const JOBS_MAX: usize = 4;

/// One history.
pub struct History<'a> {
    pub memory: Memory,
    /// The same queue in a database, and what it calls the jobs.
    database: Option<(&'a Bench, Vec<JobId>)>,
    /// What workers were given, also what is over by now.
    given: Vec<Given>,
    /// How often each worker was started again.
    boots: BTreeMap<String, u32>,
    /// Ops that changed nothing, because a worker was late.
    pub refused: usize,
}

impl<'a> History<'a> {
    /// One that has not begun.
    pub fn new(bench: Option<&'a Bench>) -> Self {
        let memory = Memory { now_ms: 1_000, ..Memory::default() };
        Self {
            memory,
            database: bench.map(|bench| (bench, Vec::new())),
            given: Vec::new(),
            boots: BTreeMap::new(),
            refused: 0,
        }
    }

    /// So many random events, then an end at which all is well. Panics when something is wrong.
    pub async fn run(&mut self, seed: u64, events: usize) {
        let mut random = StdRng::seed_from_u64(seed);
        self.submit(&mut random).await;
        for _ in 0..events {
            match random.random_range(0..100) {
                0..6 => self.submit(&mut random).await,
                6..36 => {
                    self.claim(WORKERS[random.random_range(0..WORKERS.len())]).await;
                }
                36..76 => self.worker_says(&mut random).await,
                76..78 => self.restart(WORKERS[random.random_range(0..WORKERS.len())]).await,
                78..80 => self.resume(WORKERS[random.random_range(0..WORKERS.len())]).await,
                80..90 => {
                    let by_ms = [10, 900, 5_000, 31_000, 61_000][random.random_range(0..5)];
                    self.pass(by_ms).await;
                }
                90..96 => self.sweep().await,
                96..98 => self.cancel(&mut random).await,
                _ => self.requeue(&mut random).await,
            }
            self.check();
            self.compare().await;
        }
        self.end_well().await;
        self.compare().await;
    }

    async fn submit(&mut self, random: &mut StdRng) {
        if self.memory.jobs.len() == JOBS_MAX {
            return;
        }
        let mut new = job(&format!("job {}", self.memory.jobs.len()));
        new.priority = random.random_range(0..2);
        new.deadline_after_ms = random.random_bool(0.1).then_some(100_000);
        self.memory.submit(&new);
        if let Some((bench, names)) = &mut self.database {
            names.push(bench.queue.submit(&new).await.unwrap().job);
        }
    }

    async fn claim(&mut self, worker: &str) -> bool {
        let given = self.memory.claim(worker);
        if let Some((bench, names)) = &self.database {
            let offer = Offer { boot: self.boot(worker), ..offer(worker, &KINDS) };
            match bench.queue.claim(&offer).await {
                Ok(claimed) => {
                    let claimed = claimed.map(|claimed| as_given(claimed, worker, names));
                    assert_eq!(claimed, given, "the database gave out another task");
                }
                Err(QueueError::Quarantined { .. }) => assert!(self.memory.is_quarantined(worker)),
                Err(error) => panic!("{error}"),
            }
        }
        let is_given = given.is_some();
        self.given.extend(given);
        is_given
    }

    fn boot(&self, worker: &str) -> String {
        self.boots.get(worker).map_or(BOOT.to_owned(), u32::to_string)
    }

    /// A worker speaks of a task that it was given, in time or late.
    async fn worker_says(&mut self, random: &mut StdRng) {
        if self.given.is_empty() {
            return;
        }
        // The latest are rather spoken of than those long over.
        let newest = self.given.len() - 1;
        let at = if random.random_bool(0.7) { newest } else { random.random_range(0..=newest) };
        let given = self.given[at].clone();
        match random.random_range(0..20) {
            0..11 => self.complete(&given).await,
            11..14 => self.beat(&given).await,
            14 => {
                let digest = given.inputs[random.random_range(0..given.inputs.len())];
                self.fail(&given, Verdict::InputLost { digest }).await;
            }
            15 => self.fail(&given, Verdict::Retry).await,
            16 => self.fail(&given, Verdict::BadProof).await,
            17 if random.random_bool(0.1) => self.fail(&given, Verdict::FailJob).await,
            17 | 18 => self.fail(&given, Verdict::Released).await,
            // It announces a part of the tasks and goes on.
            _ => self.announce(&given, Some(random.random_range(1..4))).await,
        }
    }

    async fn announce(&mut self, given: &Given, part: Option<usize>) {
        if given.position != Position::Execute {
            return;
        }
        let mut tasks = tree(segments(given.job));
        tasks.truncate(part.unwrap_or(usize::MAX));
        let expected = self.memory.announce(given.job, given.position, &given.fence, &tasks);
        if let Some((bench, names)) = &self.database {
            let got = bench.announce(&given.fence.worker, given.held(names), &tasks).await;
            assert_eq!(refusal(got), expected.err());
        }
        self.refused += usize::from(expected.is_err());
    }

    async fn complete(&mut self, given: &Given) {
        self.announce(given, None).await;
        let output = result(given.position, &given.inputs);
        let event = Event::Completed { fence: given.fence.clone(), output };
        let was_recorded = self.was_recorded(given, output);
        let expected = self.memory.step(given.job, given.position, event);
        if let Some((bench, names)) = &self.database {
            match bench.complete(&given.fence.worker, given.held(names), output).await {
                Ok(Completion::Recorded) => assert_eq!(expected, Ok(())),
                Ok(Completion::WasRecorded) => assert!(was_recorded),
                Err(QueueError::Refused(got)) => {
                    assert!(!was_recorded);
                    assert_eq!(Some(got), expected.err());
                }
                Err(error) => panic!("{error}"),
            }
        }
        self.refused += usize::from(expected.is_err());
    }

    /// Whether this start has made this result already.
    fn was_recorded(&self, given: &Given, output: Digest) -> bool {
        let entry = &self.memory.jobs[given.job].tasks[&given.position];
        let is_latest = entry.task.attempt == given.fence.attempt;
        let by_it = entry.ended.last().is_some_and(|(_, worker, ..)| *worker == given.fence.worker);
        entry.task.state == TaskState::Done && is_latest && by_it && entry.task.output == Some(output)
    }

    /// A worker names one task, and so none of its others.
    async fn beat(&mut self, given: &Given) {
        let worker = &given.fence.worker;
        let stop = self.memory.beat(worker, std::slice::from_ref(given));
        if let Some((bench, names)) = &self.database {
            let got = bench.beat(worker, &self.boot(worker), &[given.held(names)]).await.unwrap();
            let expected: Vec<_> = stop.iter().map(|given| given.held(names)).collect();
            assert_eq!(got.stop, expected);
            assert_eq!(got.drain, self.memory.is_quarantined(worker));
        }
        self.refused += stop.len();
    }

    async fn fail(&mut self, given: &Given, verdict: Verdict) {
        let detail = "as the seed wants";
        let expected = self.memory.fail(given, verdict, detail);
        if let Some((bench, names)) = &self.database {
            let got = bench.fail(&given.fence.worker, given.held(names), verdict, detail).await;
            assert_eq!(refusal(got), expected.err());
        }
        self.refused += usize::from(expected.is_err());
    }

    /// A worker is started again and has forgotten everything.
    async fn restart(&mut self, name: &str) {
        *self.boots.entry(name.to_owned()).or_default() += 1;
        self.memory.restart(name);
        if let Some((bench, _)) = &self.database {
            bench.queue.register(&worker(name, &self.boot(name))).await.unwrap();
        }
    }

    /// An operator trusts a worker again.
    async fn resume(&mut self, name: &str) {
        self.memory.strikes.remove(name);
        if let Some((bench, _)) = &self.database {
            assert!(bench.queue.set_worker_state(name, WorkerState::Active).await.unwrap());
        }
    }

    async fn pass(&mut self, by_ms: u64) {
        self.memory.now_ms += by_ms;
        if let Some((bench, _)) = &self.database {
            bench.set_clock(self.memory.now_ms).await;
        }
    }

    async fn sweep(&mut self) {
        self.memory.sweep();
        if let Some((bench, _)) = &self.database {
            bench.queue.sweep().await.unwrap();
        }
    }

    async fn cancel(&mut self, random: &mut StdRng) {
        let at = random.random_range(0..self.memory.jobs.len());
        self.memory.end(at, JobState::Cancelled, None, None);
        if let Some((bench, names)) = &self.database {
            bench.queue.cancel(names[at]).await.unwrap();
        }
    }

    async fn requeue(&mut self, random: &mut StdRng) {
        let at = random.random_range(0..self.memory.jobs.len());
        let expected = self.memory.requeue(at);
        if let Some((bench, names)) = &self.database {
            assert_eq!(bench.queue.requeue(names[at], None).await.unwrap(), expected);
        }
    }

    /// Silent workers stay silent, one more does all that is left.
    async fn end_well(&mut self) {
        // What failed waits a while, and then its parents have their turn.
        let mut idle = 0;
        while idle < 3 {
            self.pass(120_000).await;
            self.sweep().await;
            idle += 1;
            while self.claim("eve").await {
                idle = 0;
                let given = self.given[self.given.len() - 1].clone();
                self.complete(&given).await;
                self.check();
            }
        }
        for (at, job) in self.memory.jobs.iter().enumerate() {
            let is_over = job.state.is_over();
            assert!(is_over, "job {at} is stuck: {job:#?}");
            if job.state == JobState::Done {
                assert_eq!(job.output, Some(receipt(at)), "job {at} has another result");
            }
        }
    }

    /// What holds at any time.
    fn check(&self) {
        for (at, job) in self.memory.jobs.iter().enumerate() {
            for (position, entry) in &job.tasks {
                let task = &entry.task;
                let unfinished = matches!(task.state, TaskState::Pending | TaskState::Ready | TaskState::Running);
                assert!(!job.state.is_over() || !unfinished, "job {at} is over, but {position} is {:?}", task.state);
                assert_eq!(task.lease.is_some(), task.state == TaskState::Running, "job {at}, {position}");
                assert_eq!(task.output.is_some(), task.state == TaskState::Done, "job {at}, {position}");
                let is_undone = |child: &&Position| job.tasks[child].task.state != TaskState::Done;
                let undone = children(&entry.inputs).iter().filter(is_undone).count();
                assert_eq!(task.waiting_on as usize, undone, "job {at}, {position}");
                assert!(task.state != TaskState::Pending || undone > 0, "job {at}, {position} waits for nothing");
                assert!(task.state != TaskState::Ready || undone == 0, "job {at}, {position} lacks an input");
                let done = entry.ended.iter().filter(|ended| ended.2 == Outcome::Done).count();
                let expected = entry.lost + usize::from(task.state == TaskState::Done);
                assert_eq!(done, expected, "job {at}: {position} was done {done} times");
                let attempts: Vec<u32> = entry.ended.iter().map(|ended| ended.0).collect();
                assert!(attempts.is_sorted_by(|a, b| a < b), "job {at}, {position}: {attempts:?}");
            }
        }
    }

    /// Memory and database must hold the same.
    async fn compare(&self) {
        let Some((bench, names)) = &self.database else { return };
        for (job, name) in self.memory.jobs.iter().zip(names) {
            let view = bench.queue.job(*name).await.unwrap();
            assert_eq!((view.state, view.receipt), (job.state, job.output));
            assert_eq!(view.failed_task, job.failed_task.map(|position| phalanx_api::TaskId(position).to_string()));
            let stored = bench.tasks(*name).await;
            let mut expected: Vec<_> = job.tasks.iter().collect();
            expected.sort_by_key(|(position, _)| in_work(**position));
            assert_eq!(stored.len(), expected.len());
            for (stored, (position, entry)) in stored.iter().zip(expected) {
                let task = &entry.task;
                assert_eq!(
                    (stored.task.0, stored.state, stored.attempt, stored.failures, stored.output),
                    (*position, task.state, task.attempt, task.failures + task.bad_proofs, task.output)
                );
            }
        }
    }
}

/// How many segments a job has.
fn segments(job: usize) -> u32 {
    [3, 1, 5, 2][job % 4]
}

/// What a task makes of its inputs.
fn result(position: Position, inputs: &[Digest]) -> Digest {
    digest(&format!("{position} of {inputs:?}"))
}

/// The result of a whole job, computed from the last task down.
fn receipt(job: usize) -> Digest {
    let tasks = tree(segments(job));
    fn made(position: Position, tasks: &[NewTask], job: usize) -> Digest {
        if position == Position::Execute {
            return result(position, &[digest(&format!("job {job}")), digest("input")]);
        }
        let task = tasks.iter().find(|task| task.task.0 == position).unwrap();
        let input = |input: &phalanx_api::Input| match input {
            phalanx_api::Input::Artifact { digest } => *digest,
            phalanx_api::Input::Result { task } => made(task.0, tasks, job),
        };
        result(position, &task.inputs.iter().map(input).collect::<Vec<_>>())
    }
    made(Position::Seal, &tasks, job)
}

fn refusal<R>(result: Result<R, QueueError>) -> Option<Refusal> {
    match result {
        Ok(_) => None,
        Err(QueueError::Refused(refusal)) => Some(refusal),
        Err(error) => panic!("{error}"),
    }
}

fn as_given(claimed: Claimed, worker: &str, names: &[JobId]) -> Given {
    let held = claimed.assignment.held;
    let job = names.iter().position(|name| *name == held.job).unwrap();
    let fence = Fence { worker: worker.to_owned(), attempt: held.attempt };
    Given { job, position: held.task.0, fence, inputs: claimed.assignment.inputs }
}
