//! What a refused request gets: one body for every 4xx and 5xx.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request was refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// For programs: what to do depends on it alone.
    pub code: ErrorCode,
    /// For people: what went wrong, with its place.
    pub message: String,
    /// For people: what they might do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The kinds of refusals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: the request cannot be read.
    BadRequest,
    /// 401: there is no token, or none that is valid.
    Unauthenticated,
    /// 403: the token does not allow it.
    Forbidden,
    /// 404: there is no such thing, or it is another tenant's.
    NotFound,
    /// 405: the path is right, the method is not.
    MethodNotAllowed,
    /// 408: the client was too slow.
    TooSlow,
    /// 409: it contradicts what is there, such as an idempotency key that was used for another request.
    Conflict,
    /// 409: the attempt that a worker speaks of is over; it stops working on it.
    Stale,
    /// 413: longer than is accepted.
    TooLarge,
    /// 415: not the content type that is expected.
    UnsupportedMediaType,
    /// 422: the bytes are not what their name or their header says.
    Corrupt,
    /// 422: an artifact that is named is not in the store.
    MissingArtifact,
    /// 429: too many requests or jobs; `Retry-After` says when to come again.
    TooMany,
    /// 403: the worker made proofs that do not verify and gets no more tasks.
    Quarantined,
    /// 500: our fault.
    Internal,
    /// 503: the database or the store does not answer; try again.
    Unavailable,
}

impl ErrorCode {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden | Self::Quarantined => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooSlow => 408,
            Self::Conflict | Self::Stale => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Corrupt | Self::MissingArtifact => 422,
            Self::TooMany => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    /// Whether the same request may succeed later.
    pub const fn may_retry(self) -> bool {
        matches!(self, Self::TooSlow | Self::TooMany | Self::Internal | Self::Unavailable)
    }
}
