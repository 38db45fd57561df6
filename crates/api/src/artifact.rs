//! Artifacts: what an upload leaves, and where bytes may go without passing the gateway.

use phalanx_claim::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// An artifact that is in the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Stored {
    /// Its name: BLAKE3 of its bytes.
    #[schema(value_type = schema::DigestText)]
    pub digest: Digest,
    /// How many bytes it has.
    pub bytes: u64,
}

/// In which form an artifact is transferred.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Its bytes.
    #[default]
    Raw,
    /// As the store keeps it: a 16-byte header with magic, kind, format version and length, then zstd.
    Stored,
}

/// Asks where an artifact can be transferred: `POST /v1/artifacts/{digest}/place`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transfer {
    /// Reading it.
    Get,
    /// Writing it.
    Put,
}

/// What is to be done there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Reading or writing.
    pub transfer: Transfer,
}

/// Where an artifact can be transferred, in its stored form.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ArtifactPlace {
    /// A URL that is signed for this one artifact; absent: through the gateway.
    pub url: Option<String>,
    /// How long the URL is valid.
    pub valid_ms: u64,
}
