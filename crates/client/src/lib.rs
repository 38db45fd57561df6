//! A blocking client of the HTTP API: one typed method for each route.
//!
//! In: where the gateway is and, if it asks for one, a token. Out: the values of `phalanx_api`, or a [`ClientError`] that says
//! whether trying again may help. A [`Client`] is cheap to clone and keeps its connections; nothing is tried twice unless the
//! caller asks for it with [`Client::persistently`].
//!
//! What the gateway answers is not trusted: every answer has a bound, every line of an event stream has one, and redirects are
//! not followed. Tokens and signed URLs appear in no error and in no `Debug`.
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

mod admin;
mod artifacts;
mod call;
mod config;
mod error;
mod events;
mod jobs;
mod persist;
mod sse;
#[cfg(test)]
mod testing;
mod workers;

pub use call::Client;
pub use config::ClientConfig;
pub use error::ClientError;
pub use events::{Event, Events};
