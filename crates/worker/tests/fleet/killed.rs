//! A worker that is killed while it holds work loses nothing but what it was doing.

use phalanx_api::TaskState;

use crate::{
    child::{Mischief, WorkerPart},
    cluster::{on_both, until},
};

#[test]
fn what_a_killed_worker_held_runs_elsewhere() {
    on_both(|fleet| {
        let victim = fleet.villain("victim", Mischief::Hangs);
        let job = fleet.submit(9, 1);
        until("the victim holds two proofs", || {
            fleet.tasks(job).iter().filter(|task| task.state == TaskState::Running).count() >= 2
        });
        fleet.kill(victim);
        let heir = fleet.part("heir");
        fleet.worker(&heir);
        fleet.proven(job, 9);
        let expired: usize = fleet
            .tasks(job)
            .iter()
            .flat_map(|task| fleet.client.attempts(job, task.task).unwrap())
            .filter(|attempt| attempt.outcome == "expired" && attempt.worker == "victim")
            .count();
        assert!(expired >= 2, "{expired} leases ran out");
    });
}

#[test]
fn a_worker_that_comes_again_under_its_name_gives_back_at_once_what_it_held() {
    on_both(|fleet| {
        let first = fleet.villain("prover", Mischief::Hangs);
        let job = fleet.submit(5, 1);
        until("it holds two proofs", || {
            fleet.tasks(job).iter().filter(|task| task.state == TaskState::Running).count() >= 2
        });
        fleet.kill(first);
        let again = fleet.part("prover");
        fleet.worker(&again);
        fleet.proven(job, 5);
        let outcomes: Vec<String> = fleet
            .tasks(job)
            .iter()
            .flat_map(|task| fleet.client.attempts(job, task.task).unwrap())
            .map(|attempt| attempt.outcome)
            .collect();
        assert!(!outcomes.iter().any(|outcome| outcome == "expired"), "nobody waited for a lease: {outcomes:?}");
        assert!(outcomes.iter().any(|outcome| outcome == "released"), "{outcomes:?}");
    });
}

#[test]
fn an_executor_that_is_killed_midway_leaves_what_another_goes_on_from() {
    on_both(|fleet| {
        let slow = WorkerPart { segment_pause_ms: 100, ..fleet.part("executor") };
        let executor = fleet.worker(&slow);
        let job = fleet.submit(20, 3);
        until("some segments are announced", || fleet.tasks(job).len() > 5);
        fleet.kill(executor);
        let before = fleet.tasks(job).len();
        assert!(before < 20, "it was killed midway");
        let heir = fleet.part("heir");
        fleet.worker(&heir);
        fleet.proven(job, 20);
    });
}
