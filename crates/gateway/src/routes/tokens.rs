//! Tokens, and who one is.

use axum::{Json, extract::State, http::StatusCode};
use phalanx_api::{NewToken, TokenMade, TokenView, WhoAmI, schema::Name};

use crate::{
    auth::{Admin, Anyone, new_secret, secret_hash},
    extract::{Given, NameAt, check_name, quoted},
    failure::{Answer, Refused},
    limits::NOTE_CHARS_MAX,
    openapi::Refusals,
    state::Shared,
};

/// Whom the token makes its bearer.
#[utoipa::path(
    get, path = "/v1/whoami", operation_id = "whoami", tag = "tokens",
    responses((status = 200, body = WhoAmI, description = "Scope and tenant."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn whoami(Anyone(caller): Anyone) -> Json<WhoAmI> {
    Json(WhoAmI { scope: caller.scope, tenant: caller.tenant })
}

/// Makes a token. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/v1/tokens", operation_id = "create_token", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = TokenMade, description = "The token."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn create(
    _: Admin,
    State(shared): State<Shared>,
    Given(token): Given<NewToken>,
) -> Answer<(StatusCode, Json<TokenMade>)> {
    check_name("tenant", &token.tenant)?;
    if token.note.chars().count() > NOTE_CHARS_MAX {
        return Err(Refused::bad_request(format!("the note is longer than {NOTE_CHARS_MAX} characters")));
    }
    if token.expires_after_ms == Some(0) {
        return Err(Refused::bad_request("expires_after_ms is 0, at least 1 is needed"));
    }
    // PostgreSQL's texts hold everything but this one character.
    let token = NewToken { note: token.note.replace('\0', "␀"), ..token };
    let secret = new_secret().map_err(Refused::internal)?;
    let token = shared.queue.create_token(&secret_hash(&secret), &token).await?;
    Ok((StatusCode::CREATED, Json(TokenMade { token, secret })))
}

/// All tokens, without their secrets.
#[utoipa::path(
    get, path = "/v1/tokens", operation_id = "tokens", tag = "tokens",
    responses((status = 200, body = Vec<TokenView>, description = "All of them, revoked ones too."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn list(_: Admin, State(shared): State<Shared>) -> Answer<Json<Vec<TokenView>>> {
    Ok(Json(shared.queue.tokens().await?))
}

/// Revokes a token. Other gateways notice within five seconds.
#[utoipa::path(
    delete, path = "/v1/tokens/{name}", operation_id = "revoke_token", tag = "tokens",
    params(("name" = Name, Path, description = "The token's id.")),
    responses((status = 204, description = "It is revoked."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn revoke(_: Admin, State(shared): State<Shared>, NameAt(id): NameAt) -> Answer<StatusCode> {
    let was_there = shared.queue.revoke_token(&id).await?;
    shared.tokens.forget(&id);
    if was_there {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refused::not_found(format!("there is no token {}", quoted(&id))))
    }
}
