//! Artifacts that come and go as streams: checked on the way, never whole in memory.

use std::{fs, io::Write, ops::Range, path::PathBuf};

use futures::TryStreamExt;
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_store::{Corrupt, Form, Spool, Store, UploadError, decode_artifact, encode_artifact};
use tempfile::TempDir;

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_dir(dir.path()).unwrap();
    (dir, store)
}

fn spooled(store: &Store, bytes: &[u8]) -> Spool {
    let spool = store.spool().unwrap();
    spool.file().write_all(bytes).unwrap();
    spool
}

fn spools(store: &Store) -> usize {
    fs::read_dir(store.path().unwrap().join("spool")).unwrap().count()
}

fn artifact_path(store: &Store, digest: &Digest) -> PathBuf {
    let hex = digest.to_string();
    store.path().unwrap().join("artifacts").join(&hex[..2]).join(hex)
}

/// Bytes that compress a little, and take several pieces.
fn long() -> Vec<u8> {
    (0..300_000_u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 12).to_le_bytes()).collect()
}

/// Downloads from within an async runtime, as the gateway does.
fn download(store: &Store, digest: &Digest, form: Form, range: Range<u64>) -> Option<std::io::Result<Vec<u8>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let opened = store.open_artifact(digest).await.unwrap()?;
        let chunks: std::io::Result<Vec<_>> = opened.download(form, range).unwrap().try_collect().await;
        Some(chunks.map(|chunks| chunks.concat()))
    })
}

#[test]
fn what_was_sent_in_stored_form_is_there() {
    let (_dir, store) = store();
    for bytes in [Vec::new(), b"small".to_vec(), vec![7; 5 << 20], long()] {
        let digest = Digest::of(&bytes);
        let spool = spooled(&store, &encode_artifact(ArtifactKind::Segment, &bytes).unwrap());
        let put = store.put_stored(&digest, spool).unwrap();
        assert_eq!(put, (ArtifactKind::Segment, bytes.len() as u64));
        assert_eq!(store.get(&digest, ArtifactKind::Segment).unwrap().as_deref(), Some(bytes.as_slice()));
        assert!(store.is_intact(&digest).unwrap());
    }
    assert_eq!(spools(&store), 0);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn what_was_sent_raw_is_there() {
    let (_dir, store) = store();
    for bytes in [Vec::new(), b"small".to_vec(), vec![7; 5 << 20], long()] {
        let digest = store.put_raw(ArtifactKind::Stdin, &spooled(&store, &bytes)).unwrap();
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(store.get(&digest, ArtifactKind::Stdin).unwrap().as_deref(), Some(bytes.as_slice()));
    }
    assert_eq!(spools(&store), 0);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn what_is_not_the_artifact_is_the_senders_fault_and_leaves_nothing() {
    let (_dir, store) = store();
    let bytes = long();
    let digest = Digest::of(&bytes);
    let good = encode_artifact(ArtifactKind::Proof, &bytes).unwrap();
    let other = encode_artifact(ArtifactKind::Proof, b"other").unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let longer = [good.as_slice(), b"!"].concat();
    let cases: [&[u8]; 6] = [&other, &flipped, &longer, &good[..good.len() - 1], &bytes, b""];
    for (case, sent) in cases.into_iter().enumerate() {
        let refused = store.put_stored(&digest, spooled(&store, sent)).unwrap_err();
        assert!(matches!(refused, UploadError::Corrupt { digest: named, .. } if named == digest), "{case}: {refused}");
        assert!(!store.contains(&digest).unwrap(), "{case}");
    }
    assert_eq!(spools(&store), 0);
}

#[test]
fn a_zip_bomb_is_refused_when_it_exceeds_its_header() {
    let (_dir, store) = store();
    let bytes = vec![0; 64 << 20];
    let mut bomb = encode_artifact(ArtifactKind::Stdin, &bytes).unwrap();
    let small = encode_artifact(ArtifactKind::Stdin, b"0123456789").unwrap();
    bomb[..16].copy_from_slice(&small[..16]);
    let refused = store.put_stored(&Digest::of(b"0123456789"), spooled(&store, &bomb)).unwrap_err();
    assert!(matches!(refused, UploadError::Corrupt { corrupt: Corrupt::Body { raw_bytes: 10, .. }, .. }), "{refused}");
}

#[test]
fn an_upload_heals_what_is_corrupt_and_keeps_the_kind_that_names_others() {
    let (_dir, store) = store();
    let digest = store.put(ArtifactKind::Segment, b"same").unwrap();
    let path = artifact_path(&store, &digest);
    let segment = fs::read(&path).unwrap();
    let stdin = encode_artifact(ArtifactKind::Stdin, b"same").unwrap();
    store.put_stored(&digest, spooled(&store, &stdin)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), segment);
    fs::write(&path, b"broken").unwrap();
    store.put_stored(&digest, spooled(&store, &stdin)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), stdin);
    store.put_stored(&digest, spooled(&store, &segment)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), segment);
}

