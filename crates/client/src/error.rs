//! What can go wrong between a client and its gateway.

use phalanx_api::{ErrorBody, ErrorCode};

/// Why a call gave nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// The gateway understood and refused.
    #[error("{}", body.message)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        body: ErrorBody,
        /// When it may be asked again, if it said so.
        retry_after_ms: Option<u64>,
    },
    /// No answer came, or only a part of one.
    #[error("{server} does not answer: {reason}")]
    Unreachable {
        /// Who was asked.
        server: String,
        /// What the system said.
        reason: String,
    },
    /// The connection is not secure: the certificate is not trusted, or the other side speaks no TLS.
    #[error("no secure connection to {server}: {reason}")]
    Insecure {
        /// Who was asked.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// What came is no answer of a gateway.
    #[error("{server} answered {status} with something that is no answer of phalanx: {reason}")]
    Unreadable {
        /// Who was asked.
        server: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing was asked: the server's URL, the token or a parameter cannot be used.
    #[error("{reason}")]
    Unusable {
        /// What is wrong.
        reason: String,
    },
}

impl ClientError {
    /// The gateway's code, if it refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { body, .. } => Some(body.code),
            _ => None,
        }
    }

    /// The gateway's hint.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused { body, .. } => body.hint.as_deref(),
            _ => None,
        }
    }

    /// Whether the attempt that a worker speaks of is over.
    pub fn is_stale(&self) -> bool {
        self.code() == Some(ErrorCode::Stale)
    }

    /// Whether there is no such thing.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(ErrorCode::NotFound)
    }

    /// Whether the same call may succeed later.
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Refused { body, .. } => body.code.may_retry(),
            Self::Unreachable { .. } => true,
            // A proxy in between says that the gateway is away.
            Self::Unreadable { status, .. } => *status >= 500,
            Self::Insecure { .. } | Self::Unusable { .. } => false,
        }
    }

    /// How long to wait before that, if the gateway said so.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Refused { retry_after_ms, .. } => *retry_after_ms,
            _ => None,
        }
    }
}
