//! One task on threads of its own: measured, and a panic is caught.
//!
//! In: what to run and with how many threads. Out: what it returned, with times and memory, to whoever waits for it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::{
    attempt::Failure,
    gauge::{Gauge, thread_cpu_ns},
};

/// Stack of a worker thread. Provers recurse; the memory is only reserved, not touched.
const STACK_BYTES: usize = 16 << 20;

/// What a task returned and took.
pub struct Ran<R> {
    pub result: Result<R, Failure>,
    pub started: Instant,
    pub ended: Instant,
    /// Over all its threads.
    pub cpu_ms: u64,
    pub measured_peak_bytes: Option<u64>,
}

/// Starts a task on `cores` threads of its own and returns them. Dropping the threads lets the task end by itself.
pub fn start<R: Send + 'static>(
    name: String,
    cores: usize,
    gauge: Arc<Gauge>,
    run: impl FnOnce() -> Result<R, Failure> + Send + 'static,
    tell: impl FnOnce(Ran<R>) + Send + 'static,
) -> Result<ThreadPool, ThreadPoolBuildError> {
    let threads = ThreadPoolBuilder::new()
        .num_threads(cores)
        .stack_size(STACK_BYTES)
        .thread_name(move |thread| format!("{name} {thread}"))
        .build()?;
    threads.spawn(move || {
        let started = Instant::now();
        let ticket = gauge.begin();
        // Whatever a panic leaves behind is dropped here; stores only take whole artifacts.
        let result = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|panic| Err(Failure::Engine(format!("panicked: {}", panic_text(&*panic)))));
        let measured_peak_bytes = gauge.end(ticket);
        // The threads are as old as the task, so their CPU time is the task's.
        let cpu_ms = rayon::broadcast(|_| thread_cpu_ns()).into_iter().sum::<u64>() / 1_000_000;
        tell(Ran { result, started, ended: Instant::now(), cpu_ms, measured_peak_bytes });
    });
    Ok(threads)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
