//! A prover for SWIRL on CPUs: proofs byte for byte those of `openvm-cpu-backend`, in less time.
//!
//! In: upstream's proving key and proving context. Out: upstream's proof, which upstream's verifier accepts unmodified.
//! [`SwirlEngine`] is a `StarkEngine` over upstream's own matrices and device, so trace generation and recursion circuits
//! take it as they take `BabyBearPoseidon2CpuEngine`. May depend on the OpenVM STARK crates and Plonky3, on nothing of ours.

mod air;
mod batch;
mod buffer;
mod commit;
mod device;
mod engine;
mod eq;
pub mod gkr;
mod linear;
pub mod packing;
pub mod poseidon2;
mod prove;
mod skip_domain;
mod stacking;
mod whir;

pub use device::SwirlDevice;
pub use engine::SwirlEngine;
