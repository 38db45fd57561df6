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

#[cfg(test)]
mod tests {
    use openvm_stark_backend::codec::Encode as _;

    use super::*;
    use crate::Receipt;

    fn golden() -> Vec<u8> {
        Receipt::decode(include_bytes!("../tests/golden/fibonacci-20.receipt")).unwrap().proof
    }

    #[test]
    fn upstream_encodes_what_was_read_to_the_same_bytes() {
        let bytes = golden();
        let proof = ExecutionProof::decode(&bytes).unwrap();
        let again = proof.stark.encode_to_vec().unwrap();
        assert_eq!(again, bytes[..again.len()]);
        let Sizes { traces, gkr, constraints, stacking, whir, memory } = proof.sizes;
        assert_eq!(traces + gkr + constraints + stacking + whir, again.len());
        assert_eq!(again.len() + memory, bytes.len());
    }

    #[test]
    fn every_cut_is_refused() {
        let bytes = golden();
        for len in (0..bytes.len()).step_by(509) {
            assert!(ExecutionProof::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_byte_too_many_is_refused() {
        let mut bytes = golden();
        bytes.push(0);
        assert_eq!(ExecutionProof::decode(&bytes).unwrap_err().problem, Problem::TooLong(1));
    }

    #[test]
    fn a_count_that_promises_too_much_is_refused_before_anything_is_allocated() {
        // Every word that is a small number may be a count; none may ask for more than there is.
        let bytes = golden();
        for at in (0..bytes.len() - 4).step_by(4).filter(|at| bytes[at + 2] == 0 && bytes[at + 3] == 0) {
            for count in [0, 1 << 20, i32::MAX as u32, u32::MAX] {
                let mut bytes = bytes.clone();
                bytes[at..at + 4].copy_from_slice(&count.to_le_bytes());
                if let Ok(proof) = ExecutionProof::decode(&bytes) {
                    // It was a value: the proof keeps its shape and says something else.
                    assert_ne!(proof.stark.encode_to_vec().unwrap(), golden());
                }
            }
        }
    }
}
