//! Every layer below the last proof was verified by the circuit that the verifying key names.

use openvm_stark_sdk::config::baby_bear_poseidon2::Digest as Commit;

use super::{exposed::Folds, hash};
use crate::{CircuitCommit, Rejected, VerifyingKey};

/// What the exposed layer number is in the recursive layer.
const RECURSIVE_LAYER: u32 = 2;
/// The recursive layer is not deeper than this.
const DEPTH_MAX: u32 = 256;
/// What a circuit that did not verify itself yet exposes for itself.
const UNSET: CircuitCommit = CircuitCommit { constraints: hash::ZERO, key: hash::ZERO };

pub(super) fn check(key: &VerifyingKey, folds: &Folds, child_circuit: &Commit) -> Result<(), Rejected> {
    if folds.layer != RECURSIVE_LAYER {
        return Err(Rejected::Layer { got: folds.layer });
    }
    same("segment", &folds.app, &key.app)?;
    same("leaf", &folds.leaf, &key.leaf)?;
    same("internal-for-leaf", &folds.internal_for_leaf, &key.internal_for_leaf)?;
    if folds.depth == 0 || folds.depth > DEPTH_MAX {
        return Err(Rejected::Depth { got: folds.depth, max: DEPTH_MAX });
    }
    // The first recursive fold verifies the layer below it, every later one verifies the recursive layer itself.
    let (recursive, child) = if folds.depth == 1 {
        (&UNSET, &key.internal_for_leaf.constraints)
    } else {
        (&key.internal_recursive, &key.internal_recursive.constraints)
    };
    same("internal-recursive", &folds.internal_recursive, recursive)?;
    same_commit("verified", "constraints", child_circuit, child)
}

fn same(layer: &'static str, got: &CircuitCommit, expected: &CircuitCommit) -> Result<(), Rejected> {
    same_commit(layer, "constraints", &got.constraints, &expected.constraints)?;
    same_commit(layer, "key", &got.key, &expected.key)
}

fn same_commit(layer: &'static str, part: &'static str, got: &Commit, expected: &Commit) -> Result<(), Rejected> {
    if got == expected {
        Ok(())
    } else {
        Err(Rejected::Circuit { layer, part, got: hash::digest(got), expected: hash::digest(expected) })
    }
}
