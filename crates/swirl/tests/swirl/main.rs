//! Swirl against upstream, byte for byte. One program, because upstream's prover takes minutes to compile for each.

#[path = "../common/mod.rs"]
mod common;
mod gkr;
mod proofs;
mod random_airs;
