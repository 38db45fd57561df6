//! Trying again: only what is safe to repeat, with growing pauses, until a deadline.

use std::{
    hash::{BuildHasher, RandomState},
    thread,
    time::{Duration, Instant},
};

use crate::{Client, ClientError};

/// The first pause.
const PAUSE_MS_MIN: u64 = 100;
/// The longest.
const PAUSE_MS_MAX: u64 = 5_000;

impl Client {
    /// Calls again while that may help and the deadline is not over; then gives the last error.
    pub fn persistently<T>(
        &self,
        deadline: Instant,
        mut call: impl FnMut() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        self.persistently_while(deadline, &|| true, &mut call)
    }

    /// The same, while `wanted` says so; it is asked before each pause and several times a second during it.
    pub fn persistently_while<T>(
        &self,
        deadline: Instant,
        wanted: &dyn Fn() -> bool,
        mut call: impl FnMut() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut failures = 0;
        loop {
            let error = match call() {
                Err(error) if error.may_retry() && wanted() => error,
                over => return over,
            };
            let pause = Duration::from_millis(pause_ms(failures, error.retry_after_ms(), jitter()));
            let until = Instant::now() + pause;
            if until > deadline {
                return Err(error);
            }
            failures += 1;
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                if !wanted() {
                    return Err(error);
                }
                thread::sleep(left.min(Duration::from_millis(PAUSE_MS_MIN)));
            }
        }
    }
}

/// Between half and all of a pause that doubles with each failure; at least as long as the gateway asked for.
fn pause_ms(failures: u32, asked_ms: Option<u64>, jitter: u64) -> u64 {
    let full = PAUSE_MS_MIN.saturating_mul(1 << failures.min(16)).min(PAUSE_MS_MAX);
    let jittered = full / 2 + jitter % (full / 2 + 1);
    jittered.max(asked_ms.unwrap_or(0))
}

/// Random enough that clients who failed together do not come again together.
fn jitter() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::ClientConfig;

    fn lost() -> ClientError {
        ClientError::Unreachable { server: "http://host".into(), reason: "connection refused".into() }
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_honour_what_the_gateway_asks() {
        assert_eq!([0, 1, 2, 60].map(|failures| pause_ms(failures, None, 0)), [50, 100, 200, 2_500]);
        assert_eq!(
            [0, 60].map(|failures| pause_ms(failures, None, u64::MAX - 1)),
            [50 + (u64::MAX - 1) % 51, { 2_500 + (u64::MAX - 1) % 2_501 }]
        );
        assert_eq!(pause_ms(0, Some(7_000), 0), 7_000);
    }

    #[test]
    fn what_may_succeed_later_is_tried_again_and_nothing_else_is() {
        let client = Client::new(&ClientConfig::new("http://127.0.0.1:9")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let calls = Cell::new(0);
        let third = client.persistently(deadline, || {
            calls.set(calls.get() + 1);
            if calls.get() < 3 { Err(lost()) } else { Ok(calls.get()) }
        });
        assert_eq!(third, Ok(3));
        let calls = Cell::new(0);
        let refused = client.persistently(deadline, || {
            calls.set(calls.get() + 1);
            Err::<(), _>(ClientError::Unusable { reason: "no".into() })
        });
        assert_eq!((refused.is_err(), calls.get()), (true, 1));
    }

    #[test]
    fn nobody_waits_past_the_deadline_or_for_what_is_no_longer_wanted() {
        let client = Client::new(&ClientConfig::new("http://127.0.0.1:9")).unwrap();
        let now = Instant::now();
        assert_eq!(client.persistently(now, || Err::<(), _>(lost())), Err(lost()));
        let far = now + Duration::from_secs(3600);
        assert_eq!(client.persistently_while(far, &|| false, || Err::<(), _>(lost())), Err(lost()));
    }
}
