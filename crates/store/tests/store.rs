//! One process, one store: what goes in comes out, and what is broken counts as missing or is refused by name.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Barrier, thread};

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_store::{ARTIFACT_BYTES_MAX, Store, StoreError};
use tempfile::TempDir;

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path().join("store")).unwrap();
    (dir, store)
}

fn artifact_path(store: &Store, digest: &Digest) -> PathBuf {
    let hex = digest.to_string();
    store.path().unwrap().join("artifacts").join(&hex[..2]).join(hex)
}

fn key_path(store: &Store, key: &Digest) -> PathBuf {
    let hex = key.to_string();
    store.path().unwrap().join("keys").join(&hex[..2]).join(hex)
}

#[test]
fn artifacts_of_every_kind_come_back() {
    let (_dir, store) = store();
    for kind in ArtifactKind::ALL {
        for bytes in [Vec::new(), kind.name().as_bytes().to_vec(), vec![kind.number(); 3 << 20]] {
            let digest = store.put(kind, &bytes).unwrap();
            assert_eq!(digest, Digest::of(&bytes));
            assert!(store.contains(&digest).unwrap());
            assert_eq!(store.get(&digest, kind).unwrap().as_deref(), Some(bytes.as_slice()));
        }
    }
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn what_was_never_put_is_missing() {
    let (_dir, store) = store();
    let digest = Digest::of(b"never");
    assert!(!store.contains(&digest).unwrap());
    assert_eq!(store.get(&digest, ArtifactKind::Proof).unwrap(), None);
    assert_eq!(store.lookup(digest).unwrap(), None);
    assert!(store.ls(&|_, _| Vec::new()).unwrap().is_empty());
}

#[test]
fn bytes_put_as_two_kinds_are_found_as_both() {
    let (_dir, store) = store();
    let digest = store.put(ArtifactKind::Program, b"same").unwrap();
    assert_eq!(store.put(ArtifactKind::Segment, b"same").unwrap(), digest);
    store.put(ArtifactKind::Stdin, b"same").unwrap();
    for kind in ArtifactKind::ALL {
        assert!(store.get(&digest, kind).unwrap().is_some(), "{kind}");
    }
    let kind = store.ls(&|_, _| Vec::new()).unwrap()[0].kind;
    assert_eq!(kind, Some(ArtifactKind::Segment), "the kind that names others decides what a collection follows");
}

#[test]
fn an_artifact_over_the_limit_is_refused() {
    let (_dir, store) = store();
    // Zero pages of the system: never touched, so they cost nothing.
    let bytes = vec![0; usize::try_from(ARTIFACT_BYTES_MAX).unwrap() + 1];
    assert!(matches!(store.put(ArtifactKind::Pages, &bytes), Err(StoreError::TooLong { .. })));
}

#[test]
fn an_artifact_with_any_byte_flipped_is_never_wrong_and_put_heals_it() {
    let (_dir, store) = store();
    let bytes = b"a small artifact";
    let digest = store.put(ArtifactKind::Proof, bytes).unwrap();
    let path = artifact_path(&store, &digest);
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        fs::write(&path, &bad).unwrap();
        let read = store.get(&digest, ArtifactKind::Proof).unwrap();
        assert!(read.is_none_or(|read| *read == *bytes), "byte {at}");
        store.put(ArtifactKind::Proof, bytes).unwrap();
        assert_eq!(store.get(&digest, ArtifactKind::Proof).unwrap().as_deref(), Some(bytes.as_slice()), "byte {at}");
    }
}

#[test]
fn an_artifact_cut_short_anywhere_is_missing() {
    let (_dir, store) = store();
    let digest = store.put(ArtifactKind::Proof, b"a small artifact").unwrap();
    let path = artifact_path(&store, &digest);
    let good = fs::read(&path).unwrap();
    for len in 0..good.len() {
        fs::write(&path, &good[..len]).unwrap();
        assert_eq!(store.get(&digest, ArtifactKind::Proof).unwrap(), None, "{len} bytes");
        assert_eq!(store.verify().unwrap().corrupt_artifacts.len(), 1, "{len} bytes");
    }
}

