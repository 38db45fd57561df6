//! Receipts: the final proof with its claim. The versioned codec and the verifier; builds without any prover.
//!
//! In: bytes from anyone. Out: a [`Claim`](phalanx_claim::Claim) that holds, or the reason why not. Depends on `claim` and
//! on the verifier of OpenVM's stark-backend.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::panic,
        clippy::unreachable
    )
)]

mod bytes;
mod codec;
mod describe;
mod error;
mod key;
mod proof;
mod receipt;
mod verify;

pub use codec::{DecodeError, FORMAT_VERSION, RECEIPT_BYTES_MAX};
pub use describe::ReceiptInfo;
pub use error::Rejected;
pub use key::{
    CircuitCommit, ENGINE_NAME, ENGINE_VERSION, KeyError, MemoryShape, SECURITY_BITS, VerifyingKey, engine_id,
};
pub use proof::{PROOF_BYTES_MAX, Problem, ProofError, Sizes};
pub use receipt::{Provenance, Receipt};
pub use verify::{claim_of, verify};
