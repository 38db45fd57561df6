//! The service with real proofs: a gateway, workers elsewhere that get everything from it, and one of them is killed.

use super::{
    phalanx::{Done, Place, expected, finish, guest, input, proving},
    running::{Running, free_address, until},
};

#[test]
fn a_job_outlives_the_worker_that_proves_it_and_its_receipt_verifies() {
    let place = Place::new();
    let _alone = proving();
    let address = free_address();
    let server = format!("http://{address}");
    let serve = ["serve", "--roles", "gateway", "--listen", &address.to_string(), "--data", "data", "--quiet"];
    let _gateway = Running::start(&place, "gateway", &mut place.command(&serve));
    let ask = |arguments: &[&str]| place.run(&[arguments, &["--server", &server, "--json", "--quiet"]].concat());
    until("the gateway answers", || ask(&["workers"]).code == Some(0));
    let worker = ["worker", "--server", &server, "--name", "prover", "--jobs", "1", "--cache", "cache", "--quiet"];
    let first = Running::start(&place, "first", &mut place.command(&worker));
    let mergesort = guest("mergesort");
    let list = input("list-1000.bin");
    let job = ["submit", mergesort.to_str().unwrap(), "--input", list.to_str().unwrap(), "--segment-cycles", "150000"];
    let submitted = ask(&job).ok().json();
    let id = submitted["job"].as_str().unwrap().to_owned();
    let running = |kind: &str| ask(&["status", &id]).json()["tasks"][kind]["running"].as_u64() == Some(1);
    until("a proof is under way", || running("prove"));
    drop(first);
    #[cfg(feature = "otlp")]
    let collector = super::collector::Collector::start();
    let mut second = place.command(&worker);
    #[cfg(feature = "otlp")]
    second.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    let _second = Running::start(&place, "second", &mut second);
    let waited = finish(
        place
            .command(&[&job[..], &["--wait", "-o", "sorted.receipt", "--server", &server, "--json"]].concat())
            .spawn()
            .unwrap(),
    );
    let report = waited.ok().json();
    let public_values = expected("mergesort", &[("file", "inputs/list-1000.bin")]);
    assert_eq!((report["job"].as_str(), report["segments"].as_u64()), (Some(id.as_str()), Some(2)));
    assert_eq!(report["public_values"], public_values);
    let program = mergesort.to_str().unwrap();
    let verified: Done = place.run(&["verify", "sorted.receipt", "--program", program]).ok();
    assert_eq!(verified.stdout, public_values + "\n");
    #[cfg(feature = "otlp")]
    until("the spans of the job arrive", || {
        // The trace's id is the job's; its segments were proven in phases.
        let trace: Vec<u8> = id.replace('-', "").as_bytes().chunks(2).map(byte).collect();
        [&*trace, b"task", b"merkle_tree"].into_iter().all(|wanted| collector.has(wanted))
    });
}

#[cfg(feature = "otlp")]
fn byte(digits: &[u8]) -> u8 {
    u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
}
