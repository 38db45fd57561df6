//! What handlers take from a request: names in the path, queries, JSON bodies. Each refusal is a typed body.

use std::{fmt::Display, str::FromStr};

use axum::{
    RequestPartsExt,
    extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request},
    http::{HeaderMap, header, request::Parts},
};
use phalanx_api::{ErrorCode, JobId, TaskId};
use phalanx_claim::Digest;
use serde::de::DeserializeOwned;

use crate::{
    failure::{Answer, Refused},
    limits::{JSON_BYTES_MAX, NAME_BYTES_MAX},
    receive,
    state::Shared,
};

/// A job in the path.
#[derive(Clone, Copy)]
pub(crate) struct JobAt(pub JobId);

/// A task in the path.
#[derive(Clone, Copy)]
pub(crate) struct TaskAt(pub TaskId);

/// An artifact in the path.
#[derive(Clone, Copy)]
pub(crate) struct ArtifactAt(pub Digest);

/// The name of a worker or a tenant, or a token's id, in the path.
pub(crate) struct NameAt(pub String);

/// What follows `?`.
pub(crate) struct Asked<T>(pub T);

/// A JSON body of at most `MAX` bytes.
pub(crate) struct Given<T, const MAX: usize = JSON_BYTES_MAX>(pub T);

async fn part(parts: &mut Parts, name: &'static str) -> Answer<String> {
    let unreadable = || Refused::bad_request(format!("the path's {{{name}}} is not UTF-8 text"));
    let all: RawPathParams = parts.extract().await.map_err(|_| unreadable())?;
    all.iter().find(|(is, _)| *is == name).map(|(_, text)| text.to_owned()).ok_or_else(unreadable)
}

/// Reads a name that has one spelling only.
async fn named<T: FromStr<Err: Display> + Display>(parts: &mut Parts, name: &'static str) -> Answer<T> {
    let text = part(parts, name).await?;
    let value: T = text.parse().map_err(|error| Refused::bad_request(format!("{name} {}: {error}", quoted(&text))))?;
    if value.to_string() == text {
        Ok(value)
    } else {
        Err(Refused::bad_request(format!("{name} {} is written {value}", quoted(&text))))
    }
}

/// A client's text as it may stand in an answer or the log: escaped, and not long.
pub(crate) fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let cut: String = text.chars().take(CHARS_MAX).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}

/// Names go into URLs, logs and metrics: visible ASCII without what paths and shells care about.
pub(crate) fn check_name(what: &str, name: &str) -> Answer<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte);
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && name.len() <= NAME_BYTES_MAX && name.bytes().all(fits) {
        return Ok(());
    }
    let message = format!("{} is not a name for a {what}", quoted(name));
    let hint = format!("up to {NAME_BYTES_MAX} of a-z A-Z 0-9 - _ . : @, of which the first is a letter or a digit");
    Err(Refused::bad_request(message).hint(hint))
}

impl<S: Sync> FromRequestParts<S> for JobAt {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        named(parts, "job").await.map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for TaskAt {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        named(parts, "task").await.map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for ArtifactAt {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        named(parts, "digest").await.map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for NameAt {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        let name = part(parts, "name").await?;
        check_name("worker, tenant or token", &name)?;
        Ok(Self(name))
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        let Query(asked) = Query::try_from_uri(&parts.uri).map_err(|error| Refused::bad_request(error.body_text()))?;
        Ok(Self(asked))
    }
}

impl<T: DeserializeOwned, const MAX: usize> FromRequest<Shared> for Given<T, MAX> {
    type Rejection = Refused;

    async fn from_request(request: Request, shared: &Shared) -> Answer<Self> {
        check_content_type(request.headers(), "application/json")?;
        let bytes = receive::whole(request, MAX, shared.limits.chunk_wait).await?;
        // serde also reads the fields of an object from an array, in their order. That is nobody's contract.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            return Err(Refused::bad_request("the body is an array, an object is expected here"));
        }
        // serde_json names line and column, and does not repeat more than a word of what it read.
        let given = serde_json::from_slice(&bytes)
            .map_err(|error| Refused::bad_request(format!("the body is not what is expected here: {error}")))?;
        Ok(Self(given))
    }
}

/// The body must say that it is of this type.
pub(crate) fn check_content_type(headers: &HeaderMap, expected: &'static str) -> Answer<()> {
    let got = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = got.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let message = match got {
        "" => "the body has no content type".to_owned(),
        got => format!("the body's content type is {}", quoted(got)),
    };
    Err(Refused::new(ErrorCode::UnsupportedMediaType, message).hint(format!("send Content-Type: {expected}")))
}
