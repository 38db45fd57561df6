//! Receipts of done jobs, and the verifier's word on them.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method},
    response::Response,
};
use phalanx_api::{ErrorCode, Form, JobId, JobState, JobView, Verification};
use phalanx_claim::{ArtifactKind, Digest};

use crate::{
    artifacts,
    auth::Client,
    extract::JobAt,
    failure::{Answer, Refused},
    openapi::Refusals,
    state::Shared,
};

/// The receipt of a done job, as a file.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/receipt", operation_id = "receipt", tag = "jobs", params(("job" = JobId, Path)),
    responses(
        (status = 200, content_type = "application/octet-stream", description = "The receipt."),
        (status = 206, content_type = "application/octet-stream", description = "A part of it."),
        (status = 304, description = "The client has it."),
        (status = 416, body = phalanx_api::ErrorBody, description = "It has no such part."),
        Refusals
    ),
    security(("token" = []))
)]
pub(crate) async fn receipt(
    Client(caller): Client,
    State(shared): State<Shared>,
    JobAt(job): JobAt,
    method: Method,
    headers: HeaderMap,
) -> Answer<Response> {
    let receipt = receipt_of(&shared.job_for(&caller, job).await?)?;
    artifacts::send(&shared, &method, receipt, Form::Raw, &headers).await
}

/// Verifies the receipt of a done job now.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/verification", operation_id = "verification", tag = "jobs",
    params(("job" = JobId, Path)),
    responses((status = 200, body = Verification, description = "Whether it is a proof."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn verification(
    Client(caller): Client,
    State(shared): State<Shared>,
    JobAt(job): JobAt,
) -> Answer<Json<Verification>> {
    let receipt = receipt_of(&shared.job_for(&caller, job).await?)?;
    let (store, verify) = (shared.stores.current(), shared.verify);
    let verified = shared.blocking.run(move || {
        let found = store.get(&receipt, ArtifactKind::Receipt)?;
        Ok::<_, phalanx_store::StoreError>(match found {
            Some(bytes) => verify(&bytes),
            None => Err("the receipt is no longer in the store".to_owned()),
        })
    });
    let reason = verified.await??.err();
    Ok(Json(Verification { is_valid: reason.is_none(), reason }))
}

fn receipt_of(job: &JobView) -> Answer<Digest> {
    match (job.state, job.receipt) {
        (JobState::Done, Some(receipt)) => Ok(receipt),
        (state, _) => {
            let message = format!("job {} is {}, so it has no receipt", job.job, state.name());
            Err(Refused::new(ErrorCode::Conflict, message))
        }
    }
}
