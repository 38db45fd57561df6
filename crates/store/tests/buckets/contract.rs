//! One contract, held by a directory and by the buckets of three clouds, each a real server on loopback.

use std::{collections::BTreeSet, fs, io::Write, ops::Range, path::PathBuf, sync::Barrier, thread, time::Duration};

use futures::TryStreamExt;
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_store::{Form, Spool, Store, StoreError, Transfer, UploadError, encode_artifact};

use crate::{
    noise,
    servers::{Cloud, Server},
};

/// A kind of store, and how to open one by name.
struct Bed<'a>(&'a dyn Fn(&str) -> Result<Store, StoreError>);

impl Bed<'_> {
    fn open(&self, name: &str) -> Store {
        (self.0)(name).unwrap()
    }
}

const VALID: Duration = Duration::from_secs(60);

#[test]
fn a_directory_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    keeps_the_contract(&Bed(&|name| Store::open(dir.path().join(name).to_str().unwrap())));
}

#[test]
fn a_bucket_of_s3_keeps_the_contract() {
    let server = Server::start(Cloud::S3);
    keeps_the_contract(&Bed(&|name| server.open(name)));
    is_signed(&server);
}

#[test]
fn a_bucket_of_gcs_keeps_the_contract() {
    let server = Server::start(Cloud::Gcs);
    keeps_the_contract(&Bed(&|name| server.open(name)));
    is_signed(&server);
}

#[test]
fn a_bucket_of_azure_keeps_the_contract() {
    let server = Server::start(Cloud::Azure);
    keeps_the_contract(&Bed(&|name| server.open(name)));
    is_signed(&server);
}

fn keeps_the_contract(bed: &Bed<'_>) {
    artifacts_come_back(bed);
    streams_come_and_go(bed);
    the_first_result_wins(bed);
    a_dead_binding_is_replaced_once(bed);
    roots_are_named(bed);
    what_is_in_use_or_young_is_kept(bed);
}

/// Puts other bytes where the artifact is.
fn break_artifact(store: &Store, digest: &Digest) {
    let garbage = encode_artifact(ArtifactKind::Proof, b"garbage").unwrap();
    match store.path() {
        Some(root) => {
            let hex = digest.to_string();
            let path: PathBuf = root.join("artifacts").join(&hex[..2]).join(hex);
            fs::write(path, garbage).unwrap();
        }
        None => send(store, digest, &garbage),
    }
}

/// Sends bytes to a signed place, as one without credentials does.
fn send(store: &Store, digest: &Digest, bytes: &[u8]) {
    let place = store.place(digest, Transfer::Put, VALID).unwrap();
    let request =
        place.headers.iter().fold(ureq::put(&place.url), |request, (name, value)| request.header(*name, *value));
    request.send(bytes).unwrap();
}

fn spooled(store: &Store, bytes: &[u8]) -> Spool {
    let spool = store.spool().unwrap();
    spool.file().write_all(bytes).unwrap();
    spool
}

fn download(store: &Store, digest: &Digest, form: Form, range: Range<u64>) -> std::io::Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let opened = store.open_artifact(digest).await.unwrap().unwrap();
        let chunks: Vec<_> = opened.download(form, range).unwrap().try_collect().await?;
        Ok(chunks.concat())
    })
}

