//! A host that is cut off, while it works on: others do its tasks, it changes nothing when it is back, and then works again.

use phalanx_api::{TaskState, WorkerState};
use phalanx_plan::TaskKind;

use crate::{
    child::WorkerPart,
    cluster::{ALL, on_both_with, until},
    network::Network,
};

/// Where workers are; the gateway is on the first host.
const NEAR: usize = 1;
const FAR: usize = 2;

#[test]
fn a_host_whose_cable_is_pulled_loses_its_tasks_and_works_again_once_it_is_back() {
    let test = "cut_off::a_host_whose_cable_is_pulled_loses_its_tasks_and_works_again_once_it_is_back";
    Network::with_hosts(3, test, |network| {
        let change = |_: &std::path::Path, gateway: &mut crate::child::GatewayPart| {
            gateway.address.set_ip(network.address(0));
        };
        on_both_with(change, |fleet| {
            let at = |host| Some(network.host(host));
            let without_proofs = ALL.into_iter().filter(|kind| *kind != TaskKind::Prove).collect();
            let near = WorkerPart { host: at(NEAR), kinds: without_proofs, ..fleet.part("near") };
            let far =
                WorkerPart { host: at(FAR), kinds: vec![TaskKind::Prove], silence_ms_max: 1_000, ..fleet.part("far") };
            fleet.worker(&near);
            fleet.worker(&far);
            let job = fleet.submit(200, 1);
            until("the far host has work", || {
                fleet
                    .tasks(job)
                    .iter()
                    .any(|task| task.state == TaskState::Running && task.worker.as_deref() == Some("far"))
            });
            network.pull(FAR);
            let heir = WorkerPart { host: at(NEAR), ..fleet.part("heir") };
            let heir = fleet.worker(&heir);
            fleet.proven(job, 200);
            let stands =
                || fleet.client.workers().unwrap().into_iter().find(|worker| worker.name == "far").unwrap().state;
            assert_eq!(stands(), WorkerState::Gone);

            network.plug(FAR);
            until("the far host is back", || stands() == WorkerState::Active);
            fleet.kill(heir);
            // Nobody else proves.
            let next = fleet.submit(30, 2);
            fleet.proven(next, 30);
            fleet.proven(job, 200);
        });
    });
}
