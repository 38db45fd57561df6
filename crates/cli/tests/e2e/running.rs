//! Processes of a service that a test starts, hurts and ends. Each ends with the test at the latest; what it said is kept.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::phalanx::Place;

/// Nothing here takes as long; a test that waits for longer has hung.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// How often a test looks whether it has waited long enough. Tasks take seconds, so none is missed.
const LOOK: Duration = Duration::from_millis(50);

/// A process. It is killed when this is dropped.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a command. What it says besides data goes to the end of the file of this name, for people and for `said`.
    pub fn start(place: &Place, name: &str, command: &mut Command) -> Self {
        let log = place.path(&format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, log }
    }

    /// What it said so far, and those before it under its name.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let signal = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(signal.success(), "it is gone: {}", self.said());
    }

    /// Waits until it ends by itself. Absent when a signal ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        until_some("the process ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), self.said());
        }
    }
}

/// An address on this machine that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits for something to come true.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    until_some(what, || is_so().then_some(()));
}

/// Waits for something to be there.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain until {what}");
        thread::sleep(LOOK);
    }
}
