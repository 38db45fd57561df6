//! Why a request is refused, and how that becomes an answer.
//!
//! In: errors of the queue, the store and the request itself. Out: one typed body for each. What is our fault is told to the
//! client in general words only; its cause goes into the log, once, where the request ends.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use phalanx_api::{ErrorBody, ErrorCode};
use phalanx_queue::{QueueError, Refusal};
use phalanx_store::StoreError;

/// What is said when the disk under the gateway is full.
pub(crate) const FULL: &str = "the store is full; try again once there is room";

/// A request that is refused.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub body: ErrorBody,
    /// After how many seconds to come again.
    pub retry_after_s: Option<u32>,
    /// For the log only.
    pub cause: Option<String>,
}

/// What handlers give.
pub(crate) type Answer<T> = Result<T, Refused>;

impl Refused {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let retry_after_s = matches!(code, ErrorCode::TooMany | ErrorCode::Unavailable).then_some(1);
        Self { body: ErrorBody { code, message: message.into(), hint: None }, retry_after_s, cause: None }
    }

    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.body.hint = Some(hint.into().into_owned());
        self
    }

    pub fn cause(mut self, cause: impl ToString) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, what)
    }

    pub fn internal(cause: impl ToString) -> Self {
        Self::new(ErrorCode::Internal, "the gateway failed; its log says why, under this request's id").cause(cause)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.body.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self.body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The layer around all routes logs it.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooLong { .. } => Self::new(ErrorCode::TooLarge, error.to_string()),
            error if error.is_full() => Self::new(ErrorCode::Unavailable, FULL).cause(error),
            error => Self::new(ErrorCode::Unavailable, "the store does not answer; try again").cause(error),
        }
    }
}

impl From<QueueError> for Refused {
    fn from(error: QueueError) -> Self {
        use ErrorCode::{BadRequest, Conflict, NotFound, Quarantined, Stale, TooMany, Unavailable};
        let says = |code| Self::new(code, error.to_string());
        match &error {
            QueueError::Refused(Refusal::Stale { .. }) => says(Stale),
            QueueError::Refused(_) | QueueError::NotDeterministic { .. } => says(Conflict),
            QueueError::KeyReused(_) => says(Conflict).hint("take another key for another request"),
            QueueError::NoSuchJob(_) | QueueError::NoSuchTask { .. } => says(NotFound),
            QueueError::NoSuchWorker(_) => says(NotFound).hint("a worker registers first: POST /v1/workers"),
            QueueError::OtherBoot(_) | QueueError::Draining(_) => says(Conflict),
            QueueError::NoSuchChild { .. }
            | QueueError::WrongSpec { .. }
            | QueueError::NotExecution(_)
            | QueueError::TooLarge { .. } => says(BadRequest),
            QueueError::TooManyJobs { .. } => says(TooMany).hint("wait until one is over, or cancel one"),
            QueueError::Quarantined { .. } => {
                says(Quarantined).hint("see what is wrong with the machine, then resume it")
            }
            QueueError::Database(_) | QueueError::Stopped => {
                Self::new(Unavailable, "the database does not answer; try again").cause(error)
            }
            QueueError::Corrupt { .. } | QueueError::Schema(_) | QueueError::OtherSchema { .. } => {
                Self::internal(error)
            }
        }
    }
}
