//! A gateway for one test: a process of its own, a directory of its own, a port that was free.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// How long a process may take to end after it was told to.
const END_MAX: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A directory in which commands run, knowing nothing of the machine's configuration.
pub struct Place(TempDir);

impl Place {
    /// An empty one, removed at the end.
    pub fn new() -> Self {
        Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The URL of the gateway's database.
    pub fn database_url(&self) -> String {
        format!("sqlite:{}", self.path("data/queue.db").display())
    }

    /// `phalanx` with these arguments.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phalanx"));
        command.args(arguments).current_dir(self.0.path()).env_clear().env("HOME", self.0.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        Ran(self.command(arguments).output().unwrap())
    }

    /// Starts a gateway on a free port and waits until it says where it is.
    pub fn serve(&self, options: &[&str]) -> Gateway {
        self.serve_on("127.0.0.1:0", options)
    }

    /// The same on this address. What it says besides is in the file `gateway.log`.
    pub fn serve_on(&self, address: &str, options: &[&str]) -> Gateway {
        let data = self.path("data").display().to_string();
        let fixed = ["serve", "--roles", "gateway", "--listen", address, "--data", &data];
        let log = File::create(self.path("gateway.log")).unwrap();
        let mut process = self.command(&[&fixed[..], options].concat()).stderr(log).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        let log = || std::fs::read_to_string(self.path("gateway.log")).unwrap();
        assert!(url.starts_with("http"), "the gateway said {url:?}\n{}", log());
        Gateway { process, url }
    }
}

/// What a command said.
pub struct Ran(Output);

impl Ran {
    /// Its exit code.
    pub fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    /// Standard output without the last newline.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap().trim_end().to_owned()
    }

    /// Standard error.
    pub fn talk(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// Its one JSON object.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.0.stdout).unwrap_or_else(|_| panic!("{}\n{}", self.text(), self.talk()))
    }

    /// The same if it went well.
    pub fn good(self) -> Self {
        assert_eq!(self.code(), Some(0), "{}\n{}", self.text(), self.talk());
        self
    }

    /// The same if it was refused as the user's turn, with these words.
    pub fn refused(self, words: &str) -> Self {
        assert_eq!(self.code(), Some(1), "{}\n{}", self.text(), self.talk());
        assert!(self.talk().contains(words), "{words:?} is not in\n{}", self.talk());
        self
    }
}

/// A gateway that runs until it is told to end, or the test does.
pub struct Gateway {
    process: Child,
    url: String,
}

impl Gateway {
    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let signal = Command::new("kill").args([format!("-{name}"), self.process.id().to_string()]).status().unwrap();
        assert!(signal.success());
    }

    /// How it ended, within a minute.
    pub fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + END_MAX;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the gateway does not end");
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An ELF that can be loaded; nothing runs it here.
pub fn tiny_elf() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/bad-input.in/tiny.elf").display().to_string()
}
