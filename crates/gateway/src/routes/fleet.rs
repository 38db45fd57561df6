//! The fleet as operators see it: workers, load, times.

use std::collections::{BTreeMap, btree_map::Entry};

use axum::{Json, extract::State, http::StatusCode};
use phalanx_api::{JobId, QueueView, StatsView, WorkerState, WorkerView, schema::Name};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    auth::{Admin, Anyone, Worker},
    extract::{Asked, NameAt, quoted},
    failure::{Answer, Refused},
    openapi::Refusals,
    state::Shared,
};

/// Over which time `stats` looks when nobody says.
const WINDOW_MS: u64 = 24 * 60 * 60 * 1000;
/// The longest time over which it looks.
const WINDOW_MS_MAX: u64 = 366 * WINDOW_MS;

/// All workers. A client sees which of them run tasks of its own jobs, and nothing of other tenants' jobs.
#[utoipa::path(
    get, path = "/v1/workers", operation_id = "workers", tag = "fleet",
    responses((status = 200, body = Vec<WorkerView>, description = "All that are known."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn workers(Anyone(caller): Anyone, State(shared): State<Shared>) -> Answer<Json<Vec<WorkerView>>> {
    let mut workers = shared.queue.workers().await?;
    if let (Some(tenant), false) = (caller.sees(), caller.scope == phalanx_api::Scope::Worker) {
        let mut is_own = BTreeMap::<JobId, bool>::new();
        for held in workers.iter().flat_map(|worker| &worker.running) {
            if let Entry::Vacant(unknown) = is_own.entry(held.job) {
                unknown.insert(shared.queue.owner(held.job).await? == tenant);
            }
        }
        for worker in &mut workers {
            worker.running.retain(|held| is_own.get(&held.job) == Some(&true));
        }
    }
    Ok(Json(workers))
}

/// Lets a worker finish what it has and gives it no more.
#[utoipa::path(
    post, path = "/v1/workers/{name}/drain", operation_id = "drain", tag = "fleet",
    params(("name" = Name, Path, description = "The worker.")),
    responses((status = 204, description = "It gets no more tasks."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn drain(_: Admin, State(shared): State<Shared>, NameAt(name): NameAt) -> Answer<StatusCode> {
    set(&shared, &name, WorkerState::Draining).await
}

/// Gives tasks to a worker again that was drained or quarantined, and forgets its bad proofs.
#[utoipa::path(
    post, path = "/v1/workers/{name}/resume", operation_id = "resume", tag = "fleet",
    params(("name" = Name, Path, description = "The worker.")),
    responses((status = 204, description = "It gets tasks again."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn resume(_: Admin, State(shared): State<Shared>, NameAt(name): NameAt) -> Answer<StatusCode> {
    set(&shared, &name, WorkerState::Active).await
}

async fn set(shared: &Shared, name: &str, state: WorkerState) -> Answer<StatusCode> {
    if shared.queue.set_worker_state(name, state).await? {
        tracing::info!(worker = name, state = state.name(), "an admin set the state of a worker");
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refused::not_found(format!("there is no worker {}", quoted(name))))
}

/// How much work there is; what autoscalers look at.
#[utoipa::path(
    get, path = "/v1/queue", operation_id = "queue", tag = "fleet",
    responses((status = 200, body = QueueView, description = "The load now."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn queue(_: Anyone, State(shared): State<Shared>) -> Answer<Json<QueueView>> {
    Ok(Json(shared.load.of(&shared.queue).await?))
}

/// What `stats` takes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsQuery {
    /// Over jobs that ended in the last so many milliseconds; absent: one day.
    #[param(minimum = 1, maximum = 31_622_400_000_u64)]
    window_ms: Option<u64>,
}

/// How long tasks took.
#[utoipa::path(
    get, path = "/v1/stats", operation_id = "stats", tag = "fleet", params(StatsQuery),
    responses((status = 200, body = StatsView, description = "Means and counts by kind."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn stats(
    _: Worker,
    State(shared): State<Shared>,
    Asked(StatsQuery { window_ms }): Asked<StatsQuery>,
) -> Answer<Json<StatsView>> {
    let window_ms = window_ms.unwrap_or(WINDOW_MS);
    if !(1..=WINDOW_MS_MAX).contains(&window_ms) {
        let message = format!("window_ms is {window_ms}, from 1 to {WINDOW_MS_MAX} is allowed");
        return Err(Refused::bad_request(message));
    }
    Ok(Json(shared.queue.stats(window_ms).await?))
}
