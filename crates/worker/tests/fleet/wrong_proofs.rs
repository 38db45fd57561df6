//! A prover whose proofs do not verify harms nobody, and gets no more work.

use phalanx_api::WorkerState;

use crate::{
    child::{Mischief, WorkerPart},
    cluster::{on_both, until},
};
use phalanx_plan::TaskKind;

fn state(fleet: &crate::cluster::Cluster, name: &str) -> Option<WorkerState> {
    let workers = fleet.client.workers().unwrap();
    workers.into_iter().find(|worker| worker.name == name).map(|worker| worker.state)
}

#[test]
fn a_machine_that_makes_wrong_proofs_is_quarantined_and_others_do_its_work() {
    on_both(|fleet| {
        let broken = WorkerPart {
            mischief: Some(Mischief::WrongProofs),
            kinds: vec![TaskKind::Prove],
            slots: 1,
            ..fleet.part("broken")
        };
        let broken = fleet.worker(&broken);
        let executor = WorkerPart { kinds: vec![TaskKind::Execute], ..fleet.part("executor") };
        fleet.worker(&executor);
        let job = fleet.submit(12, 1);
        until("the broken one is quarantined", || state(fleet, "broken") == Some(WorkerState::Quarantined));
        assert_eq!(fleet.exit_code(broken), Some(3), "it says why and ends");
        let part = fleet.part("good");
        fleet.worker(&part);
        fleet.proven(job, 12);
    });
}

#[test]
fn a_receipt_that_nobody_can_read_is_no_result() {
    on_both(|fleet| {
        let sealer = WorkerPart {
            mischief: Some(Mischief::GarbledReceipt),
            kinds: vec![TaskKind::Seal],
            ..fleet.part("sealer")
        };
        fleet.worker(&sealer);
        let rest = vec![TaskKind::Execute, TaskKind::Prove, TaskKind::Fold];
        let part = WorkerPart { kinds: rest, ..fleet.part("rest") };
        fleet.worker(&part);
        let job = fleet.submit(3, 1);
        until("a receipt was refused", || {
            let workers = fleet.client.workers().unwrap();
            workers.iter().any(|worker| worker.name == "sealer" && worker.strikes > 0)
        });
        let good = WorkerPart { kinds: vec![TaskKind::Seal], ..fleet.part("good") };
        fleet.worker(&good);
        fleet.proven(job, 3);
    });
}
