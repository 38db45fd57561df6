//! What the store's files hold, byte by byte. Pure: bytes in, values out. Everything that is read is hostile.

pub mod artifact;
pub mod key;
pub mod streamed;

use phalanx_claim::Digest;

/// Why a stored file counts as missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// The file ends inside its header, or is not as long as its header says.
    #[error("the file has {found} bytes, expected {expected}")]
    Size {
        /// Its length.
        found: usize,
        /// The length, or least length, it should have.
        expected: usize,
    },
    /// It starts with other bytes.
    #[error("the file starts with {found:02x?}, expected {expected:02x?}")]
    Magic {
        /// Its first bytes.
        found: [u8; 4],
        /// What they should be.
        expected: [u8; 4],
    },
    /// It was written by another version.
    #[error("the file has format {found}, this phalanx reads format {ours}")]
    Format {
        /// The version it has.
        found: u8,
        /// The version that this program reads.
        ours: u8,
    },
    /// The check over the header, or over the whole key file, fails.
    #[error("the check does not match")]
    Check,
    /// There is no such kind of artifact.
    #[error("there is no artifact kind {0}")]
    Kind(u8),
    /// The length in the header is over the limit.
    #[error("the header promises {raw_bytes} bytes, more than the limit of {bytes_max}")]
    TooLong {
        /// The length in the header.
        raw_bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The body does not decompress to the promised length.
    #[error("the body does not decompress to {raw_bytes} bytes: {reason}")]
    Body {
        /// The length in the header.
        raw_bytes: u64,
        /// What the decompressor said.
        reason: String,
    },
    /// The bytes are not those that the name stands for.
    #[error("the bytes have digest {found}")]
    Digest {
        /// Their digest.
        found: Digest,
    },
}
