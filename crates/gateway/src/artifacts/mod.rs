//! Artifacts between clients and the store, in pieces: nothing is ever whole in memory.

mod download;
mod range;
mod upload;

pub(crate) use download::send;
pub(crate) use upload::{put_raw, put_stored, spool};
