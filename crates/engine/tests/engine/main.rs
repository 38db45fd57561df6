//! The OpenVM engine: its tasks, its checkpoints, and its agreement with upstream. One program, because upstream's prover takes
//! minutes to compile for each.
#![cfg(feature = "openvm")]

mod agreement;
mod checkpoints;
#[path = "../../../swirl/tests/common/mod.rs"]
mod common;
mod same_proofs;
#[path = "../support/mod.rs"]
mod support;
mod tasks;
mod verifier_agreement;
