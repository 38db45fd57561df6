//! The segment artifact: everything the proof of one segment starts from.

use phalanx_claim::Digest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::checkpoint::Checkpoint;
use crate::Fault;

const SEGMENT_MAGIC: &[u8; 6] = b"PHseg\x01";
const FINAL_MAGIC: &[u8; 6] = b"PHfin\x01";

/// One segment of an execution.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Segment {
    /// Where it starts.
    pub start: Checkpoint,
    /// How many instructions it has.
    pub cycles: u64,
    /// Rows of each AIR at most, in the order of the verifying key.
    pub heights: Vec<u32>,
    /// Main memory addresses that it or an earlier one touches are below this.
    pub memory_bytes: u64,
    /// The input of the execution.
    pub stdin: Digest,
}

/// The state after the last segment: the engine's part of an execution artifact.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Final {
    /// The state.
    pub end: Checkpoint,
    /// Main memory addresses that were touched are below this.
    pub memory_bytes: u64,
    /// The input of the execution.
    pub stdin: Digest,
}

impl Segment {
    /// The bytes of the artifact.
    pub fn encode(&self) -> Vec<u8> {
        encode(SEGMENT_MAGIC, self)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        decode(SEGMENT_MAGIC, bytes).map_err(|reason| Fault::BadArtifact { what: "segment", reason })
    }
}

impl Final {
    /// The opaque bytes of an execution.
    pub fn encode(&self) -> Vec<u8> {
        encode(FINAL_MAGIC, self)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        decode(FINAL_MAGIC, bytes).map_err(|reason| Fault::BadArtifact { what: "final state", reason })
    }
}

fn encode<T: Serialize>(magic: &[u8], value: &T) -> Vec<u8> {
    let bytes = postcard::to_allocvec(value).expect("plain data of known length can be encoded");
    [magic, &bytes].concat()
}

/// Postcard allocates no more for a sequence than the bytes that are left, so lengths need no check of their own.
fn decode<T: DeserializeOwned>(magic: &[u8], bytes: &[u8]) -> Result<T, String> {
    let body = bytes.strip_prefix(magic).ok_or("another format or version of it")?;
    match postcard::take_from_bytes(body).map_err(|error| error.to_string())? {
        (value, []) => Ok(value),
        (_, rest) => Err(format!("{} bytes too many", rest.len())),
    }
}
