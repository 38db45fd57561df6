//! The store: artifacts named by their digest, and the index from task keys to artifacts, in one directory or bucket that
//! any number of processes may use at once.
//!
//! In: bytes with their kind, task keys. Out: the same bytes, or nothing. Depends on `claim` only; knows no tasks and no
//! proofs. The face is blocking, because the tasks that use it are; it may be called from inside an async runtime too.
//!
//! # Layout, format 1
//!
//! ```text
//! FORMAT                          "phalanx-store 1"
//! artifacts/<2 hex>/<digest>      16-byte header, zstd body           codec::artifact
//! keys/<2 hex>/<task key>         header, artifact digest, check      codec::key
//! roots/<name>/<digest>           empty: the name says it all         roots
//! holds/<process>-<n>             digests that a live process uses    hold
//! spool/<process>-<n>             an upload that is not whole yet     spool
//! lock                            empty; only OS locks on it matter   hold
//! collected                       empty; its time is the store's own  collect
//! ```
//!
//! A bucket has no `holds`, `spool` and `lock`: nobody can say there who lives. So bindings are replaced by version, and
//! [`Store::collect`] asks its caller what is in use, where [`Store::gc`] asks the locks.
//!
//! # What survives
//!
//! *A killed process:* everything that was put. A file is written under a temporary name (`<name>#<n>`) and renamed or
//! linked when it is whole, so a half-written file is never visible under its final name; [`Store::gc`] removes
//! temporary files that nobody writes any more.
//!
//! *A power cut:* everything that the kernel had written back, usually all but the last seconds. Nothing is synced per
//! artifact: a file that the cut tore fails its check on reading, counts as missing, and its task runs again.
//!
//! *A flipped bit:* the same. Every byte of an artifact or key file is covered by a check.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )
)]

mod chunks;
mod codec;
mod collect;
mod download;
mod error;
mod format;
mod gc;
mod hold;
mod index;
mod inspect;
mod layout;
mod objects;
mod parts;
mod place;
mod reach;
mod remote;
mod roots;
mod spool;
mod store;
mod upload;

pub use codec::{
    Corrupt,
    artifact::{ARTIFACT_BYTES_MAX, decode as decode_artifact, encode as encode_artifact},
    key::{decode as decode_key, encode as encode_key},
};
pub use collect::Live;
pub use download::{Download, Form, Opened};
pub use error::StoreError;
pub use format::FORMAT;
pub use gc::Collected;
pub use inspect::{CorruptFile, StoredArtifact, Verified};
pub use place::{SignedPlace, Transfer};
pub use reach::References;
pub use roots::ROOT_NAME_BYTES_MAX;
pub use spool::Spool;
pub use store::Store;
pub use upload::UploadError;
