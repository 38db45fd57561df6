//! Why a receipt is rejected: one variant per check, with what is there and what must be there.

use openvm_stark_backend::verifier::VerifierError;
use openvm_stark_sdk::config::baby_bear_poseidon2::EF;
use phalanx_claim::{Digest, EngineId, ProgramId};

use crate::{KeyError, ProofError};

/// Why a receipt proves nothing, or not what it claims.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// It is for another verifier.
    #[error("this receipt is for engine {got}; this version of phalanx verifies {expected}")]
    Engine {
        /// The engine it names.
        got: Box<EngineId>,
        /// The engine this verifier knows.
        expected: Box<EngineId>,
    },
    /// It boasts another security than the verifying key gives.
    #[error("the receipt claims {got}-bit security, its proof has {expected}")]
    SecurityBits {
        /// What it claims.
        got: u32,
        /// What the verifying key gives.
        expected: u32,
    },
    /// The verifier itself is damaged.
    #[error("the verifier's own key cannot be used: {0}")]
    VerifyingKey(#[from] KeyError),
    /// The proof cannot be read.
    #[error("the proof cannot be read: {0}")]
    Proof(#[from] ProofError),
    /// The proof is about another set of circuits.
    #[error("the proof has {got} circuits, expected {expected}")]
    Circuits {
        /// How many it has.
        got: usize,
        /// How many the verifying key has.
        expected: usize,
    },
    /// A circuit exposes another number of values.
    #[error("circuit {circuit} of the proof exposes {got} values, expected {expected}")]
    Exposed {
        /// Which circuit.
        circuit: usize,
        /// How many values it exposes.
        got: usize,
        /// How many it must expose.
        expected: usize,
    },
    /// The proof lacks the commitment to the circuit it verified.
    #[error("the proof does not commit to the circuit it verified")]
    NoChildCircuit,

    /// The proof is of another program than claimed.
    #[error("the receipt claims program {claimed}, its proof is of {proven}")]
    Program {
        /// What the claim says.
        claimed: ProgramId,
        /// What the proof says.
        proven: ProgramId,
    },
    /// The program has not ended.
    #[error("the proof is of an execution that did not end")]
    NotEnded,
    /// The program failed.
    #[error("the program exited with code {got}; a receipt is for code 0 only")]
    Failed {
        /// Its exit code.
        got: u32,
    },
    /// The program ended otherwise than claimed.
    #[error("the receipt claims exit code {claimed}, its proof says {proven}")]
    ExitCode {
        /// What the claim says.
        claimed: u32,
        /// What the proof says.
        proven: u32,
    },
    /// The program revealed something else than claimed.
    #[error("the receipt claims public values {}, its proof says {}", hex(claimed), hex(proven))]
    PublicValues {
        /// What the claim says.
        claimed: Vec<u8>,
        /// What the proof says.
        proven: Vec<u8>,
    },
    /// There are more or fewer public values than the VM has.
    #[error("the proof has {got} public values, expected {expected}")]
    PublicValuesCount {
        /// How many there are.
        got: usize,
        /// How many there must be.
        expected: usize,
    },
    /// A public value is no byte.
    #[error("public value {at} is {got}, which is no byte")]
    NotAByte {
        /// Which one.
        at: usize,
        /// What it is.
        got: u32,
    },
    /// The public values hash to another root.
    #[error("the public values have root {got}, the proof says {expected}")]
    PublicValuesRoot {
        /// What they hash to.
        got: Digest,
        /// What the proof says.
        expected: Digest,
    },
    /// A Merkle path has another length than the memory's tree.
    #[error("the path of {what} has {got} levels, expected {expected}")]
    PathLength {
        /// Path of what.
        what: &'static str,
        /// How long it is.
        got: usize,
        /// How long it must be.
        expected: usize,
    },
    /// A Merkle path ends in another root than the memory's.
    #[error("the path of {what} ends in {got}, but the memory's root is {expected}")]
    MemoryRoot {
        /// Path of what.
        what: &'static str,
        /// Where it ends.
        got: Digest,
        /// Where it must end.
        expected: Digest,
    },

    /// The proof is not of the last layer.
    #[error("the proof is of fold layer {got}, expected 2")]
    Layer {
        /// Which layer it is of.
        got: u32,
    },
    /// The proof is folded too deeply, or not at all.
    #[error("the proof is {got} folds deep, expected 1 to {max}")]
    Depth {
        /// How deep it is.
        got: u32,
        /// How deep it may be.
        max: u32,
    },
    /// A layer was verified by another circuit.
    #[error("{part} of the {layer} circuit is {got}, expected {expected}")]
    Circuit {
        /// Which layer.
        layer: &'static str,
        /// Which part of its commitment.
        part: &'static str,
        /// What the proof says.
        got: Digest,
        /// What the verifying key says.
        expected: Digest,
    },

    /// The deferral flag is neither *none* nor *joined*.
    #[error("the deferral flag is {got}, expected 0 or 2")]
    DeferralFlag {
        /// What it is.
        got: u32,
    },
    /// The proof says that nothing was deferred, but a deferral value is set.
    #[error("nothing was deferred, but the {what} is set")]
    DeferralSet {
        /// Which value.
        what: &'static str,
    },
    /// Deferred proofs joined through another hook.
    #[error("deferred proofs joined through hook {got}, expected {expected}")]
    DeferralHook {
        /// What the proof says.
        got: Digest,
        /// What the verifying key says.
        expected: Digest,
    },
    /// The deferral values are of a part of the tree only.
    #[error("the deferral values are of node {got}, expected 0")]
    DeferralNode {
        /// Which node they are of.
        got: u32,
    },
    /// The tree of deferral values is higher than the address space.
    #[error("the tree of deferral values has {got} levels, at most {max} are possible")]
    DeferralDepth {
        /// How many levels it has.
        got: u32,
        /// How many it may have.
        max: u32,
    },
    /// Deferral memory changed outside of what was deferred.
    #[error("deferral memory changed beside what was deferred, at level {level}")]
    DeferralSibling {
        /// Level from the bottom.
        level: usize,
    },

    /// The proof itself does not hold.
    #[error("the proof does not hold: {0}")]
    Stark(#[from] VerifierError<EF>),
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
