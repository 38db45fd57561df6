//! The keys of ordinary proving, and the provers of each fold layer built from them.

use std::sync::{Arc, OnceLock};

use openvm_circuit::arch::SystemConfig;
use openvm_sdk::{
    F, SC,
    config::{AggregationConfig, AggregationTreeConfig, MAX_NUM_CHILDREN_INTERNAL, MAX_NUM_CHILDREN_LEAF},
    keygen::{AggPrefixProvingKey, AggProvingKey, AppProvingKey},
    prover::{AggProver, DeferralAggProver, DeferralHookCommits},
};
use openvm_sdk_config::{SdkVmConfig, deferral::SupportedDeferral};
use openvm_stark_backend::keygen::types::{MultiStarkProvingKey, MultiStarkVerifyingKey};
use openvm_verify_stark_host::pvs::VkCommit;
use phalanx_claim::Digest;
use phalanx_receipt::{CircuitCommit, MemoryShape, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::{DeferralKeys, KeysError};
use crate::openvm::{backend::Committer, config};

type InnerProver<const N: usize> = openvm_continuations::prover::InnerCpuProver<N>;

/// Folds segment proofs.
pub type LeafProver = InnerProver<MAX_NUM_CHILDREN_LEAF>;
/// Folds folds.
pub type InternalProver = InnerProver<MAX_NUM_CHILDREN_INTERNAL>;

/// Keys of the three fold layers and what makes them aware of deferral.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FoldKeys {
    pub(super) agg: AggProvingKey,
    pub(super) hook: DeferralHookCommits,
}

/// What proving a program needs: the key of its segments and the provers of the folds.
pub struct ProvingKeys {
    app: AppProvingKey<SdkVmConfig>,
    fold: FoldKeys,
    leaf: OnceLock<LeafProver>,
    internal_for_leaf: OnceLock<InternalProver>,
    internal_recursive: OnceLock<InternalProver>,
}

impl ProvingKeys {
    pub(super) fn new(app: AppProvingKey<SdkVmConfig>, fold: FoldKeys) -> Self {
        Self {
            app,
            fold,
            leaf: OnceLock::new(),
            internal_for_leaf: OnceLock::new(),
            internal_recursive: OnceLock::new(),
        }
    }

    /// Makes all keys from nothing: about 40 CPU-seconds, most of them for deferral.
    ///
    /// The verify-stark circuit verifies proofs of the very configuration that contains it. There is no cycle: that
    /// configuration enters the circuit only through memory shape and number of public values.
    pub fn generate() -> Result<(Self, DeferralKeys), KeysError> {
        let base = config::vm_config(None);
        let system: &SystemConfig = base.as_ref();
        let deferral = DeferralAggProver::verify_stark(
            &config::fold_params(),
            config::hook_params(),
            system.memory_config.memory_dimensions(),
            system.num_public_values,
        );
        let hook = DeferralHookCommits {
            hook_cached_commit: deferral.def_hook_cached_commit(),
            hook_commit: deferral.def_hook_commit(),
        };
        let circuits = deferral.multi_deferral_circuit_prover.make_config(vec![SupportedDeferral::VerifyStark]);
        let app = AppProvingKey::keygen(config::app_config(circuits))
            .map_err(|error| KeysError::Configuration(error.to_string()))?;
        let provers = AggProver::new(
            Arc::new(app.app_vm_pk.vm_pk.get_vk()),
            AggregationConfig { params: config::fold_params() },
            AggregationTreeConfig::default(),
            Some(hook.hook_cached_commit),
        );
        let agg = AggProvingKey {
            prefix: AggPrefixProvingKey {
                leaf: provers.leaf_prover.get_pk(),
                internal_for_leaf: provers.internal_for_leaf_prover.get_pk(),
            },
            internal_recursive: provers.internal_recursive_prover.get_pk(),
        };
        let keys = Self {
            app,
            fold: FoldKeys { agg, hook },
            leaf: OnceLock::from(provers.leaf_prover),
            internal_for_leaf: OnceLock::from(provers.internal_for_leaf_prover),
            internal_recursive: OnceLock::from(provers.internal_recursive_prover),
        };
        Ok((keys, DeferralKeys::of(&deferral)))
    }

