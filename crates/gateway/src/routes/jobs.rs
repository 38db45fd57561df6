//! Jobs: submit, look, wait, cancel, requeue.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use phalanx_api::{
    ErrorCode, IDEMPOTENCY_KEY, JobId, JobList, JobQuery, JobView, NewJob, Requeue, Requeued, Submitted,
};
use phalanx_claim::Digest;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use crate::{
    auth::{Admin, Caller, Client},
    extract::{Asked, Given, JobAt},
    failure::{Answer, Refused},
    limits::{IDEMPOTENCY_KEY_BYTES_MAX, JOB_WAIT_MAX, PAGE_MAX, PRIORITY_MAX},
    openapi::Refusals,
    pages::{Key, Page},
    pins,
    state::{Shared, State as All},
    wait::Waiter,
};

/// Queues a job. An identical request that is done or under way is found instead of made again.
#[utoipa::path(
    post, path = "/v1/jobs", operation_id = "submit", tag = "jobs", request_body = NewJob,
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,128}$", description = "Up to 128 visible ASCII characters; the same key and request again give the same job.")),
    responses(
        (status = 201, body = Submitted, description = "It is queued."),
        (status = 200, body = Submitted, description = "It was there before."),
        Refusals
    ),
    security(("token" = []))
)]
pub(crate) async fn submit(
    Client(caller): Client,
    State(shared): State<Shared>,
    headers: HeaderMap,
    Given(job): Given<NewJob>,
) -> Answer<(StatusCode, Json<Submitted>)> {
    let idempotency_key = idempotency_key(&headers)?;
    check(&job)?;
    for (what, digest) in [("program", job.program), ("input", job.input)] {
        let store = shared.stores.current();
        if !shared.blocking.run(move || store.contains(&digest)).await?? {
            let message = format!("{what} {digest} is not in the store");
            let hint = format!("upload it with POST /v1/{what}s first");
            return Err(Refused::new(ErrorCode::MissingArtifact, message).hint(hint));
        }
    }
    let submitted = shared
        .queue
        .submit(&phalanx_queue::NewJob {
            tenant: caller.tenant,
            idempotency_key,
            program: job.program,
            input: job.input,
            priority: job.priority,
            deadline_after_ms: job.deadline_after_ms,
            limits: job.limits,
        })
        .await?;
    if !submitted.state.is_over() {
        pins::keep(&shared, submitted.job, &[job.program, job.input]).await?;
    }
    let status = if submitted.is_known { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(submitted)))
}

fn idempotency_key(headers: &HeaderMap) -> Answer<Option<String>> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    let is_good =
        (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if is_good && values.next().is_none() {
        return Ok(Some(key.to_owned()));
    }
    let message = format!("{IDEMPOTENCY_KEY} is one text of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters");
    Err(Refused::bad_request(message))
}

fn check(job: &NewJob) -> Answer<()> {
    if !(-PRIORITY_MAX..=PRIORITY_MAX).contains(&job.priority) {
        let message = format!("priority is {}, from -{PRIORITY_MAX} to {PRIORITY_MAX} is allowed", job.priority);
        return Err(Refused::bad_request(message));
    }
    let numbers = [
        ("deadline_after_ms", job.deadline_after_ms),
        ("limits.cycles_max", job.limits.cycles_max),
        ("limits.segment_cycles", job.limits.segment_cycles),
    ];
    for (what, number) in numbers {
        if number == Some(0) {
            return Err(Refused::bad_request(format!("{what} is 0, at least 1 is needed")));
        }
    }
    Ok(())
}

