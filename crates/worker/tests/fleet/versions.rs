//! Workers whose engines make other proofs are not mixed within a job.

use phalanx_api::TaskState;
use phalanx_plan::TaskKind;

use crate::{
    child::WorkerPart,
    cluster::{on_both, until},
};

#[test]
fn a_worker_of_another_version_gets_no_part_of_a_job_that_began() {
    on_both(|fleet| {
        let executor = WorkerPart { kinds: vec![TaskKind::Execute], ..fleet.part("executor") };
        let executor = fleet.worker(&executor);
        let job = fleet.submit(4, 1);
        until("the proofs are ready", || {
            let count = |state| fleet.tasks(job).iter().filter(|task| task.state == state).count();
            (count(TaskState::Done), count(TaskState::Ready)) == (1, 4)
        });
        // It would take the execution of the other job, too.
        fleet.kill(executor);
        let other = WorkerPart { engine_version: "2".into(), ..fleet.part("other") };
        fleet.worker(&other);
        // It proves a job of its own meanwhile.
        let own = fleet.submit(2, 2);
        until("the other is there", || fleet.client.workers().unwrap().len() == 2);
        until("an operator sees that nobody here can run them", || fleet.client.queue().unwrap().unclaimable == 4);
        let same = fleet.part("same");
        fleet.worker(&same);
        fleet.proven(job, 4);
        fleet.proven(own, 2);
        let workers: Vec<_> = fleet.tasks(job).into_iter().filter_map(|task| task.worker).collect();
        assert!(!workers.iter().any(|worker| worker == "other"), "{workers:?}");
    });
}
