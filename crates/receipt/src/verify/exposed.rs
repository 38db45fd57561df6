//! The values that the last proof exposes, by name. The circuits' numbers and the order of the values are OpenVM's
//! (`openvm-verify-stark-host`, `pvs.rs`).

use openvm_stark_backend::{
    p3_field::{PrimeCharacteristicRing as _, PrimeField32 as _},
    proof::Proof,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config as SC, DIGEST_SIZE, Digest as Commit, F};
use phalanx_claim::ProgramId;

use super::hash;
use crate::{CircuitCommit, Rejected, VerifyingKey};

const FOLDS_CIRCUIT: usize = 0;
const VM_CIRCUIT: usize = 1;
const DEFERRAL_CIRCUIT: usize = 2;
/// Evaluates the constraints of the proofs that were folded; its cached trace commits to them.
const CONSTRAINTS_CIRCUIT: usize = 3;

/// All that the last proof exposes.
pub(super) struct Exposed {
    pub(super) folds: Folds,
    pub(super) vm: Vm,
    pub(super) deferral: Deferral,
    /// Commitment to the constraints of the proofs that the last fold verified.
    pub(super) child_circuit: Commit,
}

/// Which circuits verified the layers below.
pub(super) struct Folds {
    pub(super) layer: u32,
    pub(super) app: CircuitCommit,
    pub(super) leaf: CircuitCommit,
    pub(super) internal_for_leaf: CircuitCommit,
    pub(super) depth: u32,
    pub(super) internal_recursive: CircuitCommit,
}

/// What ran.
pub(super) struct Vm {
    program_commit: Commit,
    initial_pc: F,
    exit_code: F,
    ended: F,
    pub(super) initial_root: Commit,
    pub(super) final_root: Commit,
}

/// What was deferred.
pub(super) struct Deferral {
    pub(super) flag: u32,
    pub(super) hook: Commit,
    pub(super) initial: Commit,
    pub(super) last: Commit,
    pub(super) depth: u32,
    pub(super) node: u32,
}

impl Exposed {
    /// Names the values once their number is known to be right.
    pub(super) fn read(proof: &Proof<SC>, key: &VerifyingKey) -> Result<Self, Rejected> {
        let expected = key.stark.inner.per_air.len();
        for got in [proof.public_values.len(), proof.trace_vdata.len()] {
            if got != expected {
                return Err(Rejected::Circuits { got, expected });
            }
        }
        let mut values = Values::of(proof, FOLDS_CIRCUIT);
        let folds = Folds {
            layer: values.number()?,
            app: values.circuit()?,
            leaf: values.circuit()?,
            internal_for_leaf: values.circuit()?,
            depth: values.number()?,
            internal_recursive: values.circuit()?,
        };
        let (flag, hook) = (values.number()?, values.commit()?);
        values.finish()?;

        let mut values = Values::of(proof, VM_CIRCUIT);
        let program_commit = values.commit()?;
        let initial_pc = values.element()?;
        let _final_pc = values.element()?;
        let vm = Vm {
            program_commit,
            initial_pc,
            exit_code: values.element()?,
            ended: values.element()?,
            initial_root: values.commit()?,
            final_root: values.commit()?,
        };
        values.finish()?;

        let mut values = Values::of(proof, DEFERRAL_CIRCUIT);
        let deferral = Deferral {
            flag,
            hook,
            initial: values.commit()?,
            last: values.commit()?,
            depth: values.number()?,
            node: values.number()?,
        };
        values.finish()?;

        let trace = proof.trace_vdata.get(CONSTRAINTS_CIRCUIT).and_then(Option::as_ref);
        let child_circuit =
            *trace.and_then(|trace| trace.cached_commitments.first()).ok_or(Rejected::NoChildCircuit)?;
        Ok(Self { folds, vm, deferral, child_circuit })
    }
}

impl Vm {
    /// The program's name: code, initial memory and entry point, hashed as OpenVM's `compute_exe_commit` does.
    pub(super) fn program(&self) -> ProgramId {
        let mut entry = [F::ZERO; DIGEST_SIZE];
        if let Some(first) = entry.first_mut() {
            *first = self.initial_pc;
        }
        let leaf = |commit: &Commit| hash::compress(commit, &hash::ZERO);
        let image = hash::compress(&leaf(&self.program_commit), &leaf(&self.initial_root));
        hash::program_id(&hash::compress(&image, &leaf(&entry)))
    }

    pub(super) fn exit_code(&self) -> u32 {
        self.exit_code.as_canonical_u32()
    }

    pub(super) fn check_ended_well(&self) -> Result<(), Rejected> {
        if self.ended != F::ONE {
            return Err(Rejected::NotEnded);
        }
        match self.exit_code() {
            0 => Ok(()),
            got => Err(Rejected::Failed { got }),
        }
    }
}

/// Takes the values of one circuit from the front.
struct Values<'a> {
    circuit: usize,
    all: &'a [F],
    left: &'a [F],
}

impl<'a> Values<'a> {
    fn of(proof: &'a Proof<SC>, circuit: usize) -> Self {
        let all = proof.public_values.get(circuit).map(Vec::as_slice).unwrap_or_default();
        Self { circuit, all, left: all }
    }

    fn element(&mut self) -> Result<F, Rejected> {
        let (first, left) = self.left.split_first().ok_or_else(|| self.wrong(1))?;
        self.left = left;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u32, Rejected> {
        self.element().map(|element| element.as_canonical_u32())
    }

    fn commit(&mut self) -> Result<Commit, Rejected> {
        let (first, left) = self.left.split_first_chunk().ok_or_else(|| self.wrong(DIGEST_SIZE))?;
        self.left = left;
        Ok(*first)
    }

    fn circuit(&mut self) -> Result<CircuitCommit, Rejected> {
        Ok(CircuitCommit { constraints: self.commit()?, key: self.commit()? })
    }

    fn finish(self) -> Result<(), Rejected> {
        if self.left.is_empty() { Ok(()) } else { Err(self.wrong(0)) }
    }

    /// The values do not end where the next `wanted` ones must be.
    fn wrong(&self, wanted: usize) -> Rejected {
        let got = self.all.len();
        let expected = got.saturating_sub(self.left.len()).saturating_add(wanted);
        Rejected::Exposed { circuit: self.circuit, got, expected }
    }
}
