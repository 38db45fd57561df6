//! The verifying key: everything a receipt is checked against, except the program it claims.
//!
//! In: the committed file `keys/openvm-2.0.2.vk`. Out: a [`VerifyingKey`], decoded once per process, and the digest by
//! which [`EngineId`] names it. The file is made by `cargo run --release -p phalanx-engine --example verifying_key`.

use std::sync::OnceLock;

use openvm_stark_backend::keygen::types::MultiStarkVerifyingKey;
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, Digest as Commit};
use phalanx_claim::{Digest, EngineId};
use serde::{Deserialize, Serialize};

use crate::bytes::{Reader, zstd_bounded};

/// Name of the proof system in [`EngineId`].
pub const ENGINE_NAME: &str = "openvm";
/// Its version in [`EngineId`].
pub const ENGINE_VERSION: &str = "2.0.2";
/// Security of every receipt in bits: what the parameters in the verifying key are chosen for.
pub const SECURITY_BITS: u32 = 100;

const EMBEDDED: &[u8] = include_bytes!("../keys/openvm-2.0.2.vk");
const MAGIC: &[u8; 8] = b"phlx-vk\n";
const VERSION: u16 = 1;
/// A verifying key is not larger than this when unpacked, in bytes.
const KEY_BYTES_MAX: usize = 16 << 20;

/// Commits to one verifier circuit: to the constraints it evaluates and to the rest of the key of the proofs it verifies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CircuitCommit {
    /// Commitment to the cached trace of the child's constraints.
    pub constraints: Commit,
    /// Hash of the child's verifying key.
    pub key: Commit,
}

/// Shape of the memory tree: two to the `addr_space_height` address spaces, each of two to the `address_height` blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemoryShape {
    /// Levels of the tree above the address spaces.
    pub addr_space_height: u32,
    /// Levels of the tree within one address space.
    pub address_height: u32,
}

/// What every receipt of one engine is checked against.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifyingKey {
    /// Key of the last layer's proof.
    pub stark: MultiStarkVerifyingKey<BabyBearPoseidon2Config>,
    /// Shape of the VM's memory.
    pub memory: MemoryShape,
    /// How many bytes a program reveals.
    pub public_values: u32,
    /// Circuit of the segment proofs.
    pub app: CircuitCommit,
    /// Circuit of the first folds.
    pub leaf: CircuitCommit,
    /// Circuit of the second folds.
    pub internal_for_leaf: CircuitCommit,
    /// Circuit of all later folds.
    pub internal_recursive: CircuitCommit,
    /// Commits to the circuits through which a deferred proof joins the program that asked for it.
    pub deferral_hook: Commit,
}

/// Why the bytes of a verifying key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// They do not start like a verifying key.
    #[error("not a verifying key: it starts with another magic")]
    Magic,
    /// They are of another version of this format.
    #[error("verifying key of format version {got}, only {VERSION} is known")]
    Version {
        /// The version found.
        got: u16,
    },
    /// The packed bytes are cut or damaged, or unpack to too much.
    #[error("damaged verifying key: {0}")]
    Damaged(String),
}

impl VerifyingKey {
    /// The file's bytes: magic, version, zstd of the key.
    pub fn encode(&self) -> Result<Vec<u8>, KeyError> {
        let damaged = |error: &dyn std::fmt::Display| KeyError::Damaged(error.to_string());
        let plain = postcard::to_stdvec(self).map_err(|error| damaged(&error))?;
        let packed = zstd::bulk::compress(&plain, 19).map_err(|error| damaged(&error))?;
        let mut bytes = Vec::with_capacity(packed.len().saturating_add(10));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&packed);
        Ok(bytes)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(bytes);
        if reader.array::<8>().as_ref() != Some(MAGIC) {
            return Err(KeyError::Magic);
        }
        let version = reader.u16().ok_or_else(|| KeyError::Damaged("cut short".into()))?;
        if version != VERSION {
            return Err(KeyError::Version { got: version });
        }
        let plain = zstd_bounded(reader.rest(), KEY_BYTES_MAX).map_err(KeyError::Damaged)?;
        let (key, left) = postcard::take_from_bytes(&plain).map_err(|error| KeyError::Damaged(error.to_string()))?;
        if left.is_empty() { Ok(key) } else { Err(KeyError::Damaged(format!("{} bytes too many", left.len()))) }
    }

    /// The key that this verifier knows.
    pub fn embedded() -> Result<&'static Self, KeyError> {
        static KEY: OnceLock<Result<VerifyingKey, KeyError>> = OnceLock::new();
        KEY.get_or_init(|| Self::decode(EMBEDDED)).as_ref().map_err(Clone::clone)
    }

    /// Digest of the embedded key's file.
    pub fn embedded_digest() -> Digest {
        static DIGEST: OnceLock<Digest> = OnceLock::new();
        *DIGEST.get_or_init(|| Digest::of(EMBEDDED))
    }
}

/// The engine whose receipts this crate verifies.
pub fn engine_id() -> EngineId {
    EngineId {
        name: ENGINE_NAME.into(),
        version: ENGINE_VERSION.into(),
        verifying_key: VerifyingKey::embedded_digest(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_key_decodes_and_encodes_to_its_file() {
        let key = VerifyingKey::embedded().unwrap();
        let again = VerifyingKey::decode(&key.encode().unwrap()).unwrap();
        assert_eq!(postcard::to_stdvec(key).unwrap(), postcard::to_stdvec(&again).unwrap());
    }

    #[test]
    fn a_key_of_another_format_version_is_refused_by_name() {
        let mut bytes = EMBEDDED.to_vec();
        bytes[8] = 9;
        assert_eq!(VerifyingKey::decode(&bytes).unwrap_err(), KeyError::Version { got: 9 });
    }

    #[test]
    fn a_cut_key_is_refused() {
        for len in [0, 7, 8, 9, 10, 100, EMBEDDED.len() - 1] {
            assert!(VerifyingKey::decode(&EMBEDDED[..len]).is_err(), "{len} bytes");
        }
    }
}
