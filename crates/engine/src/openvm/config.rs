//! The one VM configuration that every program runs under, and the parameters it is proven with.
//!
//! In: the commitment of the verify-stark circuit, the only part that must be computed. Out: the configuration and the
//! parameters of every layer. `docs/decisions/0001-one-vm-configuration.md` says why there is only one.

use openvm_circuit::arch::{MemoryConfig, SystemConfig};
use openvm_sdk::config::{AggregationSystemParams, AppConfig};
use openvm_sdk_config::{SdkVmConfig, deferral::DeferralConfig};
use openvm_stark_backend::SystemParams;
use openvm_stark_sdk::config::{
    MAX_APP_LOG_STACKED_HEIGHT, app_params_with_100_bits_security, hook_params_with_100_bits_security,
};

/// RV32IM, input and output, Keccak-256, SHA-256, 256-bit integers, and deferral when its circuits are given.
///
/// Without circuits it is the base from which the deferral circuit is made: memory shape and public values are the same.
pub fn vm_config(deferral: Option<DeferralConfig>) -> SdkVmConfig {
    SdkVmConfig::builder()
        .system(Default::default())
        .rv32i(Default::default())
        .rv32m(Default::default())
        .io(Default::default())
        .keccak(Default::default())
        .sha2(Default::default())
        .bigint(Default::default())
        .maybe_deferral(deferral)
        .build()
        .optimize()
}

/// The memory of a VM.
pub(super) fn memory(config: &SdkVmConfig) -> MemoryConfig {
    let system: &SystemConfig = config.as_ref();
    system.memory_config.clone()
}

/// Parameters of a segment proof.
pub fn app_params() -> SystemParams {
    app_params_with_100_bits_security(MAX_APP_LOG_STACKED_HEIGHT)
}

/// Parameters of the folds.
pub fn fold_params() -> AggregationSystemParams {
    AggregationSystemParams::default()
}

/// Parameters of the hook that joins a deferred proof to the program that asked for it.
pub fn hook_params() -> SystemParams {
    hook_params_with_100_bits_security()
}

/// The configuration with its parameters.
pub fn app_config(deferral: DeferralConfig) -> AppConfig<SdkVmConfig> {
    AppConfig::new(vm_config(Some(deferral)), app_params())
}
