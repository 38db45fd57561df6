//! A bucket that answers with errors, not at all, or half: whoever uses it, gateway or worker, asks again.

use crate::{
    child::WorkerPart,
    cluster::on_both_with,
    in_turns::failing_in_turns,
    proxy::{Fault, Proxy},
    servers::{Cloud, Server},
};

/// One after the other, so many connections of each. An answer is cut in its head and in its body.
const FAULTS: [(Fault, usize); 5] = [
    (Fault::Answer500, 4),
    (Fault::CutAnswer(20), 4),
    (Fault::CutRequest(10), 2),
    (Fault::CutAnswer(300), 4),
    (Fault::Stall, 1),
];

#[test]
fn a_job_survives_a_bucket_that_fails() {
    let server = Server::start(Cloud::S3);
    let proxy = Proxy::start(&server.address);
    let mut variables = server.variables(&proxy.address);
    variables.push(("AWS_READ_TIMEOUT".to_owned(), "500ms".to_owned()));
    variables.push(("PHALANX_STORE_PATIENCE_MS".to_owned(), "1500".to_owned()));
    on_both_with(
        |folder, gateway| {
            gateway.store = server.place(&folder.file_name().unwrap().to_string_lossy());
            gateway.store_variables = variables.clone();
        },
        |fleet| {
            let part = WorkerPart { silence_ms_max: 1_000, ..fleet.part("worker") };
            let job = fleet.submit(6, 1);
            let before = proxy.failed();
            failing_in_turns(&proxy, "", &FAULTS, || {
                fleet.worker(&part);
                fleet.over(job);
            });
            assert!(proxy.failed() > before + 10, "{} connections failed", proxy.failed() - before);
            fleet.proven(job, 6);
        },
    );
}
