//! The proof inside a receipt, read from OpenVM's encoding.
//!
//! In: bytes from anyone. Out: the proof, or the place where the bytes go wrong. This is a decoder of our own because
//! upstream's repeats elements of zero bytes as often as the input says (`n_max` polynomials of no coefficients, rows of no
//! columns), which lets a hundred bytes ask for gigabytes. Here every count is held against the bytes that are left, at not
//! less than one byte per element, so memory stays within a small multiple of the input. Every value has one encoding.

mod fields;
mod stark;

use openvm_stark_backend::proof::Proof;
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config as SC, Digest as Commit, F};

use fields::Fields;

/// A proof is not larger than this, in bytes.
pub const PROOF_BYTES_MAX: usize = 8 << 20;

/// The proof of a whole execution.
#[derive(Clone, Debug)]
pub(crate) struct ExecutionProof {
    /// The last fold.
    pub stark: Proof<SC>,
    /// What the program revealed.
    pub revealed: Revealed,
    /// Where the deferral accumulators are in the first and in the last memory.
    pub deferral: DeferralPaths,
    /// How many bytes each part has.
    pub sizes: Sizes,
}

/// The public values and their path to the root of the final memory.
#[derive(Clone, Debug)]
pub(crate) struct Revealed {
    /// Siblings from the root of the public values up.
    pub path: Vec<Commit>,
    /// One byte per element.
    pub values: Vec<F>,
    /// Root of the public values.
    pub root: Commit,
}

/// Siblings of the deferral accumulator from the bottom up, in the first and in the last memory.
#[derive(Clone, Debug)]
pub(crate) struct DeferralPaths {
    pub initial: Vec<Commit>,
    pub last: Vec<Commit>,
}

/// Bytes of each part of a proof.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Sizes {
    /// Commitments, heights and public values.
    pub traces: usize,
    /// LogUp's fractional sum.
    pub gkr: usize,
    /// Constraints.
    pub constraints: usize,
    /// Reduction to the stacked polynomials.
    pub stacking: usize,
    /// Openings of the stacked polynomials.
    pub whir: usize,
    /// Merkle paths of public values and deferral.
    pub memory: usize,
}

/// Where the bytes of a proof go wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} ({part}): {problem}")]
pub struct ProofError {
    /// Offset in the proof.
    pub at: usize,
    /// What was being read.
    pub part: &'static str,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with the bytes of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There are not enough.
    #[error("cut short")]
    CutShort,
    /// There are too many.
    #[error("{0} bytes too many")]
    TooLong(usize),
    /// A number is not below the field's order.
    #[error("{0} is not an element of the field")]
    NotInField(u32),
    /// A count promises more than the bytes that are left can hold.
    #[error("{count} elements do not fit the {left} bytes that are left")]
    Count {
        /// The count.
        count: usize,
        /// Bytes left.
        left: usize,
    },
    /// A number has another value than it must have here.
    #[error("{got}, expected {expected}")]
    Value {
        /// What is there.
        got: usize,
        /// What must be there.
        expected: usize,
    },
    /// A count is 0 where there must be something.
    #[error("nothing where something must be")]
    Empty,
}

impl ExecutionProof {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            let problem = Problem::TooLong(bytes.len().saturating_sub(PROOF_BYTES_MAX));
            return Err(ProofError { at: PROOF_BYTES_MAX, part: "proof", problem });
        }
        let mut fields = Fields::new(bytes);
        let (stark, mut sizes) = stark::read(&mut fields)?;
        let before = fields.at();
        let revealed = Revealed {
            path: fields.part("public values path").commits()?,
            values: fields.part("public values").elements()?,
            root: fields.part("public values root").commit()?,
        };
        fields.part("deferral flag").flag_set()?;
        let deferral = DeferralPaths {
            initial: fields.part("initial deferral path").commits()?,
            last: fields.part("final deferral path").commits()?,
        };
        fields.part("end").finish()?;
        sizes.memory = fields.at().saturating_sub(before);
        Ok(Self { stark, revealed, deferral, sizes })
    }
}