fn artifacts_come_back(bed: &Bed<'_>) {
    let (store, other) = (bed.open("artifacts"), bed.open("artifacts"));
    for bytes in [Vec::new(), b"small".to_vec(), vec![7; 1 << 20], noise("long", 20 << 20)] {
        let digest = store.put(ArtifactKind::Segment, &bytes).unwrap();
        assert!(other.contains(&digest).unwrap() && other.is_intact(&digest).unwrap());
        assert_eq!(other.get(&digest, ArtifactKind::Segment).unwrap().as_deref(), Some(bytes.as_slice()));
        // What names others stays what it is, whoever puts it again as something else.
        store.put(ArtifactKind::Stdin, &bytes).unwrap();
        assert_eq!(other.put_raw(ArtifactKind::Stdin, &spooled(&other, &bytes)).unwrap(), digest);
    }
    let kinds: BTreeSet<_> = store.ls(&|_, _| Vec::new()).unwrap().iter().map(|artifact| artifact.kind).collect();
    assert_eq!(kinds, BTreeSet::from([Some(ArtifactKind::Segment)]));
    let missing = Digest::of(b"never");
    assert!(!store.contains(&missing).unwrap() && !store.is_intact(&missing).unwrap());
    assert_eq!(store.get(&missing, ArtifactKind::Proof).unwrap(), None);

    let digest = store.put(ArtifactKind::Proof, b"proof").unwrap();
    break_artifact(&store, &digest);
    assert_eq!(store.get(&digest, ArtifactKind::Proof).unwrap(), None);
    assert!(!store.is_intact(&digest).unwrap());
    store.put(ArtifactKind::Proof, b"proof").unwrap();
    assert!(store.verify().unwrap().is_clean());
}

fn streams_come_and_go(bed: &Bed<'_>) {
    let store = bed.open("streams");
    for bytes in [Vec::new(), b"small".to_vec(), vec![7; 5 << 20], noise("streams", 20 << 20)] {
        let (digest, len) = (Digest::of(&bytes), bytes.len());
        let stored = encode_artifact(ArtifactKind::Proof, &bytes).unwrap();
        let put = store.put_stored(&digest, spooled(&store, &stored)).unwrap();
        assert_eq!(put, (ArtifactKind::Proof, len as u64));
        assert_eq!(download(&store, &digest, Form::Stored, 0..u64::MAX).unwrap(), stored);
        for (start, end) in [(0, len), (0, len.min(3)), (len / 3, len / 2), (len.saturating_sub(1), len + 9)] {
            let part = download(&store, &digest, Form::Raw, start as u64..end as u64).unwrap();
            assert_eq!(part, bytes[start..end.min(len)], "{start}..{end} of {len}");
            let part = download(&store, &digest, Form::Stored, start as u64..end as u64).unwrap();
            let inside = |at: usize| at.min(stored.len());
            assert_eq!(part, stored[inside(start)..inside(end)], "{start}..{end} of {len}, stored");
        }
    }
    let digest = Digest::of(b"something else");
    let stored = encode_artifact(ArtifactKind::Proof, b"small").unwrap();
    let refused = store.put_stored(&digest, spooled(&store, &stored)).unwrap_err();
    assert!(matches!(refused, UploadError::Corrupt { .. }), "{refused}");
    assert!(!store.contains(&digest).unwrap());
    let digest = store.put(ArtifactKind::Proof, b"proof").unwrap();
    break_artifact(&store, &digest);
    let error = download(&store, &digest, Form::Raw, 0..1).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}

fn the_first_result_wins(bed: &Bed<'_>) {
    let (store, other) = (bed.open("first"), bed.open("first"));
    let key = Digest::of(b"key");
    assert_eq!(store.lookup(key).unwrap(), None);
    let [first, second] = [b"first", b"later"].map(|bytes| store.put(ArtifactKind::Proof, bytes).unwrap());
    assert_eq!(store.record(key, first).unwrap(), first);
    assert_eq!(other.record(key, second).unwrap(), first);
    assert_eq!(other.lookup_present(key).unwrap(), Some(first));
    let fresh: Vec<Digest> = (0..6_u8).map(|round| Digest::of(&[round])).collect();
    race(&store, &other, &fresh);
}

fn a_dead_binding_is_replaced_once(bed: &Bed<'_>) {
    let (store, other) = (bed.open("dead"), bed.open("dead"));
    let mut keys = Vec::new();
    for round in 0..6_u8 {
        let key = Digest::of(&[round]);
        let dead = store.put(ArtifactKind::Proof, &[round, 0xff]).unwrap();
        store.record(key, dead).unwrap();
        break_artifact(&store, &dead);
        keys.push(key);
    }
    race(&store, &other, &keys);
}

