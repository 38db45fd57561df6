//! Runs the binary: a directory of its own for each test, one key cache for all, one proof at a time.

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use serde_json::Value;
use tempfile::TempDir;

/// A directory in which commands run, with a store of its own.
pub struct Place(Directory);

enum Directory {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Place {
    /// An empty one, removed at the end.
    pub fn new() -> Self {
        Self(Directory::Temporary(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()))
    }

    /// An empty one that stays until the next run, because tests that run to the end of the process look at it.
    pub fn kept(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if path.exists() {
            fs::remove_dir_all(&path).unwrap();
        }
        fs::create_dir_all(&path).unwrap();
        Self(Directory::Kept(path))
    }

    pub fn root(&self) -> &Path {
        match &self.0 {
            Directory::Temporary(directory) => directory.path(),
            Directory::Kept(path) => path,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes a file into the directory.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// `phalanx` with these arguments; its store is `store` unless they say otherwise.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments);
        self.here(command)
    }

    /// A shell that runs `script`, in which `"$@"` is `phalanx` with these arguments.
    pub fn shell<S: AsRef<OsStr>>(&self, script: &str, arguments: &[S]) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", script, "bash", BINARY]).args(arguments);
        self.here(command)
    }

    fn here(&self, mut command: Command) -> Command {
        command
            .current_dir(self.root())
            .env("PHALANX_STORE", "store")
            .env_remove("PHALANX_LOG")
            .env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command that proves nothing.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Done {
        finish(self.command(arguments).spawn().unwrap())
    }

    /// Runs a command that proves, with keys made before, while no other does.
    pub fn prove<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Done {
        let _alone = proving();
        self.run(arguments)
    }

    /// What `store verify` says of its store.
    pub fn assert_store_is_clean(&self) {
        self.run(&["store", "verify"]).ok();
    }

    /// Names of the files in the directory, hidden ones too.
    pub fn files(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(self.root()).unwrap().map(name).collect();
        names.sort();
        names
    }

    /// How many results of tasks its store has recorded.
    pub fn recorded(&self) -> usize {
        let whole = |path: &Path| !path.to_string_lossy().contains('#');
        files_under(&self.path("store/keys")).iter().filter(|path| whole(path)).count()
    }
}

const BINARY: &str = env!("CARGO_BIN_EXE_phalanx");

/// Held while proofs are made: each takes all cores and gigabytes of memory.
pub fn proving() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    warm_keys();
    alone
}

/// The key files, made by a process of their own, and when each was written.
pub fn warm_keys() -> &'static [(PathBuf, SystemTime)] {
    // If it fails once it fails for all, at once.
    static KEYS: LazyLock<Vec<(PathBuf, SystemTime)>> = LazyLock::new(|| {
        let listed = Place::new().run(&["keys", "--warm", "--json"]).ok().json();
        let directory = PathBuf::from(listed["directory"].as_str().unwrap());
        let path = |key: &Value| directory.join(key["name"].as_str().unwrap());
        listed["keys"].as_array().unwrap().iter().map(path).map(|path| (path.clone(), written(&path))).collect()
    });
    &KEYS
}

/// When a file was written last.
pub fn written(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

/// Starts a command and gives it this on its standard input.
pub fn fed(mut command: Command, input: &[u8]) -> Child {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child
}

/// Waits for a process and reads all it says.
pub fn finish(child: Child) -> Done {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    // Guests panic too, and their words are shown; only our own panics come with this advice.
    assert!(!stderr.contains("RUST_BACKTRACE"), "a panic was printed:\n{stderr}");
    Done { code: status.code(), stdout, stderr }
}

/// A command that ended.
#[derive(Debug)]
pub struct Done {
    /// Absent when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// It succeeded.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// The object that it printed.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// It failed with this exit code, printed no data, and its error contains each of these.
    pub fn refused(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "a refused command prints no data");
        let error = self.stderr.find("error: ").map(|at| &self.stderr[at..]);
        let error = error.unwrap_or_else(|| panic!("no error in: {}", self.stderr));
        for part in says {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }
}

/// The committed ELF of a guest.
pub fn guest(name: &str) -> PathBuf {
    repository(&format!("guests/elf/{name}.elf"))
}

/// A committed input.
pub fn input(name: &str) -> PathBuf {
    repository(&format!("guests/inputs/{name}"))
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The public values that a program of its own computed for a guest on these inputs, named as in `expected.json`.
pub fn expected(guest: &str, inputs: &[(&str, &str)]) -> String {
    let file: Value = serde_json::from_slice(&fs::read(repository("guests/expected.json")).unwrap()).unwrap();
    let inputs: Value = inputs.iter().map(|(kind, text)| serde_json::json!({ *kind: text })).collect();
    let case = file["cases"].as_array().unwrap().iter().find(|case| case["guest"] == guest && case["inputs"] == inputs);
    let case = case.unwrap_or_else(|| panic!("no case for {guest} on {inputs:?}"));
    case["public_values"].as_str().unwrap().to_owned()
}

/// Every file under a directory, which need not exist.
pub fn files_under(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] }).collect()
}

/// Copies a directory and all in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}
