//! Tenants and what each may take.

use axum::{Json, extract::State, http::StatusCode};
use phalanx_api::{TenantLimits, TenantView, schema::Name};

use crate::{
    auth::Admin,
    extract::{Given, NameAt},
    failure::Answer,
    openapi::Refusals,
    state::Shared,
};

/// All tenants that have limits.
#[utoipa::path(
    get, path = "/v1/tenants", operation_id = "tenants", tag = "tenants",
    responses((status = 200, body = Vec<TenantView>, description = "All of them."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn list(_: Admin, State(shared): State<Shared>) -> Answer<Json<Vec<TenantView>>> {
    Ok(Json(shared.queue.tenants().await?))
}

/// Says what a tenant may take.
#[utoipa::path(
    put, path = "/v1/tenants/{name}", operation_id = "set_tenant", tag = "tenants",
    params(("name" = Name, Path, description = "The tenant.")), request_body = TenantLimits,
    responses((status = 204, description = "It counts from now on."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn set(
    _: Admin,
    State(shared): State<Shared>,
    NameAt(name): NameAt,
    Given(limits): Given<TenantLimits>,
) -> Answer<StatusCode> {
    shared.queue.set_tenant(&name, limits).await?;
    Ok(StatusCode::NO_CONTENT)
}
