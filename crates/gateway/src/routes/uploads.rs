//! Uploads of clients: programs and inputs.

use axum::{
    Json,
    extract::{Request, State},
};
use phalanx_api::{ErrorCode, Stored, schema::Binary};
use phalanx_claim::ArtifactKind;

use crate::{
    artifacts,
    auth::Client,
    extract::check_content_type,
    failure::{Answer, Refused},
    limits::{INPUT_BYTES_MAX, PROGRAM_BYTES_MAX},
    openapi::Refusals,
    state::Shared,
};

/// What every ELF begins with.
const ELF_MAGIC: &[u8] = b"\x7fELF";
/// What every encoded guest input begins with.
const INPUT_MAGIC: &[u8] = b"PHin";

/// Stores a program: an RV32IM ELF of at most 64 MiB.
#[utoipa::path(
    post, path = "/v1/programs", operation_id = "program", tag = "jobs",
    request_body(content = Binary, content_type = "application/octet-stream", description = "The ELF."),
    responses((status = 200, body = Stored, description = "It is in the store."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn program(_: Client, State(shared): State<Shared>, request: Request) -> Answer<Json<Stored>> {
    let what = Upload { kind: ArtifactKind::Program, magic: ELF_MAGIC, bytes_max: PROGRAM_BYTES_MAX };
    what.receive(&shared, request).await
}

/// Stores a guest's input, as `phalanx` encodes it, of at most 600 MiB.
#[utoipa::path(
    post, path = "/v1/inputs", operation_id = "input", tag = "jobs",
    request_body(content = Binary, content_type = "application/octet-stream", description = "The encoded input; it begins with `PHin`."),
    responses((status = 200, body = Stored, description = "It is in the store."), Refusals),
    security(("token" = []))
)]
pub(crate) async fn input(_: Client, State(shared): State<Shared>, request: Request) -> Answer<Json<Stored>> {
    let what = Upload { kind: ArtifactKind::Stdin, magic: INPUT_MAGIC, bytes_max: INPUT_BYTES_MAX };
    what.receive(&shared, request).await
}

/// What is expected.
struct Upload {
    kind: ArtifactKind,
    magic: &'static [u8],
    bytes_max: u64,
}

impl Upload {
    async fn receive(&self, shared: &Shared, request: Request) -> Answer<Json<Stored>> {
        check_content_type(request.headers(), "application/octet-stream")?;
        let spool = artifacts::spool(shared, request, self.bytes_max).await?;
        if !spool.begins_with(self.magic) {
            let message = format!("these bytes are no {}", self.kind);
            let magic = self.magic.escape_ascii();
            return Err(Refused::new(ErrorCode::Corrupt, message).hint(format!("one begins with {magic}")));
        }
        Ok(Json(artifacts::put_raw(shared, self.kind, None, spool).await?))
    }
}
