//! Between a worker and its gateway answers are lost, requests are cut and transfers stall: what was said twice counts once,
//! and what arrived by half counts not at all.

use crate::{
    child::WorkerPart,
    cluster::on_both,
    in_turns::failing_in_turns,
    proxy::{Fault, Proxy},
};

#[test]
fn a_job_survives_what_happens_to_every_call_of_its_worker() {
    let faults =
        [(Fault::Answer500, 2), (Fault::CutAnswer(20), 2), (Fault::CutRequest(40), 2), (Fault::CutAnswer(150), 2)];
    worked_through("", &faults);
}

#[test]
fn a_job_survives_what_happens_to_its_artifacts_on_their_way() {
    let faults = [
        (Fault::Stall, 1),
        (Fault::Answer500, 3),
        (Fault::CutAnswer(180), 3),
        (Fault::CutRequest(20), 3),
        (Fault::CutAnswer(20), 3),
    ];
    worked_through("/v1/artifacts/", &faults);
}

fn worked_through(only: &'static str, faults: &[(Fault, usize)]) {
    on_both(|fleet| {
        let proxy = Proxy::start(&fleet.address(0).to_string());
        let server = format!("http://{}", proxy.address);
        let part = WorkerPart { server, silence_ms_max: 1_000, ..fleet.part("worker") };
        let job = fleet.submit(16, 1);
        failing_in_turns(&proxy, only, faults, || {
            fleet.worker(&part);
            fleet.over(job);
        });
        assert!(proxy.failed() > 10, "{} calls failed", proxy.failed());
        fleet.proven(job, 16);
    });
}
