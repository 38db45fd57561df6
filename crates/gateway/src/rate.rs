//! How often somebody may ask: a token bucket for each API token, and one for each address that shows bad ones.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use phalanx_api::ErrorCode;

use crate::failure::{Answer, Refused};

/// Buckets that are kept; beyond it, those that are full again are forgotten.
const BUCKETS_MAX: usize = 10_000;
/// Unknown tokens that one address may show per second, and at once.
const UNKNOWN_PER_SECOND: f64 = 20.0;
const UNKNOWN_BURST: f64 = 100.0;

/// The rates of all who ask.
pub(crate) struct Rates {
    by_token: Buckets<String>,
    unknown: Buckets<IpAddr>,
}

impl Rates {
    /// Buckets that fill with `per_second` up to `burst` requests.
    pub fn new(per_second: f64, burst: f64) -> Self {
        Self { by_token: Buckets::new(per_second, burst), unknown: Buckets::new(UNKNOWN_PER_SECOND, UNKNOWN_BURST) }
    }

    /// Takes one request from a token's bucket.
    pub fn take(&self, token: &str) -> Answer<()> {
        self.by_token.take(token, str::to_owned, Instant::now())
    }

    /// Takes one from the bucket of an address that shows a token that is not known yet.
    pub fn take_unknown(&self, address: IpAddr) -> Answer<()> {
        self.unknown.take(&address, IpAddr::clone, Instant::now())
    }
}

struct Buckets<K> {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Hash + Eq> Buckets<K> {
    fn new(per_second: f64, burst: f64) -> Self {
        Self { per_second, burst: burst.max(1.0), buckets: Mutex::new(HashMap::new()) }
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + since * self.per_second).min(self.burst)
    }

    fn take<Q>(&self, key: &Q, owned: impl FnOnce(&Q) -> K, now: Instant) -> Answer<()>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let left = buckets.get(key).map_or(self.burst, |bucket| self.filled(*bucket, now));
        if left < 1.0 {
            let wait = Duration::from_secs_f64(((1.0 - left) / self.per_second.max(0.001)).ceil().clamp(1.0, 60.0));
            let retry_after_s = u32::try_from(wait.as_secs()).ok();
            return Err(Refused { retry_after_s, ..Refused::new(ErrorCode::TooMany, "too many requests") });
        }
        let bucket = Bucket { left: left - 1.0, at: now };
        if let Some(known) = buckets.get_mut(key) {
            *known = bucket;
            return Ok(());
        }
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < self.burst);
        }
        if buckets.len() >= BUCKETS_MAX {
            return Err(Refused::new(ErrorCode::TooMany, "too many clients at once"));
        }
        buckets.insert(owned(key), bucket);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_served_and_then_the_rate_holds() {
        let buckets = Buckets::<String>::new(10.0, 3.0);
        let start = Instant::now();
        let take = |after_ms| buckets.take("a", str::to_owned, start + Duration::from_millis(after_ms));
        assert!((0..3).all(|_| take(0).is_ok()));
        let refused = take(0).unwrap_err();
        assert_eq!((refused.body.code, refused.retry_after_s), (ErrorCode::TooMany, Some(1)));
        assert!(take(100).is_ok());
        assert!(take(100).is_err());
        assert!((0..3).all(|_| take(10_000).is_ok()), "a bucket never holds more than the burst");
        assert!(take(10_000).is_err());
    }

    #[test]
    fn one_token_does_not_use_up_the_rate_of_another() {
        let buckets = Buckets::<String>::new(1.0, 1.0);
        let now = Instant::now();
        assert!(buckets.take("a", str::to_owned, now).is_ok());
        assert!(buckets.take("a", str::to_owned, now).is_err());
        assert!(buckets.take("b", str::to_owned, now).is_ok());
    }

    #[test]
    fn full_buckets_are_forgotten_before_there_are_too_many() {
        let buckets = Buckets::<usize>::new(1.0, 1.0);
        let start = Instant::now();
        for key in 0..BUCKETS_MAX {
            assert!(buckets.take(&key, usize::clone, start).is_ok());
        }
        assert!(buckets.take(&BUCKETS_MAX, usize::clone, start).is_err());
        assert!(buckets.take(&BUCKETS_MAX, usize::clone, start + Duration::from_secs(2)).is_ok());
        assert_eq!(buckets.buckets.lock().unwrap().len(), 1);
    }
}
