//! Digests, identities and claims: the values every other crate speaks in. Depends on nothing of ours.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod artifact;
mod claim;
mod digest;
mod id;

pub use artifact::ArtifactKind;
pub use claim::Claim;
pub use digest::{Digest, ParseDigestError};
pub use id::{EngineId, ProgramId};