/// Many record results for the same keys through two handles, and agree.
fn race(store: &Store, other: &Store, keys: &[Digest]) {
    for key in keys {
        let start = Barrier::new(4);
        let winners: BTreeSet<Digest> = thread::scope(|scope| {
            let racers = [(store, 0), (other, 1), (store, 2), (other, 3)].map(|(store, racer)| {
                let start = &start;
                scope.spawn(move || {
                    let mine = store.put(ArtifactKind::Proof, &[key.as_bytes(), [racer].as_slice()].concat()).unwrap();
                    start.wait();
                    store.record(*key, mine).unwrap()
                })
            });
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(winners.len(), 1);
        assert_eq!(store.lookup_present(*key).unwrap(), winners.first().copied());
    }
}

fn roots_are_named(bed: &Bed<'_>) {
    let store = bed.open("roots");
    let digest = store.put(ArtifactKind::Proof, b"proof").unwrap();
    store.pin("job-1", &[digest]).unwrap();
    store.pin("job-1", &[digest]).unwrap();
    assert_eq!(bed.open("roots").roots().unwrap().into_keys().collect::<Vec<_>>(), ["job-1"]);
    assert!(store.unpin("job-1").unwrap());
    assert!(!store.unpin("job-1").unwrap());
    assert!(store.roots().unwrap().is_empty());
}

fn what_is_in_use_or_young_is_kept(bed: &Bed<'_>) {
    let filled = bed.open("collect");
    let [live, pinned, dead] = [b"live", b"pins", b"dead"].map(|bytes| filled.put(ArtifactKind::Proof, bytes).unwrap());
    for digest in [live, pinned, dead] {
        filled.record(Digest::of(digest.as_bytes()), digest).unwrap();
    }
    filled.pin("receipt", &[pinned]).unwrap();
    drop(filled);
    let store = bed.open("collect");
    let young = store.collect(&|_| false, Duration::from_secs(3600), false).unwrap();
    assert_eq!((young.kept_artifacts, young.removed_artifacts, young.removed_keys), (3, 0, 0));
    for dry_run in [true, false] {
        let collected = store.collect(&|digest| *digest == live, Duration::ZERO, dry_run).unwrap();
        assert_eq!((collected.kept_artifacts, collected.removed_artifacts, collected.removed_keys), (2, 1, 1));
        assert_eq!(store.contains(&dead).unwrap(), dry_run);
    }
    assert!(store.contains(&live).unwrap() && store.contains(&pinned).unwrap());
    assert!(store.verify().unwrap().is_clean());
}

/// What only buckets have.
fn is_signed(server: &Server) {
    let store = server.open("signed").unwrap();
    let digest = Digest::of(b"result");
    let stored = encode_artifact(ArtifactKind::Proof, b"result").unwrap();
    send(&store, &digest, &stored);
    assert!(store.is_intact(&digest).unwrap());
    let place = store.place(&digest, Transfer::Get, VALID).unwrap();
    assert_eq!(ureq::get(&place.url).call().unwrap().body_mut().read_to_vec().unwrap(), stored);
    assert!(!format!("{place:?}").contains("http"));

    let refused = store.gc(false, &|_, _| Vec::new()).unwrap_err();
    assert!(matches!(refused, StoreError::NotCollectable { .. }), "{refused}");
    // The bucket itself has other things in it.
    let whole = server.place("");
    let refused = Store::open_with(whole.trim_end_matches('/'), server.variables(&server.address)).unwrap_err();
    assert!(matches!(refused, StoreError::NotAStore { .. }), "{refused}");
}

#[test]
fn a_directory_signs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path()).unwrap();
    let digest = store.put(ArtifactKind::Proof, b"proof").unwrap();
    assert!(store.place(&digest, Transfer::Get, VALID).is_none());
}
