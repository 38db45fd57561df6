//! An artifact file: 16 bytes of header, then the bytes as one zstd frame.
//!
//! ```text
//! 0..4    magic "PHXA"
//! 4       kind
//! 5       format version
//! 6..8    check: the first two bytes of blake3(bytes 0..6 ‖ bytes 8..16)
//! 8..16   length of the uncompressed bytes, little-endian
//! ```
//!
//! The digest that names the file covers the bytes but not the kind; the check covers the kind, so that no flipped bit
//! turns an artifact that names others into one that names none.

use std::io;

use phalanx_claim::{ArtifactKind, Digest};
use zstd::{bulk, zstd_safe};

use super::Corrupt;

/// The longest artifact, uncompressed: 1 GiB. Nothing longer is stored, and nothing longer is allocated when reading.
pub const ARTIFACT_BYTES_MAX: u64 = 1 << 30;

pub(crate) const HEADER_BYTES: usize = 16;

const MAGIC: [u8; 4] = *b"PHXA";
const VERSION: u8 = 1;

/// The level at which compression costs less than the disk it saves; incompressible bytes pass nearly at memory speed.
pub(crate) const ZSTD_LEVEL: i32 = 1;

/// What the header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub kind: ArtifactKind,
    pub raw_bytes: u64,
}

impl Header {
    /// The header as bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [m0, m1, m2, m3] = MAGIC;
        let front = [m0, m1, m2, m3, self.kind.number(), VERSION];
        let back = self.raw_bytes.to_le_bytes();
        let mut bytes = [0; HEADER_BYTES];
        let filled = front.into_iter().chain(check(front, back)).chain(back);
        bytes.iter_mut().zip(filled).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Reads the header at the start of a file.
    pub fn parse(stored: &[u8]) -> Result<Self, Corrupt> {
        let Some(&header) = stored.first_chunk::<HEADER_BYTES>() else {
            return Err(Corrupt::Size { found: stored.len(), expected: HEADER_BYTES });
        };
        let [m0, m1, m2, m3, kind, version, c0, c1, back @ ..] = header;
        let found = [m0, m1, m2, m3];
        if found != MAGIC {
            return Err(Corrupt::Magic { found, expected: MAGIC });
        }
        if version != VERSION {
            return Err(Corrupt::Format { found: version, ours: VERSION });
        }
        if [c0, c1] != check([m0, m1, m2, m3, kind, version], back) {
            return Err(Corrupt::Check);
        }
        let kind = ArtifactKind::from_number(kind).ok_or(Corrupt::Kind(kind))?;
        let raw_bytes = u64::from_le_bytes(back);
        if raw_bytes > ARTIFACT_BYTES_MAX {
            return Err(Corrupt::TooLong { raw_bytes, bytes_max: ARTIFACT_BYTES_MAX });
        }
        Ok(Self { kind, raw_bytes })
    }
}

fn check(front: [u8; 6], back: [u8; 8]) -> [u8; 2] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&front).update(&back);
    let [c0, c1, ..] = *hasher.finalize().as_bytes();
    [c0, c1]
}

/// The most bytes that an artifact file can have; a longer one is corrupt and is not read whole.
pub(crate) fn stored_bytes_max() -> u64 {
    let raw = usize::try_from(ARTIFACT_BYTES_MAX).unwrap_or(usize::MAX / 2);
    u64::try_from(HEADER_BYTES.saturating_add(zstd_safe::compress_bound(raw))).unwrap_or(u64::MAX)
}

/// The file that holds `bytes`, which are at most [`ARTIFACT_BYTES_MAX`].
///
/// # Errors
/// When the bytes are too long, or the compressor gets no memory.
pub fn encode(kind: ArtifactKind, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let raw_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if raw_bytes > ARTIFACT_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut stored = Vec::new();
    stored
        .try_reserve_exact(HEADER_BYTES.saturating_add(zstd_safe::compress_bound(bytes.len())))
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    stored.extend_from_slice(&Header { kind, raw_bytes }.to_bytes());
    let mut stored = io::Cursor::new(stored);
    stored.set_position(HEADER_BYTES as u64);
    bulk::Compressor::new(ZSTD_LEVEL)?.compress_to_buffer(bytes, &mut stored)?;
    Ok(stored.into_inner())
}

