//! Request bodies, read with a limit on their length and on how long each piece may take.
//!
//! In: a body from anyone. Out: its pieces, or a refusal as soon as it is too long or too slow.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody},
    extract::Request,
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use phalanx_api::ErrorCode;
use tokio::time::timeout;

use crate::failure::{Answer, Refused};

/// A body that is being read.
pub(crate) struct Pieces {
    body: Body,
    left: u64,
    bytes_max: u64,
    wait: Duration,
}

impl Pieces {
    /// Begins to read a body. One that says that it is longer than `bytes_max` is refused at once.
    pub fn new(request: Request, bytes_max: u64, wait: Duration) -> Answer<Self> {
        let body = request.into_body();
        if body.size_hint().lower() > bytes_max {
            return Err(too_large(bytes_max));
        }
        Ok(Self { body, left: bytes_max, bytes_max, wait })
    }

    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Answer<Option<Bytes>> {
        loop {
            let slow = || Refused::new(ErrorCode::TooSlow, format!("nothing came for {} s", self.wait.as_secs()));
            let Some(frame) = timeout(self.wait, self.body.frame()).await.map_err(|_| slow())? else { return Ok(None) };
            let frame = frame.map_err(|error| Refused::bad_request("the body ended too early").cause(error))?;
            // Trailers say nothing that is read here.
            let Ok(bytes) = frame.into_data() else { continue };
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.left = self.left.checked_sub(len).ok_or_else(|| too_large(self.bytes_max))?;
            return Ok(Some(bytes));
        }
    }
}

/// A whole body in memory.
pub(crate) async fn whole(request: Request, bytes_max: usize, wait: Duration) -> Answer<Bytes> {
    let mut pieces = Pieces::new(request, u64::try_from(bytes_max).unwrap_or(u64::MAX), wait)?;
    let Some(first) = pieces.next().await? else { return Ok(Bytes::new()) };
    let Some(second) = pieces.next().await? else { return Ok(first) };
    let mut all = BytesMut::from(first);
    all.extend_from_slice(&second);
    while let Some(more) = pieces.next().await? {
        all.extend_from_slice(&more);
    }
    Ok(all.freeze())
}

fn too_large(bytes_max: u64) -> Refused {
    Refused::new(ErrorCode::TooLarge, format!("the body is longer than {bytes_max} bytes"))
}