#[test]
fn an_artifact_is_downloaded_whole_in_both_forms() {
    let (_dir, store) = store();
    for bytes in [Vec::new(), b"small".to_vec(), vec![7; 5 << 20], long()] {
        let digest = store.put(ArtifactKind::Proof, &bytes).unwrap();
        let stored = download(&store, &digest, Form::Stored, 0..u64::MAX).unwrap().unwrap();
        assert_eq!(decode_artifact(&stored).unwrap(), (ArtifactKind::Proof, bytes.clone()));
        assert_eq!(download(&store, &digest, Form::Raw, 0..u64::MAX).unwrap().unwrap(), bytes);
    }
}

#[test]
fn a_range_is_what_the_whole_has_there() {
    let (_dir, store) = store();
    let bytes = long();
    let digest = store.put(ArtifactKind::Proof, &bytes).unwrap();
    for form in [Form::Raw, Form::Stored] {
        let whole = download(&store, &digest, form, 0..u64::MAX).unwrap().unwrap();
        let len = whole.len();
        for (start, end) in [(0, 1), (0, 0), (5, 5), (131_071, 131_073), (len - 1, len), (700_000, len), (9, len + 9)] {
            let part = download(&store, &digest, form, start as u64..end as u64).unwrap().unwrap();
            assert_eq!(part, whole[start..end.min(len)], "{form:?} {start}..{end}");
        }
        assert!(download(&store, &digest, form, len as u64 + 5..len as u64 + 9).unwrap().unwrap().is_empty());
    }
}

#[test]
fn a_missing_artifact_and_one_with_a_corrupt_header_are_not_found() {
    let (_dir, store) = store();
    let digest = store.put(ArtifactKind::Proof, b"proof").unwrap();
    let path = artifact_path(&store, &digest);
    let good = fs::read(&path).unwrap();
    for bad in [&good[..0], &good[..15], b"0123456789abcdef0123456789abcdef0123456789"] {
        fs::write(&path, bad).unwrap();
        assert!(download(&store, &digest, Form::Raw, 0..9).is_none());
        assert!(!store.is_intact(&digest).unwrap());
    }
    fs::remove_file(&path).unwrap();
    assert!(download(&store, &digest, Form::Raw, 0..9).is_none());
    assert!(!store.is_intact(&digest).unwrap());
}

#[test]
fn a_raw_download_of_a_corrupt_artifact_ends_with_an_error_whatever_its_range() {
    let (_dir, store) = store();
    let bytes = long();
    let digest = store.put(ArtifactKind::Proof, &bytes).unwrap();
    let path = artifact_path(&store, &digest);
    let good = fs::read(&path).unwrap();
    let other = encode_artifact(ArtifactKind::Proof, &[bytes.as_slice(), b"!"].concat()).unwrap();
    let longer = [good.as_slice(), b"!"].concat();
    for bad in [&good[..good.len() - 1], &other, &longer] {
        fs::write(&path, bad).unwrap();
        for range in [0..10, 0..u64::MAX] {
            let error = download(&store, &digest, Form::Raw, range).unwrap().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
        }
        assert!(!store.is_intact(&digest).unwrap());
    }
}

#[test]
fn a_file_that_is_cut_short_while_it_is_read_ends_with_an_error() {
    let (_dir, store) = store();
    // More than is read ahead of a slow reader.
    let mut bytes = vec![0; 4 << 20];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    let digest = store.put(ArtifactKind::Proof, &bytes).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let opened = store.open_artifact(&digest).await.unwrap().unwrap();
        let mut download = opened.download(Form::Stored, 0..u64::MAX).unwrap();
        let first = download.try_next().await.unwrap().unwrap();
        let file = fs::OpenOptions::new().write(true).open(artifact_path(&store, &digest)).unwrap();
        file.set_len(first.len() as u64).unwrap();
        // What was read ahead may still come.
        let rest: std::io::Result<Vec<_>> = download.try_collect().await;
        assert!(rest.is_err_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof));
    });
}

#[test]
fn a_collection_takes_spools_of_the_dead_only() {
    let (_dir, store) = store();
    let spool = spooled(&store, b"still coming");
    let dead = store.path().unwrap().join("spool").join("1-0");
    fs::write(&dead, b"half").unwrap();
    let collected = store.gc(false, &|_, _| Vec::new()).unwrap();
    assert_eq!(collected.removed_temporaries, 1);
    assert!(!dead.exists());
    assert_eq!(spools(&store), 1);
    drop(spool);
    assert_eq!(spools(&store), 0);
}
