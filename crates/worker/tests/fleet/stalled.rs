//! A worker that stands still for longer than its lease and then goes on changes nothing.

use phalanx_api::{TaskId, TaskState};
use phalanx_plan::{Position, TaskKind};
use rustix::process::Signal;

use crate::{
    child::WorkerPart,
    cluster::{on_both, until},
};

#[test]
fn a_worker_that_slept_past_its_lease_is_too_late() {
    on_both(|fleet| {
        let slow = WorkerPart { task_ms_max: 1, kinds: vec![TaskKind::Prove], ..fleet.part("sleeper") };
        let executor = WorkerPart { kinds: vec![TaskKind::Execute], ..fleet.part("executor") };
        let sleeper = fleet.worker(&slow);
        until("the sleeper is there", || fleet.client.workers().is_ok_and(|workers| workers.len() == 1));
        fleet.worker(&executor);
        let job = fleet.submit(200, 1);
        until("the sleeper has work", || {
            fleet
                .tasks(job)
                .iter()
                .any(|task| task.state == TaskState::Running && task.worker.as_deref() == Some("sleeper"))
        });
        fleet.signal(sleeper, Signal::STOP);
        let heir = fleet.part("heir");
        fleet.worker(&heir);
        fleet.proven(job, 200);
        fleet.signal(sleeper, Signal::CONT);
        // It does not disturb the next job either, and works for it.
        let next = fleet.submit(30, 2);
        fleet.proven(next, 30);
        fleet.proven(job, 200);
    });
}

#[test]
fn two_executors_of_one_job_announce_the_same() {
    on_both(|fleet| {
        let part = WorkerPart { segment_pause_ms: 50, kinds: vec![TaskKind::Execute], ..fleet.part("first") };
        let first = fleet.worker(&part);
        let job = fleet.submit(40, 1);
        until("some segments are announced", || fleet.tasks(job).len() > 5);
        fleet.signal(first, Signal::STOP);
        let second = WorkerPart { segment_pause_ms: 30, ..fleet.part("second") };
        fleet.worker(&second);
        until("another has the execution", || {
            let execution = fleet.client.attempts(job, TaskId(Position::Execute)).unwrap();
            execution.iter().any(|attempt| attempt.outcome == "expired")
        });
        // Now both execute, and the first is heard no more.
        fleet.signal(first, Signal::CONT);
        fleet.proven(job, 40);
    });
}
