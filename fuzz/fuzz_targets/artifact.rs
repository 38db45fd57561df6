//! Stored files: no bytes make the decoders of artifacts and keys panic or allocate more than they hold, and what they
//! accept survives a round trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phalanx_claim::Digest;
use phalanx_store::{decode_artifact, decode_key, encode_artifact, encode_key};

/// Positions in an artifact file, as `phalanx_store` documents them.
const CHECK: std::ops::Range<usize> = 6..8;
const HEADER_BYTES: usize = 16;
/// A few bytes can unpack to a gigabyte, which is allowed but too slow to pack again each time.
const ROUND_TRIP_BYTES_MAX: usize = 1 << 20;

/// The file with the check that its header needs, so that mutation reaches what lies behind it.
fn with_check(file: &[u8]) -> Option<Vec<u8>> {
    let covered = [file.get(..CHECK.start)?, file.get(CHECK.end..HEADER_BYTES)?].concat();
    let mut file = file.to_vec();
    file[CHECK].copy_from_slice(&Digest::of(&covered).as_bytes()[..CHECK.len()]);
    Some(file)
}

fn artifact(file: &[u8]) {
    if let Ok((kind, bytes)) = decode_artifact(file)
        && bytes.len() <= ROUND_TRIP_BYTES_MAX
    {
        let again = encode_artifact(kind, &bytes).expect("what was decoded is within the limits");
        assert_eq!(decode_artifact(&again).ok(), Some((kind, bytes)));
    }
}

fuzz_target!(|file: &[u8]| {
    artifact(file);
    with_check(file).iter().for_each(|file| artifact(file));
    let key = Digest::of(b"a task");
    if let Ok(named) = decode_key(&key, file) {
        assert_eq!(encode_key(&key, &named), file, "one binding, two encodings");
    }
});
