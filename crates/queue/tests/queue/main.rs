//! The queue on real databases: SQLite, and a PostgreSQL server that the tests share. One program, which is built once.

mod accounts;
mod claims;
mod faults;
mod histories;
mod races;
#[path = "../support/mod.rs"]
mod support;
mod together;
mod workers;
