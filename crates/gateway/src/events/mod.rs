//! What event streams send, from what the queue says.

mod job;
mod tenant;

use std::{convert::Infallible, time::Duration};

use axum::response::sse::Event;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::failure::{Answer, Refused};

pub(crate) use job::JobEvents;
pub(crate) use tenant::TenantEvents;

/// Where events go.
type Sender = mpsc::Sender<Result<Event, Infallible>>;

/// Least time between two looks of one stream.
const CALM: Duration = Duration::from_millis(200);
/// A stream ends after this time. Clients come again with their last id, and with a token that may not count any more.
const LONGEST: Duration = Duration::from_secs(300);
/// A change becomes visible at most so long after the time that it carries; changes of this time are looked at again.
const OVERLAP_MS: u64 = 2_000;

/// Sends one event; false when nobody listens any more.
async fn send(to: &Sender, name: &str, id: u64, what: &impl Serialize) -> Answer<bool> {
    let event = Event::default().event(name).id(id.to_string()).json_data(what).map_err(Refused::internal)?;
    Ok(to.send(Ok(event)).await.is_ok())
}
