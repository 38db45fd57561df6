//! The ways to give an input are one job, and two runs of one job at once share a store.

use std::fs;

use super::phalanx::{Done, Place, expected, fed, finish, guest, input, proving};

#[test]
fn two_runs_at_once_by_json_input_and_by_standard_input_make_one_receipt() {
    let place = Place::new();
    let elf = guest("fibonacci").into_os_string();
    let arguments = |input: std::path::PathBuf, receipt: &str| {
        let options = ["--jobs", "1", "--json", "-o", receipt].map(Into::into);
        [&["prove".into(), elf.clone(), "--input".into(), input.into()][..], &options].concat()
    };
    let alone = proving();
    let by_json = place.command(&arguments(input("fibonacci.json"), "json.receipt")).spawn().unwrap();
    let by_stdin = fed(place.command(&arguments("-".into(), "stdin.receipt")), &10_000u64.to_le_bytes());
    let [by_json, by_stdin] = [by_json, by_stdin].map(|child| finish(child).ok());
    drop(alone);

    let public_values = expected("fibonacci", &[("hex", "1027000000000000")]);
    let done = |done: &Done| {
        let report = done.json();
        assert_eq!(report["public_values"], public_values);
        (report["tasks_run"].as_u64().unwrap(), report["tasks_reused"].as_u64().unwrap())
    };
    let (json_tasks, stdin_tasks) = (done(&by_json), done(&by_stdin));
    assert_eq!(json_tasks.0 + json_tasks.1, stdin_tasks.0 + stdin_tasks.1);
    let receipts = ["json.receipt", "stdin.receipt"].map(|name| fs::read(place.path(name)).unwrap());
    assert!(receipts[0] == receipts[1], "the first receipt that was recorded counts for both");
    let total = (json_tasks.0 + json_tasks.1) as usize;
    assert_eq!(place.recorded(), total + 1, "each task once, and the job");
    place.assert_store_is_clean();
    let verified =
        place.run(&["verify".as_ref(), "stdin.receipt".as_ref(), "--program".as_ref(), elf.as_os_str()]).ok();
    assert_eq!(verified.stdout, public_values + "\n");
}
