//! The job that is killed and interrupted until it is done; the place where that happened is shared.

use std::{
    ffi::OsString,
    path::Path,
    process::{Child, Command},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::phalanx::{Done, Place, expected, finish, guest, input, proving};

/// One segment: an execution, a proof, a fold in each layer, a seal. Enough to be stopped between any two.
pub const TASKS: u64 = 6;
/// Nothing here takes as long; a test that waits for longer has hung.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long after the next result each process is killed, in milliseconds: drawn once, kept so that a failure comes again.
const KILL_AFTER_MS: [u64; 3] = [37, 411, 903];

/// What was seen on the way.
pub struct Resumed {
    pub place: Place,
    /// The end of the process that got Ctrl-C, and how long after.
    pub interrupted: Done,
    pub interrupted_after: Duration,
    /// Results that were there when the last process started.
    pub recorded: u64,
    /// What the last process printed.
    pub report: Value,
}

/// Starts it over and over, or waits until someone has.
pub fn resumed() -> &'static Resumed {
    static RESUMED: LazyLock<Resumed> = LazyLock::new(|| {
        let place = Place::kept("e2e-resumed");
        let _alone = proving();
        for kill_after_ms in KILL_AFTER_MS {
            let mut child = start_and_wait_for_a_result(&place);
            thread::sleep(Duration::from_millis(kill_after_ms));
            child.kill().unwrap();
            let done = finish(child);
            assert_eq!(done.code, None, "it ended before it was killed: {}", done.stderr);
            place.assert_store_is_clean();
        }
        let child = start_and_wait_for_a_result(&place);
        press_ctrl_c(&child);
        let pressed = Instant::now();
        let interrupted = finish(child);
        let interrupted_after = pressed.elapsed();
        place.assert_store_is_clean();
        assert!(!place.path("n.receipt").exists());
        let recorded = place.recorded() as u64;
        let report = place.run(&prove(&input("fibonacci.json"))).ok().json();
        Resumed { place, interrupted, interrupted_after, recorded, report }
    });
    &RESUMED
}

/// The command that proves it, with its input from this file.
pub fn prove(input: &Path) -> [OsString; 7] {
    let elf = guest("fibonacci").into_os_string();
    ["prove".into(), elf, "--input".into(), input.into(), "-o".into(), "n.receipt".into(), "--json".into()]
}

/// What it must reveal.
pub fn public_values() -> String {
    expected("fibonacci", &[("hex", "1027000000000000")])
}

fn start_and_wait_for_a_result(place: &Place) -> Child {
    let before = place.recorded();
    let mut child = place.command(&prove(&input("fibonacci.json"))).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while place.recorded() == before {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was stopped");
        assert!(Instant::now() < deadline, "nothing happened for {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

fn press_ctrl_c(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}
