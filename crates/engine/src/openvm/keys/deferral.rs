//! The keys of deferral proving: proving inside one program that a receipt of another one verifies.

use openvm_sdk::{
    keygen::{AggProvingKey, DeferralProvingKey},
    prover::DeferralAggProver,
};
use serde::{Deserialize, Serialize};

/// Keys of the verify-stark circuit, of the folds above it and of the hook. Ordinary proving does without them.
#[derive(Clone, Serialize, Deserialize)]
pub struct DeferralKeys {
    /// The circuit, its folds and the hook.
    pub circuits: DeferralProvingKey,
    /// The folds above the hook.
    pub agg: AggProvingKey,
}

impl DeferralKeys {
    pub(super) fn of(prover: &DeferralAggProver) -> Self {
        Self { circuits: prover.multi_deferral_circuit_prover.get_pk(), agg: prover.get_pk() }
    }
}
