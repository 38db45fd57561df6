//! Events: jobs and tasks as they change, as server-sent events.
//!
//! An event is the thing as it stands now, so whoever misses some and comes again misses nothing that counts; `id` is the time
//! of the change, and `Last-Event-ID` goes on from there.

use std::convert::Infallible;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event, KeepAlive, KeepAliveStream},
    },
};
use phalanx_api::{ErrorCode, JobId};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use crate::{
    auth::Client,
    events::{JobEvents, TenantEvents},
    extract::{Asked, JobAt},
    failure::{Answer, Refused},
    openapi::Refusals,
    state::Shared,
};

/// Events that wait for a slow reader; then the stream waits for it.
const AHEAD: usize = 64;

type Stream = Sse<KeepAliveStream<ReceiverStream<Result<Event, Infallible>>>>;

/// One job: all of its tasks as they stand, then each that changes, and the job whenever it changes. Ends when the job is over.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/events", operation_id = "events", tag = "jobs",
    params(
        ("job" = JobId, Path),
        ("Last-Event-ID" = Option<u64>, Header, description = "Go on after this event.")
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = String, description = "`task` events hold a TaskView, `job` events a JobView."),
        Refusals
    ),
    security(("token" = []))
)]
pub(crate) async fn of_job(
    Client(caller): Client,
    State(shared): State<Shared>,
    JobAt(job): JobAt,
    headers: HeaderMap,
) -> Answer<Stream> {
    shared.check_owner(&caller, job).await?;
    let after = last_event_id(&headers)?;
    stream(&shared, |shared, sender| JobEvents::new(shared, job, after).run(sender))
}

/// What `events` takes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Go on after this event; as the header `Last-Event-ID`.
    after: Option<u64>,
}

/// All jobs that the token may see: those that are not over as they stand, then each that changes.
#[utoipa::path(
    get, path = "/v1/events", operation_id = "job_events", tag = "jobs",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "Go on after this event.")
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = String, description = "`job` events hold a JobView."),
        Refusals
    ),
    security(("token" = []))
)]
pub(crate) async fn of_jobs(
    Client(caller): Client,
    State(shared): State<Shared>,
    Asked(EventsQuery { after }): Asked<EventsQuery>,
    headers: HeaderMap,
) -> Answer<Stream> {
    let after = last_event_id(&headers)?.or(after);
    let tenant = caller.sees().map(str::to_owned);
    stream(&shared, |shared, sender| TenantEvents::new(shared, tenant, after).run(sender))
}

fn stream<F>(shared: &Shared, run: impl FnOnce(Shared, mpsc::Sender<Result<Event, Infallible>>) -> F) -> Answer<Stream>
where
    F: Future<Output = Answer<()>> + Send + 'static,
{
    let permit = shared.streams.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Refused::new(ErrorCode::TooMany, "too many event streams are open"))?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let running = run(shared.clone(), sender);
    tokio::spawn(async move {
        // The head of the answer is gone; all that is left is to end the stream, and the client comes again.
        if let Err(refused) = running.await {
            tracing::warn!(cause = refused.cause, "an event stream broke off: {}", refused.body.message);
        }
        drop(permit);
    });
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default()))
}

fn last_event_id(headers: &HeaderMap) -> Answer<Option<u64>> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| Refused::bad_request("Last-Event-ID is no id of an event of this stream"))
}
