//! A gateway as its callers see it. One program, which is built once; what counts for a whole process has programs of its own.

mod auth;
mod bad_input;
mod deploy_files;
mod document;
mod events;
mod job;
#[path = "../support/mod.rs"]
mod support;
mod transfers;
