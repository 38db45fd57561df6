//! What can go wrong in a fleet, as scenarios: real gateways, workers and databases in processes of their own, an engine without
//! proofs. In each: no accepted result is lost or wrong, no task stays stuck, and the receipt is the job's.
//!
//! Every scenario runs on SQLite and on PostgreSQL. The queue's clock runs six times as fast as the world's, so that a lease of
//! 30 seconds is over in five.

#[path = "../fake/mod.rs"]
mod fake;
#[path = "../../../queue/tests/support/postgres.rs"]
mod postgres;

mod child;
mod cluster;

mod cancelled;
mod deadline;
mod drained;
mod fairness;
mod gateways;
mod killed;
mod lost_database;
mod lost_input;
mod poison;
mod shared_store;
mod stalled;
mod versions;
mod wrong_proofs;
