//! The `phalanx` binary from end to end: real programs, real proofs, real processes.
//!
//! Proofs are what takes time, so tests share them: `e2e::sorted` and `e2e::resumed` prove a job each that others
//! look at or take a copy of.
#![cfg(feature = "openvm")]

mod e2e {
    mod bad_input;
    mod bad_programs;
    #[cfg(feature = "otlp")]
    mod collector;
    mod contract;
    mod elves;
    mod extension;
    mod faults;
    mod fleet;
    mod full_disk;
    mod interrupted;
    mod phalanx;
    #[path = "../../../queue/tests/support/postgres.rs"]
    #[allow(dead_code, reason = "tests of the queue share one server")]
    mod postgres;
    mod resumed;
    mod running;
    mod same_job;
    mod sorted;
    mod tampering;
}
