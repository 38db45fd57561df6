//! Seats for connections, a limited number. Who is idle longest gives up its seat when somebody stands.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// More connections than any process can have, and fewer than a semaphore's permits.
const SEATS_MAX: usize = 1 << 24;

/// All connections.
pub(super) struct Connections {
    seats: Arc<Semaphore>,
    seats_max: usize,
    idle: Arc<Idle>,
}

/// Connections without a request, the one that is idle longest first.
#[derive(Default)]
struct Idle {
    turn: AtomicU64,
    waiting: Mutex<BTreeMap<u64, Arc<Notify>>>,
}

/// The place of one connection.
pub(super) struct Seat {
    idle: Arc<Idle>,
    evict: Arc<Notify>,
    /// Its turn among the idle, while it is.
    turn: Turn,
    /// The semaphore is never closed, so there is one.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connections {
    pub fn new(seats_max: usize) -> Self {
        let seats_max = seats_max.clamp(1, SEATS_MAX);
        Self { seats: Arc::new(Semaphore::new(seats_max)), seats_max, idle: Arc::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.seats_max.saturating_sub(self.seats.available_permits())
    }

    /// A place for a new connection, at the cost of an idle one if need be.
    pub async fn seat(&self) -> Seat {
        let mut permit = self.seats.clone().try_acquire_owned().ok();
        if permit.is_none() {
            self.idle.evict_one();
            permit = self.seats.clone().acquire_owned().await.ok();
        }
        let seat = Seat { idle: self.idle.clone(), evict: Arc::default(), turn: Arc::default(), _permit: permit };
        seat.idle.sit(&seat.turn, &seat.evict);
        seat
    }

    /// Waits until there are none.
    pub async fn empty(&self) {
        let all = u32::try_from(self.seats_max).unwrap_or(u32::MAX);
        drop(self.seats.acquire_many(all).await);
    }
}

type Turn = Arc<Mutex<Option<u64>>>;

impl Idle {
    fn sit(&self, turn: &Turn, evict: &Arc<Notify>) {
        let number = self.turn.fetch_add(1, Ordering::Relaxed);
        *turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, evict.clone());
    }

    fn stand(&self, turn: &Turn) {
        if let Some(number) = turn.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        }
    }

    fn evict_one(&self) {
        let oldest = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_first();
        if let Some((_, evict)) = oldest {
            evict.notify_one();
        }
    }
}

impl Seat {
    /// Ready when the connection is to go.
    pub fn evicted(&self) -> impl Future<Output = ()> + use<> {
        let (evict, turn) = (self.evict.clone(), self.turn.clone());
        async move {
            loop {
                evict.notified().await;
                // One that got a request in this moment stays.
                if turn.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                    return;
                }
            }
        }
    }

    /// The connection has a request; it is idle again when what this returns is dropped.
    pub fn busy(&self) -> Busy {
        self.idle.stand(&self.turn);
        Busy { idle: self.idle.clone(), turn: self.turn.clone(), evict: self.evict.clone() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.idle.stand(&self.turn);
    }
}

/// A request is being answered.
pub(super) struct Busy {
    idle: Arc<Idle>,
    turn: Turn,
    evict: Arc<Notify>,
}

impl Busy {
    /// The body, which keeps the connection busy until it is sent.
    pub fn until_sent(self, body: Body) -> Body {
        Body::new(Sending { body, _busy: self })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.idle.sit(&self.turn, &self.evict);
    }
}

struct Sending {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
