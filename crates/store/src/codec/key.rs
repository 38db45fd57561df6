//! A key file: which artifact is the result of the task with this key.
//!
//! ```text
//! 0..4    magic "PHXK"
//! 4       format version
//! 5..8    zero
//! 8..40   digest of the artifact
//! 40..72  check: blake3 in derive-key mode over task key ‖ bytes 0..40
//! ```
//!
//! The check covers the task key, so a key file under another name is corrupt too.

use phalanx_claim::Digest;

use super::Corrupt;

pub(crate) const KEY_FILE_BYTES: usize = 72;

const MAGIC: [u8; 4] = *b"PHXK";
const VERSION: u8 = 1;
const HEADER: [u8; 8] = {
    let [m0, m1, m2, m3] = MAGIC;
    [m0, m1, m2, m3, VERSION, 0, 0, 0]
};

fn check(key: &Digest, header: [u8; 8], artifact: &Digest) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("phalanx store key file 1");
    hasher.update(key.as_bytes()).update(&header).update(artifact.as_bytes());
    *hasher.finalize().as_bytes()
}

/// The file that binds `key` to `artifact`.
pub fn encode(key: &Digest, artifact: &Digest) -> Vec<u8> {
    let mut stored = Vec::with_capacity(KEY_FILE_BYTES);
    stored.extend_from_slice(&HEADER);
    stored.extend_from_slice(artifact.as_bytes());
    stored.extend_from_slice(&check(key, HEADER, artifact));
    stored
}

/// The artifact that the file binds `key` to.
///
/// # Errors
/// When the file is not the one that [`encode`] makes for this key.
pub fn decode(key: &Digest, stored: &[u8]) -> Result<Digest, Corrupt> {
    let Ok(stored) = <&[u8; KEY_FILE_BYTES]>::try_from(stored) else {
        return Err(Corrupt::Size { found: stored.len(), expected: KEY_FILE_BYTES });
    };
    let (header, rest) = stored.split_first_chunk::<8>().ok_or(Corrupt::Check)?;
    let (artifact, found) = rest.split_first_chunk::<32>().ok_or(Corrupt::Check)?;
    let [m0, m1, m2, m3, version, ..] = *header;
    if [m0, m1, m2, m3] != MAGIC {
        return Err(Corrupt::Magic { found: [m0, m1, m2, m3], expected: MAGIC });
    }
    if version != VERSION {
        return Err(Corrupt::Format { found: version, ours: VERSION });
    }
    let artifact = Digest::new(*artifact);
    if *header != HEADER || *found != check(key, *header, &artifact) {
        return Err(Corrupt::Check);
    }
    Ok(artifact)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_flipped_bit_and_every_truncation_is_noticed() {
        let (key, artifact) = (Digest::of(b"key"), Digest::of(b"artifact"));
        let good = encode(&key, &artifact);
        assert_eq!(decode(&key, &good), Ok(artifact));
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&key, &bad).is_err(), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(decode(&key, &good[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_key_file_under_another_name_is_refused() {
        let stored = encode(&Digest::of(b"key"), &Digest::of(b"artifact"));
        assert_eq!(decode(&Digest::of(b"another key"), &stored), Err(Corrupt::Check));
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(key: [u8; 32], artifact: [u8; 32]) {
            let (key, artifact) = (Digest::new(key), Digest::new(artifact));
            prop_assert_eq!(decode(&key, &encode(&key, &artifact)), Ok(artifact));
        }
    }
}
