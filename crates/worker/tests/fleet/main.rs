//! What can go wrong in a fleet, as scenarios: real gateways, workers and databases in processes of their own, an engine without
//! proofs. In each: no accepted result is lost or wrong, no task stays stuck, and the receipt is the job's.
//!
//! Every scenario runs on SQLite and on PostgreSQL. The queue's clock runs six times as fast as the world's, so that a lease of
//! 30 seconds is over in five.

#[path = "../fake/mod.rs"]
mod fake;
#[path = "../../../queue/tests/support/postgres.rs"]
mod postgres;
#[path = "../../../store/tests/buckets/proxy.rs"]
mod proxy;
#[path = "../../../store/tests/buckets/servers.rs"]
#[allow(dead_code, reason = "one cloud is enough here")]
mod servers;

mod child;
mod cluster;
mod in_turns;
mod network;
mod small_disk;

mod cancelled;
mod cut_off;
mod deadline;
mod drained;
mod duplicates;
mod fairness;
mod faulty_network;
mod faulty_store;
mod full_database;
mod full_disk;
mod full_server;
mod gateways;
mod killed;
mod lost_database;
mod lost_input;
mod poison;
mod restarted_database;
mod shared_store;
mod stalled;
mod versions;
mod wrong_proofs;
