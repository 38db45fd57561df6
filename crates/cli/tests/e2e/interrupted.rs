//! A job that is killed or interrupted goes on where it stopped.

use std::{
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use super::{
    phalanx::{Place, finish, proving},
    sorted::{TASKS, prove, public_values},
};

/// Nothing here takes as long; a test that waits for longer has hung.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long after the next result each process is killed, in milliseconds: drawn once, kept so that a failure comes again.
const KILL_AFTER_MS: [u64; 3] = [37, 911, 2_203];

#[test]
fn after_kills_and_an_interrupt_only_unfinished_tasks_run() {
    let place = Place::new();
    let _alone = proving();
    for kill_after_ms in KILL_AFTER_MS {
        let before = place.recorded();
        let mut child = start(&place);
        wait_for(|| place.recorded() > before, &mut child);
        thread::sleep(Duration::from_millis(kill_after_ms));
        child.kill().unwrap();
        let done = finish(child);
        assert_eq!(done.code, None, "killed before it ended: {}", done.stderr);
        place.assert_store_is_clean();
    }

    let before = place.recorded();
    let mut child = start(&place);
    wait_for(|| place.recorded() > before, &mut child);
    interrupt(&child);
    let interrupted = Instant::now();
    let done = finish(child);
    // A second is promised; a busy machine gets more, but not the time that a task takes.
    assert!(interrupted.elapsed() < Duration::from_secs(5), "{:?}: {}", interrupted.elapsed(), done.stderr);
    // The error object is data: `--json` was asked for.
    assert_eq!((done.code, done.json()["error"]["message"].as_str()), (Some(130), Some("interrupted")));
    place.assert_store_is_clean();
    assert!(!place.path("sorted.receipt").exists());

    let recorded = place.recorded() as u64;
    assert!(recorded >= 4 && recorded < TASKS, "{recorded} tasks were done when the job was interrupted");
    let report = place.run(&prove()).ok().json();
    assert_eq!(report["public_values"], public_values());
    assert_eq!(
        (report["tasks_reused"].as_u64(), report["tasks_run"].as_u64()),
        (Some(recorded), Some(TASKS - recorded))
    );
    assert_eq!(place.recorded() as u64, TASKS + 1, "each task once, and the job");
    place.run(&["verify", "sorted.receipt"]).ok();
    place.assert_store_is_clean();
}

fn start(place: &Place) -> Child {
    place.command(&prove()).spawn().unwrap()
}

fn wait_for(happened: impl Fn() -> bool, child: &mut Child) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was stopped");
        assert!(Instant::now() < deadline, "nothing happened for {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Presses Ctrl-C.
fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}
