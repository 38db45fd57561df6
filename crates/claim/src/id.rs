//! What a program and an engine are called.

use alloc::string::String;
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Digest, ParseDigestError};

/// Names a program: the commitment to its code, its initial memory and its entry point, as the verifier computes it.
///
/// For OpenVM these are the eight BabyBear elements of `app_exe_commit`, each as four little-endian bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProgramId(Digest);

impl ProgramId {
    /// Wraps 32 bytes that already name a program.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(Digest::new(bytes))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ProgramId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ProgramId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for ProgramId {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Names an engine: two engines with the same id accept each other's proofs.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct EngineId {
    /// The proof system, e.g. `openvm`.
    pub name: String,
    /// Its version, e.g. `2.0.2`.
    pub version: String,
    /// Digest of the verifying key that every receipt of this engine is checked against.
    pub verifying_key: Digest,
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.name, self.version, self.verifying_key)
    }
}
