//! Limits of a gateway, each with its unit. Those that operators choose are in [`Limits`].

use std::time::Duration;

/// Bytes of a JSON body.
pub(crate) const JSON_BYTES_MAX: usize = 1 << 20;
/// Bytes of an announcement: 256 tasks of 64 inputs each.
pub(crate) const ANNOUNCE_BYTES_MAX: usize = 4 << 20;
/// Bytes of a name of a worker, a tenant or a token.
pub(crate) const NAME_BYTES_MAX: usize = 128;
/// Bytes of an idempotency key.
pub(crate) const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
/// Characters of a token's note.
pub(crate) const NOTE_CHARS_MAX: usize = 1024;
/// Bytes of an ELF.
pub(crate) const PROGRAM_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a guest's input.
pub(crate) const INPUT_BYTES_MAX: u64 = 600 << 20;
/// Priorities go from minus this to this.
pub(crate) const PRIORITY_MAX: i32 = 100;
/// How long a client may wait for a job with one request.
pub(crate) const JOB_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a worker may wait for a task with one request.
pub(crate) const CLAIM_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often a worker says that it lives, in milliseconds: a twentieth of the lease, so that it hears of a cancelled job
/// within two seconds.
pub(crate) const BEAT_MS: u64 = 1_500;
/// Rows on a page.
pub(crate) const PAGE_MAX: u32 = 500;
/// How long a URL for a transfer past the gateway is valid.
pub(crate) const PLACE_VALID: Duration = Duration::from_secs(900);

/// What one gateway takes on.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// Requests per second that one token may make in the long run.
    pub requests_per_second: f64,
    /// Requests that one token may make at once after a pause.
    pub requests_burst: f64,
    /// Connections at once; beyond it, the one that has been idle longest makes room.
    pub connections_max: usize,
    /// Uploads and downloads of artifacts at once; more wait.
    pub transfers_max: usize,
    /// Event streams at once.
    pub streams_max: usize,
    /// How long the head of a request may take, and how long a connection may be idle.
    pub head_wait: Duration,
    /// How long to wait for each piece of a body.
    pub chunk_wait: Duration,
    /// How long a shutdown waits for requests to end.
    pub shutdown_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: 1_000.0,
            requests_burst: 2_000.0,
            connections_max: 4_096,
            transfers_max: 64,
            streams_max: 1_024,
            // Longer than clients keep idle connections, so that it is they who close them.
            head_wait: Duration::from_secs(20),
            chunk_wait: Duration::from_secs(30),
            shutdown_wait: Duration::from_secs(10),
        }
    }
}
