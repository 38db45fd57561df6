//! An artifact file decoded piece by piece: as strict as [`decode`](super::artifact::decode), in bounded memory.
//!
//! In: the file's bytes in order, in any cut. Out: the artifact's bytes, and at the end whether they are the right ones.

use phalanx_claim::Digest;
use zstd::{
    stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer},
    zstd_safe,
};

use super::{
    Corrupt,
    artifact::{HEADER_BYTES, Header},
};

/// How much of a file's front decides how it is decoded: its header and the longest header of a zstd frame.
pub(crate) const FRONT_BYTES: usize = HEADER_BYTES + 18;

/// The longest piece that comes out at once.
pub(crate) const PIECE_BYTES_MAX: usize = 128 << 10;

/// A frame that looks back further than 8 MiB is refused: what any zstd decoder has to support, and more than ours use.
const WINDOW_LOG_MAX: u32 = 23;

/// A file that is being decoded.
pub(crate) struct Decoding {
    header: Header,
    decoder: Decoder<'static>,
    hasher: blake3::Hasher,
    written: u64,
    /// The frame has ended; nothing may follow.
    ended: bool,
}

impl Decoding {
    /// Starts with the first [`FRONT_BYTES`] of a file, or all of it if it is shorter. Their body is still to be
    /// [decoded](Self::decode): it begins after [`HEADER_BYTES`].
    pub fn start(front: &[u8]) -> Result<Self, Corrupt> {
        let header = Header::parse(front)?;
        let corrupt = |reason: &str| Corrupt::Body { raw_bytes: header.raw_bytes, reason: reason.to_owned() };
        match zstd_safe::get_frame_content_size(front.get(HEADER_BYTES..).unwrap_or_default()) {
            Ok(Some(frame_bytes)) if frame_bytes == header.raw_bytes => {}
            Ok(_) => return Err(corrupt("its frame promises another length")),
            Err(_) => return Err(corrupt("it does not start with a zstd frame")),
        }
        let mut decoder = Decoder::new().map_err(|error| corrupt(&error.to_string()))?;
        let bounded = decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX));
        bounded.map_err(|error| corrupt(&error.to_string()))?;
        Ok(Self { header, decoder, hasher: blake3::Hasher::new(), written: 0, ended: false })
    }

    /// Takes bytes from the front of `body` and returns the next piece; an empty one when it needs more than `body` has.
    pub fn decode(&mut self, body: &mut &[u8]) -> Result<Vec<u8>, Corrupt> {
        let mut piece = Vec::new();
        if self.ended {
            return if body.is_empty() { Ok(piece) } else { Err(self.corrupt("bytes follow its frame")) };
        }
        piece.try_reserve_exact(PIECE_BYTES_MAX).map_err(|_| self.corrupt("out of memory"))?;
        let mut input = InBuffer::around(body);
        let mut output = OutBuffer::around(&mut piece);
        while !self.ended && output.pos() < output.capacity() {
            let before = (input.pos(), output.pos());
            let hint = self.decoder.run(&mut input, &mut output);
            self.ended = hint.map_err(|error| self.corrupt(&error.to_string()))? == 0;
            if (input.pos(), output.pos()) == before {
                if input.pos() < body.len() {
                    return Err(self.corrupt("its frame does not go on"));
                }
                break;
            }
        }
        *body = body.get(input.pos()..).unwrap_or_default();
        self.hasher.update(&piece);
        self.written = self.written.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if self.written > self.header.raw_bytes {
            return Err(self.corrupt("it is longer"));
        }
        Ok(piece)
    }

    /// Ends with the file: whether all of it was there and its bytes are those that `digest` names.
    pub fn finish(self, digest: &Digest) -> Result<Header, Corrupt> {
        if !self.ended || self.written != self.header.raw_bytes {
            return Err(self.corrupt("it is shorter"));
        }
        let found = Digest::new(*self.hasher.finalize().as_bytes());
        if found == *digest { Ok(self.header) } else { Err(Corrupt::Digest { found }) }
    }

    fn corrupt(&self, reason: &str) -> Corrupt {
        Corrupt::Body { raw_bytes: self.header.raw_bytes, reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use phalanx_claim::ArtifactKind;
    use proptest::prelude::*;

    use super::{
        super::artifact::{decode_named, encode},
        *,
    };

    /// Decodes a file that comes in chunks of `chunk` bytes.
    fn decoded(stored: &[u8], chunk: usize, digest: &Digest) -> Result<(ArtifactKind, Vec<u8>), Corrupt> {
        let mut decoding = Decoding::start(&stored[..FRONT_BYTES.min(stored.len())])?;
        let mut bytes = Vec::new();
        for mut part in stored[HEADER_BYTES..].chunks(chunk) {
            loop {
                let piece = decoding.decode(&mut part)?;
                if piece.is_empty() && part.is_empty() {
                    break;
                }
                assert!(piece.len() <= PIECE_BYTES_MAX);
                bytes.extend(piece);
            }
        }
        Ok((decoding.finish(digest)?.kind, bytes))
    }

    /// A file whose header and frame agree on `raw_bytes`, and whose frame then goes on as `write` says.
    fn framed(window_log: u32, bytes: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.set_pledged_src_size(Some(bytes.len() as u64)).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.write_all(bytes).unwrap();
        let mut stored = encode(ArtifactKind::Stdin, bytes).unwrap();
        stored.truncate(HEADER_BYTES);
        stored.extend(encoder.finish().unwrap());
        stored
    }

    #[test]
    fn a_long_artifact_comes_back_in_pieces() {
        let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        let stored = encode(ArtifactKind::Pages, &bytes).unwrap();
        for chunk in [7, 1 << 12, 1 << 20, stored.len()] {
            let digest = Digest::of(&bytes);
            assert_eq!(decoded(&stored, chunk, &digest).unwrap(), (ArtifactKind::Pages, bytes.clone()), "{chunk}");
        }
    }

    #[test]
    fn a_frame_that_looks_back_too_far_is_refused() {
        let bytes = vec![7; 20 << 20];
        let digest = Digest::of(&bytes);
        assert!(decoded(&framed(WINDOW_LOG_MAX, &bytes), 1 << 16, &digest).is_ok());
        assert!(matches!(decoded(&framed(WINDOW_LOG_MAX + 1, &bytes), 1 << 16, &digest), Err(Corrupt::Body { .. })));
    }

    #[test]
    fn bytes_after_the_frame_are_refused() {
        let mut stored = encode(ArtifactKind::Proof, b"proof").unwrap();
        // A skippable frame, which zstd itself would pass over.
        stored.extend_from_slice(&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
        assert!(matches!(decoded(&stored, 3, &Digest::of(b"proof")), Err(Corrupt::Body { .. })));
    }

    #[test]
    fn a_frame_of_more_bytes_than_it_promises_is_refused() {
        // The content size of a small frame is its sixth byte.
        let mut stored = framed(19, &[9; 200]);
        let bomb = framed(19, &vec![9; 1 << 20]);
        let body = HEADER_BYTES + 4;
        let block = |file: &[u8]| zstd_safe::get_frame_content_size(&file[HEADER_BYTES..]).unwrap().unwrap();
        assert_eq!((block(&stored), block(&bomb)), (200, 1 << 20));
        // One byte of descriptor and one of content size, against one, one of window and four of content size.
        stored.truncate(body + 2);
        stored.extend_from_slice(&bomb[body + 5..]);
        assert_eq!(block(&stored), 200);
        assert!(matches!(decoded(&stored, 1 << 16, &Digest::of(&[9; 200])), Err(Corrupt::Body { .. })));
    }

    #[test]
    fn every_truncation_and_every_wrong_digest_is_noticed() {
        let bytes = b"one small artifact, one small artifact";
        let good = encode(ArtifactKind::Segment, bytes).unwrap();
        for len in 0..good.len() {
            assert!(decoded(&good[..len], 5, &Digest::of(bytes)).is_err(), "{len} bytes");
        }
        assert_eq!(decoded(&good, 5, &Digest::of(b"")), Err(Corrupt::Digest { found: Digest::of(bytes) }));
    }

    proptest! {
        #[test]
        fn what_passes_in_pieces_passes_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            flip in any::<(u16, u8)>(),
            chunk in 1..64_usize,
        ) {
            let digest = Digest::of(&bytes);
            let mut stored = encode(ArtifactKind::Proof, &bytes).unwrap();
            prop_assert_eq!(decoded(&stored, chunk, &digest), decode_named(&digest, &stored));
            let at = usize::from(flip.0) % stored.len();
            stored[at] ^= flip.1;
            if let Ok(read) = decoded(&stored, chunk, &digest) {
                prop_assert_eq!(Ok(read), decode_named(&digest, &stored));
            }
        }
    }
}
