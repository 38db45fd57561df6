//! Proving keys: what a prover needs besides the program, made once per machine and kept on disk.
//!
//! In: the configuration. Out: [`ProvingKeys`] for segments and folds, [`DeferralKeys`] for verifying receipts inside a
//! guest. The keys are small (about a megabyte); what takes time is the circuits' commitments, so each layer's prover is
//! built when it is first asked for.

mod cache;
mod deferral;
mod file;
mod prover;

pub use cache::{KeyCache, KeyFile, KeysInfo};
pub use deferral::DeferralKeys;
pub use file::FileError;
pub use prover::{InternalProver, LeafProver, ProvingKeys};

use phalanx_claim::Digest;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Neither the environment nor the caller says where the cache is.
    #[error("no cache directory: neither XDG_CACHE_HOME nor HOME is set")]
    NoCacheDirectory,
    /// The cache cannot be used.
    #[error("{path}: {error}")]
    Io {
        /// Which file or directory.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The VM configuration is contradictory.
    #[error("the VM configuration has no proving keys: {0}")]
    Configuration(String),
    /// Key generation made other keys than the ones receipts are verified with: nothing proven with them would verify.
    #[error(
        "generated keys verify under {got}, but receipts are verified under {expected}: this build is inconsistent"
    )]
    VerifyingKeyDiffers {
        /// Digest of the generated key.
        got: Digest,
        /// Digest of the key in the verifier.
        expected: Digest,
    },
    /// The key in the verifier cannot be used.
    #[error(transparent)]
    VerifyingKey(#[from] phalanx_receipt::KeyError),
}
