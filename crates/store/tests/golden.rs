//! Format version 1 of the stored files, as another implementation writes them (`golden/make.py`).

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_store::{Store, decode_artifact, decode_key, encode_artifact, encode_key};

const ARTIFACT: &[u8] = include_bytes!("golden/artifact-1.bin");
const KEY: &[u8] = include_bytes!("golden/key-1.bin");

/// https://github.com/BLAKE3-team/BLAKE3/blob/master/test_vectors/test_vectors.json, input length 1024
const DIGEST: &str = "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7";

fn raw() -> Vec<u8> {
    (0..1024).map(|i| (i % 251) as u8).collect()
}

#[test]
fn an_artifact_of_format_1_is_read() {
    assert_eq!(decode_artifact(ARTIFACT), Ok((ArtifactKind::Proof, raw())));
}

#[test]
fn an_artifact_is_written_with_the_header_of_format_1() {
    let stored = encode_artifact(ArtifactKind::Proof, &raw()).unwrap();
    assert_eq!(stored[..16], ARTIFACT[..16]);
}

#[test]
fn a_key_of_format_1_is_read_and_written() {
    let (key, artifact) = (Digest::of(b""), DIGEST.parse().unwrap());
    assert_eq!(decode_key(&key, KEY), Ok(artifact));
    assert_eq!(encode_key(&key, &artifact), KEY);
}

#[test]
fn a_store_of_format_1_made_by_hand_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (key, artifact): (Digest, Digest) = (Digest::of(b""), DIGEST.parse().unwrap());
    let write = |path: String, bytes: &[u8]| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    write("FORMAT".into(), b"phalanx-store 1\n");
    write(format!("artifacts/42/{DIGEST}"), ARTIFACT);
    write(format!("keys/af/{key}"), KEY);
    write(format!("roots/job-1/{DIGEST}"), b"");

    let store = Store::open_dir(dir.path()).unwrap();
    assert_eq!(store.lookup_present(key).unwrap(), Some(artifact));
    assert_eq!(store.get(&artifact, ArtifactKind::Proof).unwrap().as_deref(), Some(raw().as_slice()));
    assert_eq!(store.roots().unwrap()["job-1"].iter().copied().collect::<Vec<_>>(), [artifact]);
    assert!(store.verify().unwrap().is_clean());
}
