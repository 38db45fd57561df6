//! A job that is cancelled stops at once wherever it runs.

use std::time::{Duration, Instant};

use phalanx_api::{JobState, TaskState};

use crate::{
    child::Mischief,
    cluster::{on_both, until},
};

#[test]
fn a_job_that_nobody_began_ends_at_once() {
    on_both(|fleet| {
        let job = fleet.submit(3, 1);
        assert_eq!(fleet.client.cancel(job).unwrap().state, JobState::Cancelled);
        assert_eq!(fleet.client.cancel(job).unwrap().state, JobState::Cancelled, "once more changes nothing");
        let part = fleet.part("worker");
        fleet.worker(&part);
        let other = fleet.submit(3, 2);
        fleet.proven(other, 3);
        let view = fleet.job(job);
        assert_eq!((view.state, view.started_ms), (JobState::Cancelled, None));
    });
}

#[test]
fn workers_leave_a_cancelled_job_and_take_the_next() {
    on_both(|fleet| {
        fleet.villain("worker", Mischief::Hangs);
        let job = fleet.submit(6, 1);
        until("its proofs run", || {
            fleet.tasks(job).iter().filter(|task| task.state == TaskState::Running).count() == 2
        });
        let cancelled = Instant::now();
        assert_eq!(fleet.client.cancel(job).unwrap().state, JobState::Cancelled);
        let next = fleet.submit(6, 2);
        until("the worker has left it and holds proofs of the next", || {
            fleet.tasks(next).iter().filter(|task| task.state == TaskState::Running).count() == 2
        });
        assert!(cancelled.elapsed() < Duration::from_secs(20), "long before a lease of the world's clock");
        assert!(fleet.tasks(job).iter().all(|task| matches!(task.state, TaskState::Cancelled | TaskState::Done)));
    });
}
