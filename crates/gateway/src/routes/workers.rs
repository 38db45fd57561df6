//! The worker protocol. What a worker says of a task carries the attempt, and counts only while that attempt runs.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use phalanx_api::{
    Announce, Announced, Assignment, Beat, BeatAnswer, Claim, Complete, Completed, Fail, Input, Leave, LookUp,
    LookedUp, NewWorker, Registered, Settle, Settled,
    schema::{LABEL_CHARS_MAX, Name},
};
use phalanx_claim::Digest;
use phalanx_queue::task::LEASE_MS;

use crate::{
    auth::Worker,
    claim, completion,
    extract::{Given, NameAt, check_name},
    failure::{Answer, Refused},
    limits::{ANNOUNCE_BYTES_MAX, BEAT_MS, CLAIM_WAIT_MAX},
    metrics,
    openapi::Refusals,
    pins,
    state::Shared,
};

/// A worker comes, or comes again. One that was started again gives back what it held before.
#[utoipa::path(
    post, path = "/v1/workers", operation_id = "register", tag = "workers", request_body = NewWorker,
    responses((status = 200, body = Registered, description = "How to behave."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn register(
    _: Worker,
    State(shared): State<Shared>,
    Given(worker): Given<NewWorker>,
) -> Answer<Json<Registered>> {
    check_name("worker", &worker.name)?;
    check_name("boot", &worker.boot)?;
    for (what, text) in
        [("version", &worker.version), ("engine.name", &worker.engine.name), ("engine.version", &worker.engine.version)]
    {
        if text.is_empty() || text.chars().count() > LABEL_CHARS_MAX || text.contains(char::is_control) {
            let message = format!("{what} is not one line of 1 to {LABEL_CHARS_MAX} characters");
            return Err(Refused::bad_request(message));
        }
    }
    if worker.slots == 0 || worker.cores == 0 || worker.kinds.is_empty() {
        return Err(Refused::bad_request("a worker has at least one slot, one core and one kind of tasks"));
    }
    shared.queue.register(&worker).await?;
    shared.engines.forget(&worker.name);
    tracing::info!(worker = worker.name, version = worker.version, "worker registered");
    let claim_wait_ms_max = u64::try_from(CLAIM_WAIT_MAX.as_millis()).unwrap_or(u64::MAX);
    Ok(Json(Registered { lease_ms: LEASE_MS, beat_ms: BEAT_MS, claim_wait_ms_max }))
}

/// Takes a task, waiting for one at most 30 s.
#[utoipa::path(
    post, path = "/v1/workers/{name}/claim", operation_id = "claim", tag = "workers",
    params(("name" = Name, Path, description = "The worker.")), request_body = Claim,
    responses(
        (status = 200, body = Assignment, description = "A task."),
        (status = 204, description = "There was none."),
        Refusals
    ),
    security(("token" = []))
)]
pub(crate) async fn claim(
    _: Worker,
    State(shared): State<Shared>,
    NameAt(name): NameAt,
    Given(asked): Given<Claim>,
) -> Answer<Response> {
    check_name("boot", &asked.boot)?;
    let wait = Duration::from_millis(asked.wait_ms).min(CLAIM_WAIT_MAX);
    Ok(match claim::claim(&shared, name, asked, wait).await? {
        Some(assignment) => Json::<Assignment>(assignment).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// The worker lives, and so do the tasks that it names.
#[utoipa::path(
    post, path = "/v1/workers/{name}/beat", operation_id = "beat", tag = "workers",
    params(("name" = Name, Path, description = "The worker.")), request_body = Beat,
    responses((status = 200, body = BeatAnswer, description = "What to stop."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn beat(
    _: Worker,
    State(shared): State<Shared>,
    NameAt(name): NameAt,
    Given(beat): Given<Beat>,
) -> Answer<Json<BeatAnswer>> {
    check_name("boot", &beat.boot)?;
    Ok(Json(shared.queue.beat(&name, &beat).await?))
}

/// Chooses where the segments of an execution end. The first choice counts for all starts of it.
#[utoipa::path(
    post, path = "/v1/workers/{name}/settle", operation_id = "settle", tag = "workers",
    params(("name" = Name, Path, description = "The worker.")), request_body = Settle,
    responses((status = 200, body = Settled, description = "The choice that counts."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn settle(
    _: Worker,
    State(shared): State<Shared>,
    NameAt(name): NameAt,
    Given(settle): Given<Settle>,
) -> Answer<Json<Settled>> {
    if settle.cut.segment_cycles_max == 0 || settle.cut.segment_bytes_max == 0 {
        return Err(Refused::bad_request("a segment has at least one instruction and one byte"));
    }
    Ok(Json(Settled { cut: shared.queue.settle(&name, &settle).await? }))
}

/// Adds tasks to a job while its execution runs.
#[utoipa::path(
    post, path = "/v1/workers/{name}/announce", operation_id = "announce", tag = "workers",
    params(("name" = Name, Path, description = "The worker.")), request_body = Announce,
    responses((status = 200, body = Announced, description = "How much of the job is not done."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn announce(
    _: Worker,
    State(shared): State<Shared>,
    NameAt(name): NameAt,
    Given(announce): Given<Announce, ANNOUNCE_BYTES_MAX>,
) -> Answer<Json<Announced>> {
    let announced = shared.queue.announce(&name, &announce).await?;
    let given = announce.tasks.iter().flat_map(|task| &task.inputs).filter_map(|input| match input {
        Input::Artifact { digest } => Some(*digest),
        Input::Result { .. } => None,
    });
    let given: BTreeSet<Digest> = given.collect();
    pins::keep(&shared, announce.held.job, &given.into_iter().collect::<Vec<_>>()).await?;
    Ok(Json(announced))
}

/// Records the result of a task. Its bytes must be in the store; a receipt must verify.
#[utoipa::path(
    post, path = "/v1/workers/{name}/complete", operation_id = "complete", tag = "workers",
    params(("name" = Name, Path, description = "The worker.")), request_body = Complete,
    responses((status = 200, body = Completed, description = "The result that counts."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn complete(
    _: Worker,
    State(shared): State<Shared>,
    NameAt(name): NameAt,
    Given(done): Given<Complete>,
) -> Answer<Json<Completed>> {
    Ok(Json(completion::complete(&shared, &name, &done).await?))
}

/// Says that a start of a task left no result.
#[utoipa::path(
    post, path = "/v1/workers/{name}/fail", operation_id = "fail", tag = "workers",
    params(("name" = Name, Path, description = "The worker.")), request_body = Fail,
    responses((status = 204, description = "It is recorded."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn fail(
    _: Worker,
    State(shared): State<Shared>,
    NameAt(name): NameAt,
    Given(fail): Given<Fail>,
) -> Answer<StatusCode> {
    // PostgreSQL's texts hold everything but this one character.
    let fail = Fail { detail: fail.detail.replace('\0', "␀"), ..fail };
    shared.queue.fail(&name, &fail).await?;
    metrics::task_failed(metrics::cause(fail.verdict));
    Ok(StatusCode::NO_CONTENT)
}

/// The recorded result of a task key.
#[utoipa::path(
    post, path = "/v1/workers/{name}/look_up", operation_id = "look_up", tag = "workers",
    params(("name" = Name, Path, description = "The worker.")), request_body = LookUp,
    responses((status = 200, body = LookedUp, description = "The result, if it is intact."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn look_up(
    _: Worker,
    State(shared): State<Shared>,
    NameAt(_): NameAt,
    Given(LookUp { key }): Given<LookUp>,
) -> Answer<Json<LookedUp>> {
    let store = shared.stores.current();
    let output = shared.blocking.run(move || store.lookup_present(key)).await??;
    Ok(Json(LookedUp { output }))
}

/// A worker goes. What it holds is given to others at once.
#[utoipa::path(
    post, path = "/v1/workers/{name}/leave", operation_id = "leave", tag = "workers",
    params(("name" = Name, Path, description = "The worker.")), request_body = Leave,
    responses((status = 204, description = "It is gone."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn leave(
    _: Worker,
    State(shared): State<Shared>,
    NameAt(name): NameAt,
    Given(Leave { boot }): Given<Leave>,
) -> Answer<StatusCode> {
    check_name("boot", &boot)?;
    shared.queue.leave(&name, &boot).await?;
    tracing::info!(worker = name, "worker left");
    Ok(StatusCode::NO_CONTENT)
}
