//! A receipt as bytes.
//!
//! Layout, little-endian: magic (8 bytes), format version (u16), body length (u32), BLAKE3 of the body (32), body. The body
//! is one zstd frame; unpacked it is the length of the head (u32), the head (postcard of all but the proof) and the proof to
//! the end. The digest finds damage early and makes the encoding of a given body unique; it proves nothing.

use phalanx_claim::{Claim, Digest, EngineId};
use serde::{Deserialize, Serialize};

use crate::{
    Provenance, Receipt,
    bytes::{Reader, zstd_bounded},
};

const MAGIC: &[u8; 8] = b"phlx-rc\n";
/// The format version that this code writes and reads.
pub const FORMAT_VERSION: u16 = 1;
const HEADER_BYTES: usize = 8 + 2 + 4 + 32;
const ZSTD_LEVEL: i32 = 3;

/// A receipt is not larger than this, in bytes. A real one has about a quarter of a megabyte.
pub const RECEIPT_BYTES_MAX: usize = 8 << 20;
/// Its body unpacks to no more than this, in bytes.
const BODY_BYTES_MAX: usize = 16 << 20;
/// All but the proof is not larger than this, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// A name or version in a receipt is not longer than this, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// A program reveals no more than this, in bytes.
const PUBLIC_VALUES_BYTES_MAX: usize = 16 << 10;

/// Why bytes are no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They are too many.
    #[error("{got} bytes are too many for a receipt, at most {RECEIPT_BYTES_MAX}")]
    TooLong {
        /// How many there are.
        got: usize,
    },
    /// They end too early.
    #[error("cut short: {got} bytes where {expected} are announced")]
    CutShort {
        /// How many there are.
        got: usize,
        /// How many there should be.
        expected: usize,
    },
    /// They go on after the end.
    #[error("{0} bytes follow the receipt")]
    TrailingBytes(usize),
    /// They do not start like a receipt.
    #[error("not a receipt: it starts with another magic")]
    Magic,
    /// They are of another version of this format.
    #[error("receipt of format version {got}; this version of phalanx reads {FORMAT_VERSION}")]
    Version {
        /// The version found.
        got: u16,
    },
    /// They are not what was written.
    #[error("damaged: the body has digest {got}, the header announces {expected}")]
    Digest {
        /// Digest of what is there.
        got: Digest,
        /// Digest of what was written.
        expected: Digest,
    },
    /// The body does not unpack.
    #[error("the body does not unpack: {0}")]
    Zstd(String),
    /// The head cannot be read.
    #[error("the head cannot be read: {0}")]
    Head(String),
    /// A part is larger than its limit.
    #[error("{part} has {got} bytes, at most {max} are allowed")]
    PartTooLong {
        /// Which part.
        part: &'static str,
        /// How many bytes it has.
        got: usize,
        /// How many it may have.
        max: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct Head {
    engine: EngineId,
    claim: Claim,
    security_bits: u32,
    provenance: Provenance,
}

impl Receipt {
    /// The receipt as bytes. Fails if a part is beyond its limit, so that what is written can be read.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let head = Head {
            engine: self.engine.clone(),
            claim: self.claim.clone(),
            security_bits: self.security_bits,
            provenance: self.provenance.clone(),
        };
        check_limits(&head)?;
        let head = postcard::to_stdvec(&head).map_err(|error| DecodeError::Head(error.to_string()))?;
        let mut body = Vec::new();
        body.extend_from_slice(&length("head", head.len(), HEAD_BYTES_MAX)?.to_le_bytes());
        body.extend_from_slice(&head);
        body.extend_from_slice(&self.proof);
        length("body", body.len(), BODY_BYTES_MAX)?;
        let body = zstd::bulk::compress(&body, ZSTD_LEVEL).map_err(|error| DecodeError::Zstd(error.to_string()))?;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(
            &length("packed body", body.len(), RECEIPT_BYTES_MAX.saturating_sub(HEADER_BYTES))?.to_le_bytes(),
        );
        bytes.extend_from_slice(Digest::of(&body).as_bytes());
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// Reads what [`encode`](Self::encode) wrote. Says nothing about the proof: that is for [`verify`](crate::verify).
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(DecodeError::TooLong { got: bytes.len() });
        }
        let cut = || DecodeError::CutShort { got: bytes.len(), expected: HEADER_BYTES };
        let mut reader = Reader::new(bytes);
        if reader.array::<8>().as_ref() != Some(MAGIC) {
            return Err(if bytes.len() < MAGIC.len() && MAGIC.starts_with(bytes) { cut() } else { DecodeError::Magic });
        }
        let version = reader.u16().ok_or_else(cut)?;
        if version != FORMAT_VERSION {
            return Err(DecodeError::Version { got: version });
        }
        let len = usize::try_from(reader.u32().ok_or_else(cut)?).unwrap_or(usize::MAX);
        let expected = Digest::new(reader.array().ok_or_else(cut)?);
        let body = reader.rest();
        if body.len() < len {
            return Err(DecodeError::CutShort { got: bytes.len(), expected: len.saturating_add(HEADER_BYTES) });
        }
        if body.len() > len {
            return Err(DecodeError::TrailingBytes(body.len().saturating_sub(len)));
        }
        let got = Digest::of(body);
        if got != expected {
            return Err(DecodeError::Digest { got, expected });
        }
        Self::decode_body(&zstd_bounded(body, BODY_BYTES_MAX).map_err(DecodeError::Zstd)?)
    }

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        let cut = || DecodeError::Head("cut short".into());
        let mut reader = Reader::new(body);
        let len = usize::try_from(reader.u32().ok_or_else(cut)?).unwrap_or(usize::MAX);
        length("head", len, HEAD_BYTES_MAX)?;
        let head: Head = match postcard::take_from_bytes(reader.take(len).ok_or_else(cut)?) {
            Ok((head, [])) => head,
            Ok((_, left)) => return Err(DecodeError::Head(format!("{} bytes too many", left.len()))),
            Err(error) => return Err(DecodeError::Head(error.to_string())),
        };
        check_limits(&head)?;
        Ok(Self {
            engine: head.engine,
            claim: head.claim,
            security_bits: head.security_bits,
            provenance: head.provenance,
            proof: reader.rest().to_vec(),
        })
    }
}

fn check_limits(head: &Head) -> Result<(), DecodeError> {
    length("engine name", head.engine.name.len(), NAME_BYTES_MAX)?;
    length("engine version", head.engine.version.len(), NAME_BYTES_MAX)?;
    length("maker's version", head.provenance.made_by.len(), NAME_BYTES_MAX)?;
    length("public values", head.claim.public_values.len(), PUBLIC_VALUES_BYTES_MAX)?;
    Ok(())
}

fn length(part: &'static str, got: usize, max: usize) -> Result<u32, DecodeError> {
    match u32::try_from(got) {
        Ok(len) if got <= max => Ok(len),
        _ => Err(DecodeError::PartTooLong { part, got, max }),
    }
}