/// The kind and the bytes that a file holds; whether they are the right ones, their digest decides.
///
/// # Errors
/// When the file is not one that [`encode`] makes. Never allocates more than the frame and the header agree on.
pub fn decode(stored: &[u8]) -> Result<(ArtifactKind, Vec<u8>), Corrupt> {
    let Header { kind, raw_bytes } = Header::parse(stored)?;
    let body = stored.get(HEADER_BYTES..).unwrap_or_default();
    let corrupt = |reason: &str| Corrupt::Body { raw_bytes, reason: reason.to_owned() };
    // Both lengths are the writer's word, but a frame that disagrees with its header is refused before it costs memory.
    match zstd_safe::get_frame_content_size(body) {
        Ok(Some(frame_bytes)) if frame_bytes == raw_bytes => {}
        Ok(_) => return Err(corrupt("its frame promises another length")),
        Err(_) => return Err(corrupt("it does not start with a zstd frame")),
    }
    let capacity = usize::try_from(raw_bytes).map_err(|_| corrupt("it does not fit into memory"))?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(capacity).map_err(|_| corrupt("out of memory"))?;
    bulk::Decompressor::new()
        .and_then(|mut decompressor| decompressor.decompress_to_buffer(body, &mut bytes))
        .map_err(|error| corrupt(&error.to_string()))?;
    if bytes.len() != capacity {
        return Err(corrupt("it is shorter"));
    }
    Ok((kind, bytes))
}

/// As [`decode`], and the bytes are those that `digest` names.
pub(crate) fn decode_named(digest: &Digest, stored: &[u8]) -> Result<(ArtifactKind, Vec<u8>), Corrupt> {
    let (kind, bytes) = decode(stored)?;
    let found = Digest::of(&bytes);
    if found == *digest { Ok((kind, bytes)) } else { Err(Corrupt::Digest { found }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_zip_bomb_is_refused_before_it_inflates() {
        let mut bomb = encode(ArtifactKind::Stdin, &vec![0; 1 << 20]).unwrap();
        bomb[..HEADER_BYTES].copy_from_slice(&Header { kind: ArtifactKind::Stdin, raw_bytes: 16 }.to_bytes());
        assert!(matches!(decode(&bomb), Err(Corrupt::Body { raw_bytes: 16, .. })));
    }

    #[test]
    fn a_length_over_the_limit_is_refused_without_allocating() {
        let header = Header { kind: ArtifactKind::Stdin, raw_bytes: u64::MAX };
        let error = decode(&header.to_bytes()).unwrap_err();
        assert_eq!(error, Corrupt::TooLong { raw_bytes: u64::MAX, bytes_max: ARTIFACT_BYTES_MAX });
    }

    #[test]
    fn a_second_frame_cannot_add_bytes() {
        let mut stored = encode(ArtifactKind::Proof, b"proof").unwrap();
        let more = encode(ArtifactKind::Proof, b"more").unwrap();
        stored.extend_from_slice(&more[HEADER_BYTES..]);
        assert!(matches!(decode(&stored), Err(Corrupt::Body { .. })));
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let bytes = b"one small artifact, one small artifact";
        let digest = Digest::of(bytes);
        let good = encode(ArtifactKind::Segment, bytes).unwrap();
        assert_eq!(decode_named(&digest, &good), Ok((ArtifactKind::Segment, bytes.to_vec())));
        for at in 0..good.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                // A flip that only changes how the frame is described may leave the bytes right; wrong ones never pass.
                if let Ok(read) = decode_named(&digest, &bad) {
                    assert_eq!(read, (ArtifactKind::Segment, bytes.to_vec()), "byte {at} ^ {flip:#x}");
                }
            }
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        let good = encode(ArtifactKind::Segment, b"one small artifact").unwrap();
        for len in 0..good.len() {
            assert!(decode(&good[..len]).is_err(), "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(kind in 0..7usize, bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let kind = ArtifactKind::ALL[kind];
            let stored = encode(kind, &bytes).unwrap();
            prop_assert_eq!(decode_named(&Digest::of(&bytes), &stored), Ok((kind, bytes)));
        }

        #[test]
        fn arbitrary_bytes_are_an_error_or_an_artifact(stored in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = decode(&stored);
        }

        #[test]
        fn an_arbitrary_body_is_an_error_or_as_long_as_promised(
            raw_bytes in 0..1u64 << 20,
            body in proptest::collection::vec(any::<u8>(), 0..512),
        ) {
            let mut stored = Header { kind: ArtifactKind::Pages, raw_bytes }.to_bytes().to_vec();
            stored.extend_from_slice(&[0x28, 0xb5, 0x2f, 0xfd]);
            stored.extend_from_slice(&body);
            if let Ok((_, bytes)) = decode(&stored) {
                prop_assert_eq!(bytes.len() as u64, raw_bytes);
            }
        }
    }
}
