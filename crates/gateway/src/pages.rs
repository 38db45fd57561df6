//! Pages that many ask for at once: looked up once for all of them.
//!
//! In: which page, and how to look it up. Out: its JSON, looked up after the request came, or a moment ago if nothing in the
//! queue has changed since. What other gateways change is heard of a moment late, or not at all while nobody listens; the
//! moment is short for that.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use phalanx_api::{JobId, TaskId};
use phalanx_queue::Queue;
use serde::Serialize;
use tokio::{
    sync::{Mutex as Turn, watch},
    time::Instant,
};

use crate::failure::{Answer, Refused};

/// How long a page stands while nothing changes: how far a task is changes without a change of the queue.
const QUIET_FOR: Duration = Duration::from_millis(250);
/// Bytes of pages that are kept at most; beyond it, all of them are forgotten.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// What a page takes beside its bytes, roughly.
const PLACE_BYTES: usize = 512;

/// Which page.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Key {
    /// Jobs of a tenant, or of all, as asked for.
    Jobs {
        tenant: Option<String>,
        query: String,
    },
    Job(JobId),
    Tasks {
        job: JobId,
        after: Option<TaskId>,
        limit: u32,
    },
}

/// A page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    json: Bytes,
    /// Whose job it is; nobody's for a list, whose key names the tenant.
    pub owner: String,
}

impl Page {
    pub fn new(value: &impl Serialize, owner: String) -> Answer<Self> {
        let json = serde_json::to_vec(value).map_err(Refused::internal)?.into();
        Ok(Self { json, owner })
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.json).into_response()
    }
}

/// A page and when it was looked up.
struct Looked {
    page: Page,
    began: Instant,
    changes: u64,
}

type Place = Arc<Turn<Option<Looked>>>;

#[derive(Default)]
struct Places {
    by_key: HashMap<Key, Place>,
    bytes: usize,
}

/// Pages of a moment ago.
pub(crate) struct Pages {
    places: Mutex<Places>,
    changes: watch::Receiver<u64>,
}

impl Pages {
    pub fn new(queue: &Queue) -> Self {
        Self { places: Mutex::default(), changes: queue.wakes() }
    }

    /// The page, looked up by `look` unless somebody did so since this request came.
    pub async fn get(&self, key: Key, look: impl Future<Output = Answer<Page>>) -> Answer<Page> {
        let came = Instant::now();
        let place = self.place(key);
        let mut last = place.lock().await;
        if let Some(looked) = &*last
            && (looked.began >= came || self.stands(looked))
        {
            return Ok(looked.page.clone());
        }
        // Before the look, so that what changes meanwhile counts as a change.
        let changes = *self.changes.borrow();
        let began = Instant::now();
        let page = look.await?;
        let before = last.replace(Looked { page: page.clone(), began, changes });
        let bytes = |page: &Page| page.json.len();
        self.count(bytes(&page), before.map_or(0, |before| bytes(&before.page)));
        Ok(page)
    }

    fn stands(&self, looked: &Looked) -> bool {
        looked.began.elapsed() < QUIET_FOR && looked.changes == *self.changes.borrow()
    }

    fn place(&self, key: Key) -> Place {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.bytes > KEPT_BYTES_MAX {
            // Whoever looks something up now goes on in a place that nobody else finds.
            mem::take(&mut *places);
        }
        let Places { by_key, bytes } = &mut *places;
        let place = by_key.entry(key).or_insert_with(|| {
            *bytes += PLACE_BYTES;
            Place::default()
        });
        place.clone()
    }

    fn count(&self, more: usize, less: usize) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.bytes = (places.bytes + more).saturating_sub(less);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures::future::join_all;
    use phalanx_api::JobLimits;
    use phalanx_claim::Digest;
    use phalanx_queue::{Database, NewJob};

    use super::*;

    const LIST: Key = Key::Jobs { tenant: None, query: String::new() };

    async fn queue() -> (Queue, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("queue.db").display());
        (Queue::new(Database::open(&url).await.unwrap()), folder)
    }

    /// A page that says how many were looked up before it.
    async fn look(count: &AtomicU64) -> Answer<Page> {
        let page = Page::new(&count.fetch_add(1, Ordering::SeqCst), String::new());
        tokio::task::yield_now().await;
        page
    }

    async fn submit(queue: &Queue) {
        let job = NewJob {
            tenant: "default".to_owned(),
            idempotency_key: None,
            program: Digest::of(JobId::new().to_string().as_bytes()),
            input: Digest::of(b"input"),
            priority: 0,
            deadline_after_ms: None,
            limits: JobLimits::default(),
        };
        queue.submit(&job).await.unwrap();
    }

    #[tokio::test]
    async fn those_who_wait_together_share_one_look() {
        let (queue, _folder) = queue().await;
        let (pages, count) = (Pages::new(&queue), AtomicU64::new(0));
        let changing = async || {
            let page = look(&count).await;
            submit(&queue).await;
            page
        };
        let ask = |_| pages.get(LIST, changing());
        let got: Vec<Bytes> = join_all((0..10).map(ask)).await.into_iter().map(|page| page.unwrap().json).collect();
        // The first was under way when the others came, and has seen less than they must.
        assert_eq!((&got[0][..], &got[1][..], &got[9][..]), (&b"0"[..], &b"1"[..], &b"1"[..]));
        assert_eq!(count.into_inner(), 2);
    }

    #[tokio::test]
    async fn a_page_is_looked_up_anew_after_a_change() {
        let (queue, _folder) = queue().await;
        let (pages, count) = (Pages::new(&queue), AtomicU64::new(0));
        pages.get(LIST, look(&count)).await.unwrap();
        submit(&queue).await;
        let page = pages.get(LIST, look(&count)).await.unwrap();
        assert_eq!(&page.json[..], b"1");
    }

    #[tokio::test]
    async fn pages_that_are_kept_have_a_bound() {
        let (queue, _folder) = queue().await;
        let pages = Pages::new(&queue);
        let long = "x".repeat(KEPT_BYTES_MAX / 4);
        for _ in 0..20 {
            let look = async { Page::new(&long, String::new()) };
            pages.get(Key::Job(JobId::new()), look).await.unwrap();
            let places = pages.places.lock().unwrap();
            assert!(places.bytes <= KEPT_BYTES_MAX + long.len() + 1024 && places.by_key.len() <= 5);
        }
    }
}