    /// Key of the segment proofs, with the VM configuration.
    pub fn app(&self) -> &AppProvingKey<SdkVmConfig> {
        &self.app
    }

    /// Keys of the fold layers, for whoever builds provers of their own.
    pub fn agg(&self) -> &AggProvingKey {
        &self.fold.agg
    }

    /// What makes the folds aware of deferral.
    pub fn hook(&self) -> DeferralHookCommits {
        self.fold.hook
    }

    /// Folds segment proofs; built on first use (about a second).
    pub fn leaf(&self) -> &LeafProver {
        self.leaf.get_or_init(|| self.build(self.app_vk(), &self.fold.agg.prefix.leaf, false))
    }

    /// Folds the leaf layer's proofs; built on first use.
    pub fn internal_for_leaf(&self) -> &InternalProver {
        self.internal_for_leaf
            .get_or_init(|| self.build(vk(&self.fold.agg.prefix.leaf), &self.fold.agg.prefix.internal_for_leaf, false))
    }

    /// Folds everything above, its own proofs included; built on first use.
    pub fn internal_recursive(&self) -> &InternalProver {
        self.internal_recursive.get_or_init(|| {
            self.build(vk(&self.fold.agg.prefix.internal_for_leaf), &self.fold.agg.internal_recursive, true)
        })
    }

    /// Verifies segment proofs.
    pub fn app_vk(&self) -> Arc<MultiStarkVerifyingKey<SC>> {
        Arc::new(self.app.app_vm_pk.vm_pk.get_vk())
    }

    /// Builds the provers of all fold layers, for a caller that has nothing better to do meanwhile.
    pub fn warm(&self) {
        self.leaf();
        self.internal_for_leaf();
        self.internal_recursive();
    }

    /// The key that receipts made with these keys are verified with. Builds all provers.
    pub fn verifying_key(&self) -> VerifyingKey {
        let system: &SystemConfig = self.app.app_vm_pk.vm_config.as_ref();
        let memory = system.memory_config.memory_dimensions();
        let narrow = |n: usize| u32::try_from(n).expect("heights and counts of one VM configuration fit 32 bits");
        VerifyingKey {
            stark: self.internal_recursive().get_vk().as_ref().clone(),
            memory: MemoryShape {
                addr_space_height: narrow(memory.addr_space_height),
                address_height: narrow(memory.address_height),
            },
            public_values: narrow(system.num_public_values),
            app: commit(self.leaf().get_vk_commit(false)),
            leaf: commit(self.internal_for_leaf().get_vk_commit(false)),
            internal_for_leaf: commit(self.internal_recursive().get_vk_commit(false)),
            internal_recursive: commit(self.internal_recursive().get_vk_commit(true)),
            deferral_hook: self.fold.hook.hook_commit,
        }
    }

    /// Refuses keys whose receipts the verifier would reject. Builds all provers.
    pub fn check(&self) -> Result<(), KeysError> {
        let got = Digest::of(&self.verifying_key().encode()?);
        let expected = phalanx_receipt::engine_id().verifying_key;
        if got == expected { Ok(()) } else { Err(KeysError::VerifyingKeyDiffers { got, expected }) }
    }

    pub(super) fn fold(&self) -> &FoldKeys {
        &self.fold
    }

    fn build<const N: usize>(
        &self,
        child: Arc<MultiStarkVerifyingKey<SC>>,
        key: &Arc<MultiStarkProvingKey<SC>>,
        verifies_itself: bool,
    ) -> InnerProver<N> {
        InnerProver::from_pk::<Committer>(child, key.clone(), verifies_itself, Some(self.fold.hook.hook_cached_commit))
    }
}

fn vk(key: &MultiStarkProvingKey<SC>) -> Arc<MultiStarkVerifyingKey<SC>> {
    Arc::new(key.get_vk())
}

fn commit(commit: VkCommit<F>) -> CircuitCommit {
    CircuitCommit { constraints: commit.cached_commit, key: commit.vk_pre_hash }
}
