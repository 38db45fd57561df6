//! The execution artifact: what the execute task found, readable by every scheduler without knowing the engine.
//!
//! In: bytes from a store, possibly hostile. Out: the segments with their costs, the outcome, and one opaque part that
//! only the engine that made it understands. Depends on no proof system.

use phalanx_claim::Digest;
use serde::{Deserialize, Serialize};

use crate::{CostHint, Fault};

/// What every stored execution starts with: four bytes of magic, then the version as two little-endian bytes.
const MAGIC: [u8; 4] = *b"PXEX";
const VERSION: u16 = 3;
const HEADER_BYTES: usize = 6;

/// Longer artifacts are refused before they are looked at: a million segments take about 60 MiB.
pub const EXECUTION_BYTES_MAX: usize = 256 << 20;

/// One program on one input, executed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Execution {
    /// Instructions in all segments together.
    pub cycles: u64,
    /// How the guest ended; 0 is success.
    pub exit_code: u32,
    /// The bytes it revealed, in order.
    pub public_values: Vec<u8>,
    /// Its segments in order; at least one.
    pub segments: Vec<SegmentEntry>,
    /// What the engine needs besides to seal a receipt; opaque to everyone else.
    pub state: Vec<u8>,
}

/// One segment of an execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// The segment artifact.
    pub digest: Digest,
    /// What proving it will take.
    pub hint: CostHint,
}

/// Why bytes are not an execution.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExecutionError {
    /// More bytes than any execution has.
    #[error("{got} bytes, more than the {EXECUTION_BYTES_MAX} that an execution may have")]
    TooLong {
        /// How many there are.
        got: usize,
    },
    /// The magic is not there.
    #[error("does not start with the magic of an execution")]
    Magic,
    /// Another version of the format.
    #[error("format version {got}, this program reads version {VERSION}")]
    Version {
        /// The version found.
        got: u16,
    },
    /// The body does not decode.
    #[error("{0}")]
    Body(String),
    /// Bytes are left after the last field.
    #[error("{0} bytes too many")]
    Trailing(usize),
    /// Every execution has a segment.
    #[error("lists no segment")]
    NoSegments,
    /// More segments than an index can count.
    #[error("lists {0} segments, more than fit in 32 bits")]
    TooManySegments(usize),
}

impl From<ExecutionError> for Fault {
    fn from(error: ExecutionError) -> Self {
        Self::BadArtifact { what: "execution", reason: error.to_string() }
    }
}

impl Execution {
    /// The bytes of the artifact.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::from(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        // Serialisation into a growing vector fails only for types without a known length, and there are none here.
        bytes.extend(postcard::to_allocvec(self).expect("an execution has no field of unknown length"));
        bytes
    }

    /// Reads the bytes of an execution artifact. Allocates no more than a small multiple of what is there.
    pub fn decode(bytes: &[u8]) -> Result<Self, ExecutionError> {
        if bytes.len() > EXECUTION_BYTES_MAX {
            return Err(ExecutionError::TooLong { got: bytes.len() });
        }
        let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(ExecutionError::Magic)?;
        let [m0, m1, m2, m3, v0, v1] = *header;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(ExecutionError::Magic);
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            return Err(ExecutionError::Version { got: version });
        }
        let (execution, rest) =
            postcard::take_from_bytes::<Self>(body).map_err(|e| ExecutionError::Body(e.to_string()))?;
        if !rest.is_empty() {
            return Err(ExecutionError::Trailing(rest.len()));
        }
        if execution.segments.is_empty() {
            return Err(ExecutionError::NoSegments);
        }
        if u32::try_from(execution.segments.len()).is_err() {
            return Err(ExecutionError::TooManySegments(execution.segments.len()));
        }
        Ok(execution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Execution {
        let segment = |at: u64| SegmentEntry {
            digest: Digest::new([at as u8; 32]),
            hint: CostHint {
                cycles: at,
                main_cells: at << 20,
                interaction_cells: 3 * at,
                memory_bytes: 5 * at,
                children: 0,
                columns: 7 * at,
            },
        };
        Execution {
            cycles: 300,
            exit_code: 0,
            public_values: vec![1, 2, 3],
            segments: vec![segment(1), segment(2)],
            state: vec![9, 9],
        }
    }

    #[test]
    fn bytes_and_back() {
        assert_eq!(Execution::decode(&sample().encode()), Ok(sample()));
    }

    #[test]
    fn version_3_stays_readable() {
        // Laid out by hand from postcard's specification: varints, length-prefixed sequences, a digest as 32 plain bytes.
        let mut bytes = b"PXEX\x03\x00".to_vec();
        bytes.extend([7, 0, 1, 0xaa, 1]);
        bytes.extend([5; 32]);
        bytes.extend([7, 0x80, 0x01, 2, 3, 0, 9, 0]);
        let execution = Execution::decode(&bytes).unwrap();
        assert_eq!(execution.cycles, 7);
        assert_eq!(execution.public_values, [0xaa]);
        assert_eq!(execution.segments[0].digest, Digest::new([5; 32]));
        let hint =
            CostHint { cycles: 7, main_cells: 128, interaction_cells: 2, memory_bytes: 3, children: 0, columns: 9 };
        assert_eq!(execution.segments[0].hint, hint);
        assert_eq!(execution.encode(), bytes);
    }

    #[test]
    fn cut_short_or_longer_is_refused() {
        let bytes = sample().encode();
        for length in 0..bytes.len() {
            assert!(Execution::decode(&bytes[..length]).is_err(), "{length} bytes were accepted");
        }
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(Execution::decode(&longer), Err(ExecutionError::Trailing(1)));
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let mut bytes = sample().encode();
        bytes[4] = 1;
        assert_eq!(Execution::decode(&bytes), Err(ExecutionError::Version { got: 1 }));
    }

    #[test]
    fn a_length_larger_than_the_bytes_is_refused() {
        let mut bytes = b"PXEX\x03\x00".to_vec();
        bytes.extend([0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        assert!(matches!(Execution::decode(&bytes), Err(ExecutionError::Body(_))));
    }

    #[test]
    fn an_execution_without_segments_is_refused() {
        let empty = Execution { segments: Vec::new(), ..sample() };
        assert_eq!(Execution::decode(&empty.encode()), Err(ExecutionError::NoSegments));
    }
}
