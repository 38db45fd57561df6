//! A job that is killed or interrupted goes on where it stopped.

use std::time::Duration;

use super::resumed::{TASKS, public_values, resumed};

#[test]
fn after_kills_and_an_interrupt_only_unfinished_tasks_run() {
    let resumed = resumed();
    // Three kills and an interrupt, each after at least one more result.
    let recorded = resumed.recorded;
    assert!((4..TASKS).contains(&recorded), "{recorded} tasks were done when the job was interrupted");
    let report = &resumed.report;
    assert_eq!(
        (report["tasks_reused"].as_u64(), report["tasks_run"].as_u64()),
        (Some(recorded), Some(TASKS - recorded))
    );
    assert_eq!(resumed.place.recorded() as u64, TASKS + 1, "each task once, and the job");
    assert_eq!(report["public_values"], public_values());
    assert_eq!(resumed.place.run(&["verify", "n.receipt"]).ok().stdout, public_values() + "\n");
    resumed.place.assert_store_is_clean();
}

#[test]
fn ctrl_c_ends_the_process_soon_and_says_how_to_go_on() {
    let resumed = resumed();
    let done = &resumed.interrupted;
    // The error object is data: `--json` was asked for.
    assert_eq!((done.code, done.json()["error"]["message"].as_str()), (Some(130), Some("interrupted")));
    assert!(done.stderr.contains("run the same command again"), "{}", done.stderr);
    // A second is promised; a busy machine gets more, but less than a task takes.
    assert!(resumed.interrupted_after < Duration::from_secs(5), "{:?}: {}", resumed.interrupted_after, done.stderr);
}
