//! What a collection keeps and what it takes.

use std::{collections::BTreeSet, fs};

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_store::{Collected, Store};
use tempfile::TempDir;

/// An artifact of these tests names others by listing their digests.
fn references(_: ArtifactKind, bytes: &[u8]) -> Vec<Digest> {
    bytes.as_chunks::<32>().0.iter().copied().map(Digest::new).collect()
}

fn naming(digests: &[Digest]) -> Vec<u8> {
    digests.iter().flat_map(|digest| *digest.as_bytes()).collect()
}

/// Runs `fill` in a handle that ends with it, so that nothing is held any more.
fn filled<T>(fill: impl FnOnce(&Store) -> T) -> (TempDir, Store, T) {
    let dir = tempfile::tempdir().unwrap();
    let filled = fill(&Store::open_dir(dir.path()).unwrap());
    let store = Store::open_dir(dir.path()).unwrap();
    (dir, store, filled)
}

fn left(store: &Store) -> BTreeSet<Digest> {
    store.ls(&references).unwrap().into_iter().map(|artifact| artifact.digest).collect()
}

#[test]
fn what_a_root_leads_to_stays_and_the_rest_goes() {
    let (_dir, store, (kept, key)) = filled(|store| {
        let pages = store.put(ArtifactKind::Pages, b"pages").unwrap();
        let segment = store.put(ArtifactKind::Segment, &naming(&[pages])).unwrap();
        let execution = store.put(ArtifactKind::Execution, &naming(&[segment])).unwrap();
        store.pin("job", &[execution]).unwrap();
        let garbage = store.put(ArtifactKind::Proof, b"garbage").unwrap();
        store.put(ArtifactKind::Execution, &naming(&[garbage])).unwrap();
        let (live, dead) = (Digest::of(b"live"), Digest::of(b"dead"));
        store.record(live, execution).unwrap();
        store.record(dead, garbage).unwrap();
        ([pages, segment, execution], (live, dead))
    });
    let reachable = store.ls(&references).unwrap().into_iter().filter(|artifact| artifact.reachable).count();
    assert_eq!(reachable, 3);

    let dry = store.gc(true, &references).unwrap();
    assert_eq!(left(&store).len(), 5, "a dry run removes nothing");
    let wet = store.gc(false, &references).unwrap();
    assert_eq!(dry, wet);
    assert_eq!((wet.kept_artifacts, wet.removed_artifacts, wet.removed_keys), (3, 2, 1));
    assert_eq!(left(&store), BTreeSet::from(kept));
    assert_eq!(store.lookup_present(key.0).unwrap(), Some(kept[2]));
    assert_eq!(store.lookup(key.1).unwrap(), None);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn an_unpinned_root_keeps_nothing() {
    let (_dir, store, digest) = filled(|store| {
        let digest = store.put(ArtifactKind::Receipt, b"receipt").unwrap();
        store.pin("one", &[digest]).unwrap();
        store.pin("two", &[digest]).unwrap();
        digest
    });
    assert!(store.unpin("one").unwrap());
    assert!(!store.unpin("one").unwrap());
    store.gc(false, &references).unwrap();
    assert!(store.contains(&digest).unwrap(), "the other root still keeps it");
    assert!(store.unpin("two").unwrap());
    assert_eq!(store.gc(false, &references).unwrap().removed_artifacts, 1);
    assert!(store.roots().unwrap().is_empty());
}

#[test]
fn pinning_adds_to_a_root() {
    let (_dir, store, digests) = filled(|store| {
        let digests = [b"a", b"b"].map(|bytes| store.put(ArtifactKind::Proof, bytes).unwrap());
        digests.iter().for_each(|digest| store.pin("job", &[*digest]).unwrap());
        digests
    });
    assert_eq!(store.roots().unwrap()["job"], BTreeSet::from(digests));
    assert_eq!(store.gc(false, &references).unwrap().removed_artifacts, 0);
}

#[test]
fn an_open_handle_holds_what_it_put_and_what_that_names() {
    let (_dir, store, pages) = filled(|store| store.put(ArtifactKind::Pages, b"pages").unwrap());
    let working = Store::open_dir(store.path().unwrap()).unwrap();
    working.put(ArtifactKind::Segment, &naming(&[pages])).unwrap();
    assert_eq!(store.gc(false, &references).unwrap().removed_artifacts, 0);
    drop(working);
    assert_eq!(store.gc(false, &references).unwrap().removed_artifacts, 2);
}

#[test]
fn an_open_handle_holds_what_it_looked_up() {
    let key = Digest::of(b"key");
    let (_dir, store, _) = filled(|store| {
        let pages = store.put(ArtifactKind::Pages, b"pages").unwrap();
        let segment = store.put(ArtifactKind::Segment, &naming(&[pages])).unwrap();
        store.record(key, segment).unwrap();
    });
    let working = Store::open_dir(store.path().unwrap()).unwrap();
    assert!(working.lookup_present(key).unwrap().is_some());
    let collected = store.gc(false, &references).unwrap();
    assert_eq!((collected.removed_artifacts, collected.removed_keys), (0, 0));
}

#[test]
fn a_hold_file_without_a_living_process_holds_nothing() {
    let (_dir, store, digest) = filled(|store| store.put(ArtifactKind::Proof, b"proof").unwrap());
    let stale = store.path().unwrap().join("holds").join("1-0");
    fs::write(&stale, digest.as_bytes()).unwrap();
    assert_eq!(store.gc(false, &references).unwrap().removed_artifacts, 1);
    assert!(!stale.exists());
}

#[test]
fn half_written_files_of_the_dead_go_and_those_of_the_living_stay() {
    let (_dir, store, _) = filled(|store| {
        let proof = store.put(ArtifactKind::Proof, b"dead").unwrap();
        store.record(proof, proof).unwrap();
        store.pin("job", &[proof]).unwrap();
    });
    let working = Store::open_dir(store.path().unwrap()).unwrap();
    let living = working.put(ArtifactKind::Proof, b"living").unwrap();
    let staged = |dir: &str, digest: &Digest| {
        let hex = digest.to_string();
        let file = store.path().unwrap().join(dir).join(&hex[..2]).join(format!("{hex}#1"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, b"half").unwrap();
        file
    };
    let dead = [staged("artifacts", &Digest::of(b"dead")), staged("keys", &Digest::of(b"dead"))];
    let writing = staged("artifacts", &living);
    let collected = store.gc(false, &references).unwrap();
    assert_eq!(collected.removed_temporaries, 2);
    assert!(dead.iter().all(|file| !file.exists()));
    assert!(writing.exists());
}

#[test]
fn a_cycle_of_names_ends() {
    // Digests cannot form one, but what the caller reads out of an artifact can.
    let (_dir, store, digests) = filled(|store| {
        let digests = [b"a", b"b"].map(|bytes| store.put(ArtifactKind::Segment, bytes).unwrap());
        store.pin("job", &digests[..1]).unwrap();
        digests
    });
    assert_eq!(store.gc(false, &|_, _| digests.to_vec()).unwrap().kept_artifacts, 2);
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    let (_dir, store, _) = filled(|store| store.put(ArtifactKind::Proof, b"proof").unwrap());
    let odd = store.path().unwrap().join("artifacts").join("README");
    fs::write(&odd, "hello").unwrap();
    assert_eq!(store.gc(false, &references).unwrap().removed_artifacts, 1);
    assert!(odd.exists());
}

#[test]
fn a_missing_pin_is_kept_for_and_not_an_error() {
    let (_dir, store, _) = filled(|store| store.pin("job", &[Digest::of(b"later")]).unwrap());
    assert_eq!(store.gc(false, &references).unwrap(), Collected::default());
}