#[test]
fn an_artifact_under_another_name_is_missing() {
    let (_dir, store) = store();
    let digest = store.put(ArtifactKind::Proof, b"one").unwrap();
    let other = store.put(ArtifactKind::Proof, b"another").unwrap();
    fs::copy(artifact_path(&store, &digest), artifact_path(&store, &other)).unwrap();
    assert_eq!(store.get(&other, ArtifactKind::Proof).unwrap(), None);
}

#[test]
fn the_first_result_of_a_task_wins() {
    let (_dir, store) = store();
    let key = Digest::of(b"key");
    let first = store.put(ArtifactKind::Proof, b"first").unwrap();
    let second = store.put(ArtifactKind::Proof, b"second").unwrap();
    assert_eq!(store.record(key, first).unwrap(), first);
    assert_eq!(store.record(key, second).unwrap(), first);
    assert_eq!(store.record(key, first).unwrap(), first);
    assert_eq!(store.lookup_present(key).unwrap(), Some(first));
}

#[test]
fn a_dead_binding_is_replaced() {
    let (_dir, store) = store();
    let key = Digest::of(b"key");
    let second = store.put(ArtifactKind::Proof, b"second").unwrap();
    for break_it in [|path: PathBuf| fs::remove_file(path).unwrap(), |path: PathBuf| fs::write(path, b"PHXA").unwrap()]
    {
        fs::remove_file(key_path(&store, &key)).ok();
        let first = store.put(ArtifactKind::Proof, b"first").unwrap();
        store.record(key, first).unwrap();
        break_it(artifact_path(&store, &first));
        assert_eq!(store.lookup(key).unwrap(), Some(first));
        assert_eq!(store.lookup_present(key).unwrap(), None);
        assert_eq!(store.record(key, second).unwrap(), second);
        assert_eq!(store.lookup_present(key).unwrap(), Some(second));
    }
}

