//! Many processes on one store. Each test starts this same binary again, as [`child`] with a role in its environment,
//! and talks to it over its standard output.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{self, Child, ChildStdout, Command, Stdio},
};

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_store::{Store, StoreError};

const ROLE: &str = "PHALANX_STORE_TEST_ROLE";
const DIR: &str = "PHALANX_STORE_TEST_DIR";
const TASKS: u64 = 150;

/// What a child says starts with this, so that the test harness around it may talk too.
const SAYS: &str = "child: ";

fn say(words: impl std::fmt::Display) {
    println!("\n{SAYS}{words}");
}

/// Bytes that do not compress, the same for the same seed.
fn noise(seed: impl std::fmt::Display, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(seed.to_string().as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn references(kind: ArtifactKind, bytes: &[u8]) -> Vec<Digest> {
    let named = if kind == ArtifactKind::Segment { bytes.as_chunks::<32>().0 } else { &[] };
    named.iter().copied().map(Digest::new).collect()
}

/// What a child does; a test like any other that passes at once when nobody gave it a role.
#[test]
fn child() {
    let (Ok(role), Ok(dir)) = (env::var(ROLE), env::var(DIR)) else { return };
    let store = Store::open_dir(dir).unwrap();
    match role.as_str() {
        "open" => say("opened"),
        "race" => (0..TASKS).for_each(|task| race(&store, task)),
        "write" => (0..usize::MAX).for_each(|i| write(&store, i)),
        "hold" => {
            say(store.put(ArtifactKind::Proof, b"held").unwrap());
            std::thread::park();
        }
        "full" => full(&store),
        role => panic!("no role {role}"),
    }
}

/// Runs a task that every child runs: the input is the same for all, the result is not.
fn race(store: &Store, task: u64) {
    let pages = store.put(ArtifactKind::Pages, &noise(task, 5000)).unwrap();
    let result = [*pages.as_bytes(), *Digest::of(&process::id().to_le_bytes()).as_bytes()].concat();
    let mine = store.put(ArtifactKind::Segment, &result).unwrap();
    let first = store.record(Digest::of(&task.to_le_bytes()), mine).unwrap();
    if task.is_multiple_of(2) {
        store.pin("job", &[first]).unwrap();
        say(format_args!("{task} {first}"));
    }
    assert!(store.get(&mine, ArtifactKind::Segment).unwrap().is_some(), "task {task}: mine");
    assert!(store.get(&first, ArtifactKind::Segment).unwrap().is_some(), "task {task}: first");
    assert!(store.get(&pages, ArtifactKind::Pages).unwrap().is_some(), "task {task}: pages");
}

fn write(store: &Store, i: usize) {
    let bytes = noise(format_args!("{}-{i}", process::id()), (i % 1000 * 7919) % 300_000);
    let digest = store.put(ArtifactKind::Proof, &bytes).unwrap();
    store.record(Digest::of(digest.as_bytes()), digest).unwrap();
    say(i);
}

fn full(store: &Store) {
    let bytes = noise("too much", 1 << 20);
    match store.put(ArtifactKind::Proof, &bytes) {
        Err(error @ StoreError::Write { .. }) => say(error),
        other => panic!("{other:?}"),
    }
    assert!(!store.contains(&Digest::of(&bytes)).unwrap());
    let small = store.put(ArtifactKind::Proof, b"small").unwrap();
    assert!(store.get(&small, ArtifactKind::Proof).unwrap().is_some());
}

struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn start(role: &str, dir: &Path) -> Running {
    run(Command::new(env::current_exe().unwrap()), role, dir)
}

fn run(mut command: Command, role: &str, dir: &Path) -> Running {
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(ROLE, role).env(DIR, dir);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Running { child, lines }
}

impl Running {
    /// The next thing it says.
    fn said(&mut self) -> Option<String> {
        self.lines.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix(SAYS).map(str::to_owned))
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn succeeds(mut self) -> Vec<String> {
        let said = std::iter::from_fn(|| self.said()).collect();
        assert!(self.child.wait().unwrap().success());
        said
    }
}

impl Drop for Running {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found
}

#[test]
fn processes_that_make_one_store_at_once_all_open_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/store");
    let opening: Vec<_> = (0..8).map(|_| start("open", &path)).collect();
    opening.into_iter().for_each(|child| assert_eq!(child.succeeds(), ["opened"]));
    assert!(Store::open_dir(&path).unwrap().verify().unwrap().is_clean());
}

#[test]
fn racing_processes_agree_on_results_and_a_collection_takes_nothing_from_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path()).unwrap();
    let mut racing: Vec<_> = (0..4).map(|_| start("race", dir.path())).collect();
    let mut collections = 0;
    while collections < 3 || racing.iter_mut().any(|racer| racer.child.try_wait().unwrap().is_none()) {
        store.gc(false, &references).unwrap();
        collections += 1;
    }
    let mut results = BTreeMap::new();
    for said in racing.into_iter().flat_map(Running::succeeds) {
        let (task, first) = said.split_once(' ').unwrap();
        let first: Digest = first.parse().unwrap();
        assert_eq!(*results.entry(task.to_owned()).or_insert(first), first, "task {task}");
    }
    assert_eq!(results.len() as u64, TASKS.div_ceil(2));

    store.gc(false, &references).unwrap();
    for (task, first) in results {
        let task: u64 = task.parse().unwrap();
        assert_eq!(store.lookup_present(Digest::of(&task.to_le_bytes())).unwrap(), Some(first));
    }
    let verified = store.verify().unwrap();
    assert!(verified.is_clean(), "{verified:?}");
    // A result and its pages for each pinned task; whatever else the racers put went with them.
    assert_eq!(verified.intact_artifacts, 2 * TASKS.div_ceil(2));
}

