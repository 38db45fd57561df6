//! Tokens: who may do what.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// What a token allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Submitting jobs, and seeing and cancelling those of its tenant.
    Client,
    /// Taking tasks and transferring artifacts.
    Worker,
    /// Everything, for every tenant.
    Admin,
}

impl Scope {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Worker => "worker",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Client, Self::Worker, Self::Admin]
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or_else(|| format!("{text:?} is not a scope: client, worker or admin"))
    }
}

/// A token to be made: `POST /v1/tokens`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it allows.
    pub scope: Scope,
    /// For whom. A worker serves every tenant, whoever it is for.
    #[schema(value_type = schema::Name)]
    pub tenant: String,
    /// For people: what it is for.
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub note: String,
    /// It is valid for so many milliseconds; absent: until it is revoked.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub expires_after_ms: Option<u64>,
}

/// A token that was made. Its secret is shown here and never again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenMade {
    /// What is known of it.
    #[serde(flatten)]
    pub token: TokenView,
    /// To be sent as `Authorization: Bearer …`.
    pub secret: String,
}

impl fmt::Debug for TokenMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenMade").field("token", &self.token).finish_non_exhaustive()
    }
}

/// A token without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// Its name.
    pub id: String,
    /// What it allows.
    pub scope: Scope,
    /// For whom.
    pub tenant: String,
    /// What it is for.
    pub note: String,
    /// When it was made.
    pub created_ms: u64,
    /// When it stops being valid.
    pub expires_ms: Option<u64>,
    /// When somebody revoked it.
    pub revoked_ms: Option<u64>,
}
