//! The fold task: adjacent proofs of one layer become one of the next.
//!
//! Layers as in OpenVM's aggregation: 0 (leaf) takes segment proofs, 1 (internal for leaf) the leaf layer's, 2 (internal
//! recursive) those of layer 1, and from 3 on the recursive circuit takes its own.

use openvm_continuations::prover::ChildVkKind;
use openvm_cpu_backend::{CpuBackend, CpuDevice};
use openvm_sdk::SC;
use openvm_stark_backend::{StarkEngine, keygen::types::MultiStarkVerifyingKey};
use phalanx_claim::ArtifactKind;
use phalanx_swirl::SwirlEngine;

use super::{
    backend::{Device, Proof, Prover},
    catch,
    keys::ProvingKeys,
    proof,
};
use crate::{Fault, Inputs, TaskError};

/// How many proofs one fold of each layer takes; the last repeats.
pub(super) const ARITIES: [u32; 3] = [4, 3, 3];

/// Folds with the keys of every layer.
pub(super) struct Folder<'a> {
    pub prover: Prover,
    pub keys: &'a ProvingKeys,
}

impl Folder<'_> {
    /// Folds the proofs that `inputs` names.
    pub fn fold(&self, layer: u32, inputs: &Inputs<'_>) -> Result<Proof, TaskError> {
        let arity = ARITIES[(layer as usize).min(ARITIES.len() - 1)] as usize;
        if inputs.digests.is_empty() || inputs.digests.len() > arity {
            let reason = format!("layer {layer} takes 1 to {arity} proofs, got {}", inputs.digests.len());
            return Err(Fault::BadArtifact { what: "fold", reason }.into());
        }
        let children = inputs
            .digests
            .iter()
            .map(|digest| Ok(proof::decode(&inputs.source.get(digest, ArtifactKind::Proof)?, layer)?))
            .collect::<Result<Vec<_>, TaskError>>()?;
        self.fold_proofs(layer, &children)
    }

    /// Folds proofs and verifies the result.
    pub fn fold_proofs(&self, layer: u32, children: &[Proof]) -> Result<Proof, TaskError> {
        let folded = catch::panics(|| match self.prover {
            Prover::Swirl => self.fold_with::<SwirlEngine>(layer, children),
            Prover::Upstream => self.fold_with::<Device>(layer, children),
        })
        .map_err(|panic| TaskError::Retry(format!("the prover panicked: {panic}")))??;
        let verifying_key = match layer {
            0 => self.keys.leaf().get_vk(),
            1 => self.keys.internal_for_leaf().get_vk(),
            _ => self.keys.internal_recursive().get_vk(),
        };
        verify(&verifying_key, &folded, layer)?;
        Ok(folded)
    }

    fn fold_with<E>(&self, layer: u32, children: &[Proof]) -> Result<Proof, TaskError>
    where
        E: StarkEngine<SC = SC, PB = CpuBackend<SC>, PD = CpuDevice<SC>>,
    {
        let folded = match layer {
            0 => self.keys.leaf().agg_prove_no_def::<E>(children, ChildVkKind::App),
            1 => self.keys.internal_for_leaf().agg_prove_no_def::<E>(children, ChildVkKind::Standard),
            2 => self.keys.internal_recursive().agg_prove_no_def::<E>(children, ChildVkKind::Standard),
            _ => self.keys.internal_recursive().agg_prove_no_def::<E>(children, ChildVkKind::RecursiveSelf),
        };
        folded.map_err(|error| TaskError::Retry(error.to_string()))
    }
}

fn verify(key: &MultiStarkVerifyingKey<SC>, folded: &Proof, layer: u32) -> Result<(), TaskError> {
    Device::new(key.inner.params.clone())
        .verify(key, folded)
        .map_err(|error| TaskError::RetryElsewhere(format!("fold of layer {layer}: {error}")))
}
