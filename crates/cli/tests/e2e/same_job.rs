//! The ways to give an input are one job, and two runs of one job at once share a store.

use std::{fs, path::Path};

use super::{
    phalanx::{Place, copy, fed, files_under, finish, proving},
    resumed::{self, TASKS, resumed},
    sorted::{prove, sorted},
};

#[test]
fn an_input_by_json_by_file_or_by_standard_input_is_the_same_job() {
    let done = resumed();
    let place = Place::new();
    copy(&done.place.path("store"), &place.path("store"));
    let n = 10_000u64.to_le_bytes();
    let file = place.write("n", n);
    let by_stdin = finish(fed(place.command(&resumed::prove(Path::new("-"))), &n)).ok().json();
    let by_file = place.run(&resumed::prove(&file)).ok().json();
    for report in [by_stdin, by_file] {
        assert_eq!((report["tasks_run"].as_u64(), report["tasks_reused"].as_u64()), (Some(0), Some(TASKS)));
        assert_eq!(report["public_values"], resumed::public_values());
    }
}

#[test]
fn two_runs_at_once_on_one_store_both_end_with_the_same_receipt() {
    const RECEIPT: u8 = 7;
    // All is there but the receipt, so that both make one at the same time.
    let place = sorted().copy();
    for path in files_under(&place.path("store/artifacts")) {
        if fs::read(&path).unwrap().get(4) == Some(&RECEIPT) {
            fs::remove_file(path).unwrap();
        }
    }
    let alone = proving();
    let outputs = ["first.receipt", "second.receipt"];
    let start = |output: &str| {
        let with_output =
            |argument: std::ffi::OsString| if argument == "sorted.receipt" { output.into() } else { argument };
        place.command(&prove().into_iter().map(with_output).collect::<Vec<_>>()).spawn().unwrap()
    };
    let reports = outputs.map(start).map(|child| finish(child).ok().json());
    drop(alone);
    for report in &reports {
        let (run, reused) = (report["tasks_run"].as_u64().unwrap(), report["tasks_reused"].as_u64().unwrap());
        assert!(run <= 1 && run + reused == sorted().tasks(), "{run} run, {reused} reused");
    }
    let [first, second] = outputs.map(|output| fs::read(place.path(output)).unwrap());
    assert!(first == second, "the first receipt that was recorded counts for both");
    place.run(&["verify", "second.receipt"]).ok();
    assert_eq!(place.recorded() as u64, sorted().tasks() + 1, "each task once, and the job");
}
