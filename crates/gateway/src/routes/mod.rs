//! The routes, by subject. Each handler takes typed values from the request, asks the queue or the store, and gives a value of
//! `phalanx_api` back; the OpenAPI document is made from the same functions.

pub(crate) mod artifacts;
pub(crate) mod dashboard;
pub(crate) mod events;
pub(crate) mod fleet;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod receipts;
pub(crate) mod tasks;
pub(crate) mod tenants;
pub(crate) mod tokens;
pub(crate) mod uploads;
pub(crate) mod workers;