/// Jobs, the newest first; of all tenants for an admin.
#[utoipa::path(
    get, path = "/v1/jobs", operation_id = "jobs", tag = "jobs", params(JobQuery),
    responses((status = 200, body = JobList, description = "One page."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn jobs(
    Client(caller): Client,
    State(shared): State<Shared>,
    Asked(query): Asked<JobQuery>,
) -> Answer<Page> {
    check_limit(query.limit)?;
    let key = Key::Jobs { tenant: caller.sees().map(str::to_owned), query: format!("{query:?}") };
    let look = async { Page::new(&shared.queue.jobs(caller.sees(), &query).await?, String::new()) };
    shared.pages.get(key, look).await
}

/// Pages have from 1 to 500 rows.
pub(crate) fn check_limit(limit: Option<u32>) -> Answer<()> {
    match limit {
        Some(limit) if !(1..=PAGE_MAX).contains(&limit) => {
            Err(Refused::bad_request(format!("limit is {limit}, from 1 to {PAGE_MAX} is allowed")))
        }
        _ => Ok(()),
    }
}

impl All {
    /// A job that the caller may see.
    pub async fn job_for(&self, caller: &Caller, job: JobId) -> Answer<JobView> {
        let view = self.queue.job(job).await?;
        caller.may_see(&view.tenant, job)?;
        Ok(view)
    }

    /// Refuses if the caller may not see the job.
    pub async fn check_owner(&self, caller: &Caller, job: JobId) -> Answer<()> {
        caller.may_see(&self.queue.owner(job).await?, job)
    }
}

/// A job as it stands.
#[utoipa::path(
    get, path = "/v1/jobs/{job}", operation_id = "job", tag = "jobs", params(("job" = JobId, Path)),
    responses((status = 200, body = JobView, description = "How it stands."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn job(Client(caller): Client, State(shared): State<Shared>, JobAt(job): JobAt) -> Answer<Page> {
    let look = async {
        let view = shared.queue.job(job).await?;
        Page::new(&view, view.tenant.clone())
    };
    let page = shared.pages.get(Key::Job(job), look).await?;
    caller.may_see(&page.owner, job)?;
    Ok(page)
}

/// Ends a job. One that is over stays as it is.
#[utoipa::path(
    delete, path = "/v1/jobs/{job}", operation_id = "cancel", tag = "jobs", params(("job" = JobId, Path)),
    responses((status = 200, body = JobView, description = "How it stands now."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn cancel(
    Client(caller): Client,
    State(shared): State<Shared>,
    JobAt(job): JobAt,
) -> Answer<Json<JobView>> {
    shared.check_owner(&caller, job).await?;
    if shared.queue.cancel(job).await? {
        pins::drop(&shared, job).await?;
    }
    Ok(Json(shared.queue.job(job).await?))
}

/// Puts failed tasks back into the queue, and with them their job.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/requeue", operation_id = "requeue", tag = "jobs", params(("job" = JobId, Path)),
    request_body = Requeue,
    responses((status = 200, body = Requeued, description = "How many tasks run again."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn requeue(
    _: Admin,
    State(shared): State<Shared>,
    JobAt(job): JobAt,
    Given(Requeue { task }): Given<Requeue>,
) -> Answer<Json<Requeued>> {
    let view = shared.queue.job(job).await?;
    let needed: [Digest; 2] = [view.program, view.input];
    pins::keep(&shared, job, &needed).await?;
    Ok(Json(Requeued { tasks: shared.queue.requeue(job, task).await? }))
}

/// What `wait` takes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitQuery {
    /// How long to wait; 60,000 at most, which is also what is meant when it is absent.
    timeout_ms: Option<u64>,
}

/// A job as soon as it is over, or as it stands when the time has passed.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/wait", operation_id = "wait", tag = "jobs", params(("job" = JobId, Path), WaitQuery),
    responses((status = 200, body = JobView, description = "How it stands."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn wait(
    Client(caller): Client,
    State(shared): State<Shared>,
    JobAt(job): JobAt,
    Asked(WaitQuery { timeout_ms }): Asked<WaitQuery>,
) -> Answer<Json<JobView>> {
    let wait = timeout_ms.map_or(JOB_WAIT_MAX, Duration::from_millis).min(JOB_WAIT_MAX);
    let until = Instant::now() + wait;
    let mut waiter = Waiter::new(&shared);
    loop {
        let view = shared.job_for(&caller, job).await?;
        if view.state.is_over() || !waiter.woken(Waiter::CALM, until).await {
            return Ok(Json(view));
        }
    }
}
