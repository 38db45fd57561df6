//! The HTTP face of the queue: API, events, metrics, dashboard. Links no prover.
//!
//! In: a [`Queue`](phalanx_queue::Queue), a [`Store`](phalanx_store::Store) and requests from anyone. Out: the answers of
//! `phalanx_api`. A gateway keeps nothing that must outlive it, so any number of them may serve one database and one store. It
//! believes no receipt that it has not verified.
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

mod artifacts;
mod auth;
mod blocking;
mod claim;
mod completion;
mod engines;
mod events;
mod extract;
mod failure;
mod gateway;
mod keys;
mod limits;
mod load;
mod metrics;
mod openapi;
mod pages;
mod pins;
mod rate;
mod receive;
mod router;
mod routes;
mod serve;
mod state;
mod stores;
mod sweep;
mod times;
mod tls;
mod trace;
mod wait;

pub use auth::{Auth, OPEN_TENANT, new_secret, secret_hash};
pub use gateway::{Bound, Config, Gateway, GatewayError, Listener, Verify, verify};
pub use limits::Limits;
pub use metrics::{METRICS, Metric, MetricKind, Unit};
pub use tls::Tls;