#[test]
fn those_who_replace_a_dead_binding_at_once_agree() {
    let (_dir, store) = store();
    for round in 0..20_u8 {
        let key = Digest::of(&[round]);
        let dead = store.put(ArtifactKind::Proof, &[round, 0xff]).unwrap();
        store.record(key, dead).unwrap();
        fs::remove_file(artifact_path(&store, &dead)).unwrap();
        let start = Barrier::new(4);
        let winners: BTreeSet<Digest> = thread::scope(|scope| {
            let racers = [0, 1, 2, 3].map(|racer| {
                let (store, start) = (&store, &start);
                scope.spawn(move || {
                    let mine = store.put(ArtifactKind::Proof, &[round, racer]).unwrap();
                    start.wait();
                    store.record(key, mine).unwrap()
                })
            });
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(store.lookup_present(key).unwrap(), winners.first().copied());
    }
}

#[test]
fn a_corrupt_key_is_missing_and_is_replaced() {
    let (_dir, store) = store();
    let key = Digest::of(b"key");
    let first = store.put(ArtifactKind::Proof, b"first").unwrap();
    let second = store.put(ArtifactKind::Proof, b"second").unwrap();
    store.record(key, first).unwrap();
    let good = fs::read(key_path(&store, &key)).unwrap();
    for bad in [vec![], good[..71].to_vec(), [&good[..], &[0]].concat(), good.iter().map(|byte| !byte).collect()] {
        fs::write(key_path(&store, &key), &bad).unwrap();
        assert_eq!(store.lookup(key).unwrap(), None);
        assert_eq!(store.verify().unwrap().corrupt_keys.len(), 1);
        assert_eq!(store.record(key, second).unwrap(), second);
    }
}

#[test]
fn verify_names_what_is_broken() {
    let (_dir, store) = store();
    let (kept, lost) = (Digest::of(b"kept"), Digest::of(b"lost"));
    for bytes in [b"kept", b"lost"] {
        let digest = store.put(ArtifactKind::Proof, bytes).unwrap();
        store.record(Digest::of(&digest.as_bytes()[..]), digest).unwrap();
        store.pin("job", &[digest]).unwrap();
    }
    fs::write(artifact_path(&store, &lost), b"nonsense, longer than a header").unwrap();
    let verified = store.verify().unwrap();
    assert_eq!((verified.intact_artifacts, verified.intact_bytes, verified.intact_keys), (1, 4, 1));
    assert_eq!(verified.corrupt_artifacts[0].name, lost);
    assert_eq!(verified.corrupt_artifacts[0].place, artifact_path(&store, &lost).display().to_string());
    assert_eq!(verified.dangling_keys, [Digest::of(&lost.as_bytes()[..])]);
    assert_eq!(verified.missing_pins, [("job".to_owned(), lost)]);
    assert!(store.contains(&kept).unwrap());
}

#[test]
fn a_store_of_another_version_is_refused_by_name() {
    let (_dir, store) = store();
    fs::write(store.path().unwrap().join("FORMAT"), "phalanx-store 7\n").unwrap();
    let error = Store::open_dir(store.path().unwrap()).unwrap_err().to_string();
    assert_eq!(error, format!("store {} has format 7, this phalanx reads format 1", store.path().unwrap().display()));
}

#[test]
fn a_store_that_names_no_format_is_refused() {
    let (_dir, store) = store();
    for text in [&b""[..], b"phalanx-store", b"phalanx-store one", b"\xff\xff", &[b'x'; 1000]] {
        fs::write(store.path().unwrap().join("FORMAT"), text).unwrap();
        assert!(matches!(Store::open_dir(store.path().unwrap()), Err(StoreError::NoFormat { .. })));
    }
}

#[test]
fn a_directory_with_other_things_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "precious").unwrap();
    let error = Store::open_dir(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_store_half_made_by_a_killed_process_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(format!("FORMAT#{}", std::process::id())), "phal").unwrap();
    let store = Store::open_dir(dir.path()).unwrap();
    assert_eq!(store.gc(false, &|_, _| Vec::new()).unwrap().removed_temporaries, 1);
    Store::open_dir(dir.path()).unwrap();
}

#[test]
fn a_path_that_cannot_be_a_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("store"), PathBuf::from("/proc/phalanx-store")] {
        let error = Store::open_dir(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot open the store {}", path.display())), "{error}");
    }
}

#[test]
fn an_artifact_that_cannot_be_written_is_named_with_the_reason() {
    let (_dir, store) = store();
    fs::write(store.path().unwrap().join("artifacts"), "in the way").unwrap();
    let error = store.put(ArtifactKind::Proof, b"proof").unwrap_err().to_string();
    let path = artifact_path(&store, &Digest::of(b"proof"));
    assert!(error.contains(&path.display().to_string()), "{error}");
    assert!(error.contains("Not a directory"), "{error}");
}

#[test]
fn root_names_cannot_leave_their_directory() {
    let (_dir, store) = store();
    for name in ["", ".", "..", "a/b", "a#1", "/etc", "ä", &"x".repeat(129)] {
        assert!(matches!(store.pin(name, &[]), Err(StoreError::RootName { .. })), "{name}");
        assert!(matches!(store.unpin(name), Err(StoreError::RootName { .. })), "{name}");
    }
}

#[test]
fn the_store_works_and_ends_inside_an_async_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (_dir, store) = store();
        let digest = store.put(ArtifactKind::Proof, b"proof").unwrap();
        assert!(store.get(&digest, ArtifactKind::Proof).unwrap().is_some());
        assert!(matches!(store.get(&Digest::of(b"other"), ArtifactKind::Proof), Ok(None)));
        store.gc(false, &|_, _| Vec::new()).unwrap();
        assert_eq!(store.ls(&|_, _| Vec::new()).unwrap().len(), 1);
    });
}
