//! Whether the gateway lives and can work, its metrics, its own description.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use phalanx_api::Readiness;

use crate::{auth::Worker, metrics, openapi::Refusals, state::Shared};

/// Whether the process lives.
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz", tag = "health",
    responses((status = 200, content_type = "text/plain", body = String, description = "It does."))
)]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether database and store answer.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "health",
    responses(
        (status = 200, body = Readiness, description = "They do."),
        (status = 503, body = Readiness, description = "One of them does not.")
    )
)]
pub(crate) async fn readyz(State(shared): State<Shared>) -> Response {
    // Anybody may ask, so the answer names no addresses; the log does.
    let database = shared.queue.ping().await.err().map(|error| {
        tracing::warn!("not ready: {error}");
        "the database does not answer".to_owned()
    });
    let store = shared.stores.current();
    // No artifact has this name; whether the store can say so is all that matters.
    let nothing = phalanx_claim::Digest::new([0; 32]);
    let looked = match shared.blocking.run(move || store.contains(&nothing)).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(refused) => refused.cause,
    };
    let store = looked.map(|cause| {
        tracing::warn!("not ready: {cause}");
        "the store does not answer".to_owned()
    });
    let is_ready = database.is_none() && store.is_none();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { is_ready, database, store })).into_response()
}

/// Metrics in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "health",
    responses((status = 200, content_type = "text/plain", body = String, description = "All metrics."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn metrics(_: Worker) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics::render()).into_response()
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "health",
    responses((status = 200, content_type = "application/json", body = Object, description = "OpenAPI 3.1."))
)]
pub(crate) async fn openapi(State(shared): State<Shared>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], shared.openapi.clone()).into_response()
}
