//! Downloads: an artifact, or a part of it, as a body that is read as fast as the client takes it.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    Json,
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::Stream;
use phalanx_api::{ErrorBody, ErrorCode, Form};
use phalanx_claim::Digest;
use phalanx_store::Download;
use tokio::sync::OwnedSemaphorePermit;

use super::range::{Wanted, wanted};
use crate::{
    failure::{Answer, Refused},
    metrics::{self, Direction},
    state::State,
};

/// An artifact never changes, so whoever has it need not ask again.
const FOREVER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// Answers with an artifact, or with the part of it that the headers ask for. An answer to HEAD has no body.
pub(crate) async fn send(
    state: &State,
    method: &Method,
    digest: Digest,
    form: Form,
    headers: &HeaderMap,
) -> Answer<Response> {
    let missing = || Refused::not_found(format!("there is no artifact {digest}"));
    let etag = match form {
        Form::Raw => format!("\"{digest}\""),
        Form::Stored => format!("\"{digest}-stored\""),
    };
    let etag_value = HeaderValue::from_str(&etag).map_err(Refused::internal)?;
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let stored_form = match form {
        Form::Raw => phalanx_store::Form::Raw,
        Form::Stored => phalanx_store::Form::Stored,
    };
    let opened = state.stores.current().open_artifact(&digest).await?.ok_or_else(missing)?;
    let common = [(header::ETAG, etag_value), (header::CACHE_CONTROL, FOREVER)];
    if text(header::IF_NONE_MATCH)
        .is_some_and(|known| known.split(',').any(|one| one.trim() == etag || one.trim() == "*"))
    {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    let bytes = opened.bytes(stored_form);
    let is_current = text(header::IF_RANGE).is_none_or(|known| known == etag);
    let part = text(header::RANGE).filter(|_| is_current).map_or(Wanted::All, |range| wanted(range, bytes));
    let (status, range) = match part {
        Wanted::All => (StatusCode::OK, 0..bytes),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => return Ok(no_such_part(bytes)),
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let permit = state.transfers.clone().acquire_owned().await.map_err(Refused::internal)?;
        let download = opened.download(stored_form, range.clone())?;
        Body::from_stream(Counted { download, bytes: 0, began: Instant::now(), _permit: permit })
    };
    let mut response = (status, common, body).into_response();
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end.saturating_sub(range.start)));
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{bytes}", range.start, range.end.saturating_sub(1));
        answer.insert(header::CONTENT_RANGE, HeaderValue::from_str(&text).map_err(Refused::internal)?);
    }
    Ok(response)
}

fn no_such_part(bytes: u64) -> Response {
    let body = ErrorBody {
        code: ErrorCode::BadRequest,
        message: format!("the artifact has {bytes} bytes, none of which are in the range"),
        hint: None,
    };
    (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, format!("bytes */{bytes}"))], Json(body))
        .into_response()
}

/// Counts what leaves.
struct Counted {
    download: Download,
    bytes: u64,
    began: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Stream for Counted {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.download).poll_next(context);
        match &next {
            Poll::Ready(Some(Ok(bytes))) => self.bytes += u64::try_from(bytes.len()).unwrap_or_default(),
            Poll::Ready(Some(Err(error))) => tracing::warn!("a download broke off: {error}"),
            _ => {}
        }
        next
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::transferred(Direction::Down, self.bytes, self.began.elapsed());
    }
}
