//! Artifacts by digest: whole or in part, raw or as the store keeps them, through the gateway or past it.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, Method},
    response::Response,
};
use phalanx_api::{
    ArtifactPlace, ErrorCode, Form, Place, Scope, Stored, Transfer,
    schema::{ArtifactKindName, Binary, DigestText},
};
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_store::ARTIFACT_BYTES_MAX;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    artifacts,
    auth::{Anyone, Caller, Worker},
    extract::{ArtifactAt, Asked, Given, check_content_type},
    failure::{Answer, Refused},
    limits::PLACE_VALID,
    openapi::Refusals,
    state::{Shared, State as All},
};

/// Bytes of an artifact in its stored form: what does not compress grows a little.
const STORED_BYTES_MAX: u64 = ARTIFACT_BYTES_MAX + (ARTIFACT_BYTES_MAX >> 7) + 4096;
/// What clients may store.
const OF_CLIENTS: &[ArtifactKind] = &[ArtifactKind::Program, ArtifactKind::Stdin];

/// In which form.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FormQuery {
    /// `raw` if absent.
    #[serde(default)]
    #[param(inline, required = false)]
    form: Form,
}

/// What is stored.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PutQuery {
    /// `raw` if absent.
    #[serde(default)]
    #[param(inline, required = false)]
    form: Form,
    /// What raw bytes are: program, stdin, pages, segment, execution, proof or receipt.
    #[param(inline, value_type = Option<ArtifactKindName>)]
    kind: Option<ArtifactKind>,
}

/// Reads an artifact. A client reads those of its tenant's jobs only.
#[utoipa::path(
    get, path = "/v1/artifacts/{digest}", operation_id = "artifact", tag = "artifacts",
    params(
        ("digest" = DigestText, Path), FormQuery,
        ("Range" = Option<String>, Header, description = "One range of bytes.")
    ),
    responses(
        (status = 200, content_type = "application/octet-stream", description = "All of it."),
        (status = 206, content_type = "application/octet-stream", description = "The part that was asked for."),
        (status = 304, description = "The client has it."),
        (status = 416, body = phalanx_api::ErrorBody, description = "It has no such part."),
        Refusals
    ),
    security(("token" = []))
)]
pub(crate) async fn get(
    Anyone(caller): Anyone,
    State(shared): State<Shared>,
    ArtifactAt(digest): ArtifactAt,
    Asked(FormQuery { form }): Asked<FormQuery>,
    method: Method,
    headers: HeaderMap,
) -> Answer<Response> {
    check_may_read(&shared, &caller, digest).await?;
    artifacts::send(&shared, &method, digest, form, &headers).await
}

/// Whether an artifact is there, and how long it is.
#[utoipa::path(
    head, path = "/v1/artifacts/{digest}", operation_id = "has_artifact", tag = "artifacts",
    params(("digest" = DigestText, Path), FormQuery),
    responses((status = 200, description = "It is there."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn head(
    anyone: Anyone,
    shared: State<Shared>,
    digest: ArtifactAt,
    form: Asked<FormQuery>,
    method: Method,
    headers: HeaderMap,
) -> Answer<Response> {
    get(anyone, shared, digest, form, method, headers).await
}

async fn check_may_read(state: &All, caller: &Caller, digest: Digest) -> Answer<()> {
    if caller.scope == Scope::Client && !state.queue.may_read(&caller.tenant, &digest).await? {
        return Err(Refused::not_found(format!("there is no artifact {digest}")));
    }
    Ok(())
}

/// Stores an artifact under its digest. A client stores programs and inputs only.
#[utoipa::path(
    put, path = "/v1/artifacts/{digest}", operation_id = "put_artifact", tag = "artifacts",
    params(("digest" = DigestText, Path), PutQuery),
    request_body(content = Binary, content_type = "application/octet-stream", description = "The bytes, in the form that is said."),
    responses((status = 200, body = Stored, description = "It is in the store."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn put(
    Anyone(caller): Anyone,
    State(shared): State<Shared>,
    ArtifactAt(digest): ArtifactAt,
    Asked(PutQuery { form, kind }): Asked<PutQuery>,
    request: Request,
) -> Answer<Json<Stored>> {
    check_content_type(request.headers(), "application/octet-stream")?;
    let kinds = if caller.scope == Scope::Client { OF_CLIENTS } else { &ArtifactKind::ALL };
    let stored = match (form, kind) {
        (Form::Stored, None) => {
            let spooled = artifacts::spool(&shared, request, STORED_BYTES_MAX).await?;
            artifacts::put_stored(&shared, digest, kinds, spooled).await?
        }
        (Form::Raw, Some(kind)) if kinds.contains(&kind) => {
            let spooled = artifacts::spool(&shared, request, ARTIFACT_BYTES_MAX).await?;
            artifacts::put_raw(&shared, kind, Some(digest), spooled).await?
        }
        (Form::Raw, Some(kind)) => {
            let message = format!("a token of scope {} may not store a {kind}", caller.scope);
            return Err(Refused::new(ErrorCode::Forbidden, message));
        }
        (Form::Raw, None) => return Err(Refused::bad_request("raw bytes need their kind").hint("add ?kind=…")),
        (Form::Stored, Some(_)) => {
            return Err(Refused::bad_request("the stored form has its kind in its header; leave ?kind= out"));
        }
    };
    Ok(Json(stored))
}

/// Where an artifact can be transferred in its stored form without passing the gateway, if the store signs URLs.
#[utoipa::path(
    post, path = "/v1/artifacts/{digest}/place", operation_id = "place", tag = "artifacts",
    params(("digest" = DigestText, Path)), request_body = Place,
    responses((status = 200, body = ArtifactPlace, description = "A URL, or none."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn place(
    _: Worker,
    State(shared): State<Shared>,
    ArtifactAt(digest): ArtifactAt,
    Given(Place { transfer }): Given<Place>,
) -> Answer<Json<ArtifactPlace>> {
    let transfer = match transfer {
        Transfer::Get => phalanx_store::Transfer::Get,
        Transfer::Put => phalanx_store::Transfer::Put,
    };
    let store = shared.stores.current();
    let place = shared.blocking.run(move || store.place(&digest, transfer, PLACE_VALID)).await?;
    let valid_ms = u64::try_from(PLACE_VALID.as_millis()).unwrap_or(u64::MAX);
    Ok(Json(match place {
        Some(place) => ArtifactPlace { url: Some(place.url), valid_ms },
        None => ArtifactPlace { url: None, valid_ms: 0 },
    }))
}
