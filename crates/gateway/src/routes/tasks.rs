//! The tasks of a job, and what became of their starts.

use axum::{Json, extract::State};
use phalanx_api::{AttemptView, DeadTask, JobId, TaskId, TaskList};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    auth::Client,
    extract::{Asked, JobAt, TaskAt},
    failure::Answer,
    limits::PAGE_MAX,
    openapi::Refusals,
    pages::{Key, Page},
    routes::jobs::check_limit,
    state::Shared,
};

/// What `tasks` takes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskQuery {
    /// Only those behind this one.
    after: Option<TaskId>,
    /// How many at most, from 1 to 500; absent: 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Tasks of a job, in the order in which they would run.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/tasks", operation_id = "tasks", tag = "jobs",
    params(("job" = JobId, Path), TaskQuery),
    responses((status = 200, body = TaskList, description = "One page."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn tasks(
    Client(caller): Client,
    State(shared): State<Shared>,
    JobAt(job): JobAt,
    Asked(TaskQuery { after, limit }): Asked<TaskQuery>,
) -> Answer<Page> {
    check_limit(limit)?;
    let limit = limit.unwrap_or(PAGE_MAX);
    let look = async {
        let owner = shared.queue.owner(job).await?;
        let list = shared.queue.tasks(job, after, limit).await?;
        Page::new(&list, owner)
    };
    let page = shared.pages.get(Key::Tasks { job, after, limit }, look).await?;
    caller.may_see(&page.owner, job)?;
    Ok(page)
}

/// What became of the starts of a task, the first one first.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/tasks/{task}/attempts", operation_id = "attempts", tag = "jobs",
    params(("job" = JobId, Path), ("task" = TaskId, Path)),
    responses((status = 200, body = Vec<AttemptView>, description = "Those that are over."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn attempts(
    Client(caller): Client,
    State(shared): State<Shared>,
    JobAt(job): JobAt,
    TaskAt(task): TaskAt,
) -> Answer<Json<Vec<AttemptView>>> {
    shared.check_owner(&caller, job).await?;
    Ok(Json(shared.queue.attempts(job, task).await?))
}

/// Tasks that failed for good in jobs that nobody has requeued; of all tenants for an admin.
#[utoipa::path(
    get, path = "/v1/dead", operation_id = "dead", tag = "jobs",
    responses((status = 200, body = Vec<DeadTask>, description = "The latest 500."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn dead(Client(caller): Client, State(shared): State<Shared>) -> Answer<Json<Vec<DeadTask>>> {
    Ok(Json(shared.queue.dead(caller.sees(), PAGE_MAX).await?))
}