#[test]
fn a_killed_writer_leaves_a_store_that_verifies_clean() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..12 {
        let mut writers = [start("write", dir.path()), start("write", dir.path())];
        for writer in &mut writers {
            (0..=round * 3).for_each(|_| drop(writer.said().unwrap()));
        }
        writers.iter_mut().for_each(Running::kill);
        let verified = Store::open_dir(dir.path()).unwrap().verify().unwrap();
        assert!(verified.is_clean(), "round {round}: {verified:?}");
        assert!(verified.intact_artifacts > round);
    }
    let store = Store::open_dir(dir.path()).unwrap();
    store.gc(false, &references).unwrap();
    let left = files(dir.path());
    assert_eq!(left.len(), 2, "only FORMAT and lock are left: {left:?}");
}

#[test]
fn a_process_holds_what_it_put_until_it_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path()).unwrap();
    let mut holder = start("hold", dir.path());
    let held: Digest = holder.said().unwrap().parse().unwrap();
    store.gc(false, &references).unwrap();
    assert!(store.contains(&held).unwrap());
    holder.kill();
    store.gc(false, &references).unwrap();
    assert!(!store.contains(&held).unwrap());
}

/// A limit on file sizes stands in for the end of the disk: both fail in the middle of a write, and this one needs no
/// privileges.
#[cfg(unix)]
#[test]
fn a_full_disk_is_named_and_leaves_nothing_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    limited.args(["-c", r#"trap "" XFSZ; ulimit -f 64; exec "$0" "$@""#]).arg(env::current_exe().unwrap());
    let said = run(limited, "full", dir.path()).succeeds();
    let digest = Digest::of(&noise("too much", 1 << 20)).to_string();
    let path = dir.path().join("artifacts").join(&digest[..2]).join(&digest);
    assert_eq!(said, [format!("cannot write {}: File too large (os error 27)", path.display())]);
    let temporaries = files(dir.path()).into_iter().filter(|path| path.to_string_lossy().contains('#')).count();
    assert_eq!(temporaries, 0);
    assert!(Store::open_dir(dir.path()).unwrap().verify().unwrap().is_clean());
}
