//! Workers beside the gateway use its store directly; an identical request costs nothing.

use phalanx_api::NewJob;

use crate::{child::WorkerPart, cluster::on_both};

#[test]
fn a_worker_beside_the_gateway_and_one_elsewhere_prove_one_job() {
    on_both(|fleet| {
        let store = fleet.folder.path().join("store");
        let beside = WorkerPart { shared: Some(store), ..fleet.part("beside") };
        let elsewhere = fleet.part("elsewhere");
        fleet.worker(&beside);
        fleet.worker(&elsewhere);
        let job = fleet.submit(40, 1);
        fleet.proven(job, 40);
        let workers: std::collections::BTreeSet<_> =
            fleet.tasks(job).into_iter().filter_map(|task| task.worker).collect();
        assert_eq!(workers.len(), 2, "both took part");
    });
}

#[test]
fn the_same_job_again_is_the_same_receipt() {
    on_both(|fleet| {
        let part = fleet.part("worker");
        fleet.worker(&part);
        let job = fleet.submit(6, 1);
        let first = fleet.proven(job, 6);
        let again = fleet.submit_with(6, 1, |job| NewJob { priority: 7, ..job });
        assert_eq!(again, job, "nothing was queued");
        assert_eq!(fleet.job(again).receipt, first.receipt);
    });
}
