//! A worker that is told to end finishes what it has and takes no more.

use phalanx_api::{TaskState, WorkerState};
use rustix::process::Signal;

use crate::{
    child::WorkerPart,
    cluster::{Cluster, On, on_both, until},
};

#[test]
fn a_worker_that_is_told_to_end_finishes_what_it_has() {
    on_both(|fleet| {
        let part = WorkerPart { task_ms_max: 400, ..fleet.part("leaver") };
        let leaver = fleet.worker(&part);
        let job = fleet.submit(30, 1);
        until("it has done some", || fleet.done(job) > 3);
        fleet.signal(leaver, Signal::TERM);
        assert_eq!(fleet.exit_code(leaver), Some(0));
        let tasks = fleet.tasks(job);
        assert!(tasks.iter().all(|task| task.state != TaskState::Running), "nothing is left in its hands");
        assert!(tasks.iter().any(|task| task.state == TaskState::Ready), "it took no more");
        assert_eq!(fleet.client.workers().unwrap()[0].state, WorkerState::Gone);
        let part = fleet.part("heir");
        fleet.worker(&part);
        fleet.proven(job, 30);
        let failures: u32 = fleet.tasks(job).iter().map(|task| task.failures).sum();
        assert_eq!(failures, 0, "a drain costs no attempt");
    });
}

#[test]
fn a_worker_that_an_operator_drains_takes_no_more_until_it_is_resumed() {
    on_both(|fleet| {
        let part = fleet.part("worker");
        fleet.worker(&part);
        let first = fleet.submit(3, 1);
        fleet.proven(first, 3);
        fleet.client.drain("worker").unwrap();
        until("it drains", || fleet.client.workers().unwrap()[0].state == WorkerState::Draining);
        let second = fleet.submit(3, 2);
        let third = fleet.submit(3, 3);
        assert!([second, third].iter().all(|job| fleet.done(*job) == 0));
        fleet.client.resume("worker").unwrap();
        fleet.proven(second, 3);
        fleet.proven(third, 3);
    });
}

#[test]
fn a_worker_that_heard_of_its_drain_is_resumed_all_the_same() {
    let mut fleet = Cluster::new(On::Sqlite);
    let part = fleet.part("worker");
    fleet.worker(&part);
    until("it is there", || !fleet.client.workers().unwrap().is_empty());
    fleet.client.drain("worker").unwrap();
    // It hears of the drain with this beat, and says with the next one how it stands.
    beats(&fleet);
    fleet.client.resume("worker").unwrap();
    beats(&fleet);
    assert_eq!(fleet.client.workers().unwrap()[0].state, WorkerState::Active);
    let job = fleet.submit(3, 1);
    fleet.proven(job, 3);
}

/// Waits for the next beat of the only worker.
fn beats(fleet: &Cluster) {
    let silent_ms = || fleet.client.workers().unwrap()[0].silent_ms;
    let mut before_ms = silent_ms();
    until("it beats", || {
        let now_ms = silent_ms();
        now_ms < std::mem::replace(&mut before_ms, now_ms)
    });
}
