//! An artifact that vanishes from the store is made again by the task that made it.

use std::fs;

use phalanx_api::TaskState;
use phalanx_plan::TaskKind;

use crate::{
    child::WorkerPart,
    cluster::{on_both, until},
};

#[test]
fn a_proof_that_vanished_is_proven_again() {
    on_both(|fleet| {
        let kinds = vec![TaskKind::Execute, TaskKind::Prove];
        let prover = WorkerPart { kinds, ..fleet.part("prover") };
        let prover = fleet.worker(&prover);
        let job = fleet.submit(4, 1);
        until("all is proven and nothing folded", || fleet.done(job) == 5);
        let proof = fleet.tasks(job).into_iter().find(|task| task.kind == TaskKind::Prove).unwrap();
        let name = proof.output.unwrap().to_string();
        fleet.kill(prover);
        fs::remove_file(fleet.folder.path().join("store/artifacts").join(&name[..2]).join(&name)).unwrap();
        let part = fleet.part("heir");
        fleet.worker(&part);
        fleet_proves_again(fleet, job, &proof);
    });
}

#[test]
fn a_segment_that_vanished_is_executed_again() {
    on_both(|fleet| {
        let executor = WorkerPart { kinds: vec![TaskKind::Execute], ..fleet.part("executor") };
        let executor = fleet.worker(&executor);
        let job = fleet.submit(4, 1);
        until("all is executed", || fleet.done(job) == 1);
        fleet.kill(executor);
        // Everything that the execution left but its own result.
        let result = fleet.tasks(job).into_iter().find(|task| task.state == TaskState::Done).unwrap();
        let kept =
            [result.output.unwrap(), fleet.job(job).program, fleet.job(job).input].map(|digest| digest.to_string());
        for shard in fs::read_dir(fleet.folder.path().join("store/artifacts")).unwrap() {
            for file in fs::read_dir(shard.unwrap().path()).unwrap() {
                let file = file.unwrap();
                if !kept.contains(&file.file_name().to_string_lossy().into_owned()) {
                    fs::remove_file(file.path()).unwrap();
                }
            }
        }
        let part = fleet.part("heir");
        fleet.worker(&part);
        let view = fleet.over(job);
        assert_eq!(view.state, phalanx_api::JobState::Done, "{:?}: {:?}", view.failed_task, view.failure);
    });
}

fn fleet_proves_again(fleet: &crate::cluster::Cluster, job: phalanx_api::JobId, proof: &phalanx_api::TaskView) {
    let view = fleet.over(job);
    assert_eq!(view.state, phalanx_api::JobState::Done, "{:?}: {:?}", view.failed_task, view.failure);
    let again = fleet.client.attempts(job, proof.task).unwrap();
    assert!(again.len() >= 2, "{again:?}");
}
