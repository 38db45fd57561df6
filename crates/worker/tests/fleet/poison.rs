//! A task that cannot be done ends its job, with the cause, and nothing else.

use phalanx_api::{JobState, TaskState};
use phalanx_plan::TaskKind;

use crate::{
    child::{Mischief, WorkerPart},
    cluster::on_both,
};

#[test]
fn a_task_that_always_fails_ends_dead_and_names_the_cause() {
    on_both(|fleet| {
        fleet.villain("worker", Mischief::Fails("prove 3".into()));
        let (poisoned, healthy) = (fleet.submit(5, 1), fleet.submit(3, 2));
        let view = fleet.over(poisoned);
        assert_eq!(view.state, JobState::Failed);
        assert_eq!(view.failed_task.as_deref(), Some("prove-3"));
        assert!(view.failure.unwrap().contains("the fake is tired"));
        assert_eq!(fleet.client.dead().unwrap().len(), 1);
        fleet.proven(healthy, 3);
    });
}

#[test]
fn a_task_that_kills_its_worker_each_time_ends_dead_too() {
    on_both(|fleet| {
        let executor = WorkerPart { kinds: vec![TaskKind::Execute], ..fleet.part("executor") };
        fleet.worker(&executor);
        let job = fleet.submit(2, 1);
        for name in ["one", "two", "three"] {
            let kinds = vec![TaskKind::Prove, TaskKind::Fold];
            let dies = Some(Mischief::Dies("prove 1".into()));
            // One at a time, so that nothing else dies with it.
            let worker = WorkerPart { kinds, mischief: dies, slots: 1, ..fleet.part(name) };
            let worker = fleet.worker(&worker);
            assert_eq!(fleet.exit_code(worker), None, "it died of a signal");
        }
        let view = fleet.over(job);
        assert_eq!((view.state, view.failed_task.as_deref()), (JobState::Failed, Some("prove-1")));
        assert!(view.failure.unwrap().contains("silent"));
    });
}

#[test]
fn what_an_operator_queues_again_after_the_repair_is_done() {
    on_both(|fleet| {
        let villain = fleet.villain("broken", Mischief::Fails("prove 3".into()));
        let job = fleet.submit(5, 1);
        assert_eq!(fleet.over(job).state, JobState::Failed);
        fleet.kill(villain);
        let part = fleet.part("repaired");
        fleet.worker(&part);
        assert!(fleet.client.requeue(job, None).unwrap().tasks > 0);
        fleet.proven(job, 5);
    });
}

#[test]
fn a_guest_that_panics_is_not_tried_again() {
    on_both(|fleet| {
        fleet.villain("worker", Mischief::GuestPanics);
        let job = fleet.submit(5, 1);
        let view = fleet.over(job);
        assert_eq!((view.state, view.failed_task.as_deref()), (JobState::Failed, Some("execute")));
        assert!(view.failure.unwrap().contains("no such luck"));
        let tasks = fleet.tasks(job);
        assert_eq!((tasks.len(), tasks[0].attempt, tasks[0].state), (1, 1, TaskState::Dead));
    });
}
