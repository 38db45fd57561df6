//! What a task really took: CPU time of its threads and the peak of memory while it ran alone.
//!
//! In: the starts and ends of tasks and what the process holds, sampled. Out: one number per task, or none when two tasks
//! overlapped, because nobody can say which of them held what.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    thread::{self, Thread},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// Time between two samples. A peak that is shorter can be missed.
const SAMPLE_EVERY: Duration = Duration::from_millis(5);
/// A task with fewer samples is not measured: its peak is likely to lie between two of them.
const SAMPLES_MIN: u32 = 10;

/// CPU time that the current thread has used, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// Measures the peak of every task that runs alone from its start to its end.
pub struct Gauge {
    held_bytes: fn() -> Option<u64>,
    windows: Mutex<Windows>,
    /// Takes samples while a task runs.
    sampler: OnceLock<Thread>,
}

#[derive(Default)]
struct Windows {
    next: u64,
    open: BTreeMap<u64, Window>,
}

/// One running task.
struct Window {
    /// What the process held when it started; `None` if that is unknown or the task was not alone.
    alone_from: Option<u64>,
    peak: u64,
    samples: u32,
}

/// A task between its start and its end.
pub struct Ticket(u64);

impl Gauge {
    /// A gauge that samples in a thread of its own for as long as it is held.
    pub fn start(held_bytes: fn() -> Option<u64>) -> std::io::Result<Arc<Self>> {
        let gauge = Arc::new(Self::unsampled(held_bytes));
        let weak = Arc::downgrade(&gauge);
        let sampler = thread::Builder::new().name("phalanx-gauge".into()).spawn(move || sample_while_held(&weak))?;
        gauge.sampler.get_or_init(|| sampler.thread().clone());
        Ok(gauge)
    }

    fn unsampled(held_bytes: fn() -> Option<u64>) -> Self {
        Self { held_bytes, windows: Mutex::default(), sampler: OnceLock::new() }
    }

    /// A task starts.
    pub fn begin(&self) -> Ticket {
        let held = (self.held_bytes)();
        let ticket = self.with_windows(|windows| {
            let alone = windows.open.is_empty();
            windows.open.values_mut().for_each(|window| window.alone_from = None);
            let alone_from = if alone { held } else { None };
            windows.next += 1;
            windows.open.insert(windows.next, Window { alone_from, peak: held.unwrap_or(0), samples: 0 });
            Ticket(windows.next)
        });
        self.wake();
        ticket
    }

    fn wake(&self) {
        if let Some(sampler) = self.sampler.get() {
            sampler.unpark();
        }
    }

    /// A task ended: its peak beyond what was held at its start and what is still held now, if it was alone and long
    /// enough to tell. What a task
    /// leaves behind, keys that others use after it, is the engine's and no part of its own memory.
    pub fn end(&self, ticket: Ticket) -> Option<u64> {
        let held = self.sample();
        let window = self.with_windows(|windows| windows.open.remove(&ticket.0))?;
        if window.samples < SAMPLES_MIN {
            return None;
        }
        Some(window.peak.saturating_sub(window.alone_from?.max(held?)))
    }

    fn sample(&self) -> Option<u64> {
        let held = (self.held_bytes)()?;
        self.with_windows(|windows| {
            for window in windows.open.values_mut() {
                window.peak = window.peak.max(held);
                window.samples = window.samples.saturating_add(1);
            }
        });
        Some(held)
    }

    fn with_windows<T>(&self, change: impl FnOnce(&mut Windows) -> T) -> T {
        // Nothing in a change can panic halfway, so a poisoned lock still guards a whole value.
        change(&mut self.windows.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        // The thread sees that nobody holds the gauge any more.
        self.wake();
    }
}

fn sample_while_held(gauge: &Weak<Gauge>) {
    while let Some(gauge) = gauge.upgrade() {
        let is_idle = gauge.with_windows(|windows| windows.open.is_empty());
        if !is_idle {
            gauge.sample();
        }
        drop(gauge);
        if is_idle {
            thread::park();
        } else {
            thread::sleep(SAMPLE_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// What is measured of a task that begins with 100 bytes held, goes up to 170 and ends with `after`.
    fn measured(after: u64) -> Option<u64> {
        static HELD: AtomicU64 = AtomicU64::new(0);
        // Tests run side by side and share the number.
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let gauge = Gauge::unsampled(|| Some(HELD.load(Ordering::Relaxed)));
        HELD.store(100, Ordering::Relaxed);
        let ticket = gauge.begin();
        HELD.store(170, Ordering::Relaxed);
        for _ in 1..SAMPLES_MIN {
            gauge.sample();
        }
        HELD.store(after, Ordering::Relaxed);
        gauge.end(ticket)
    }

    #[test]
    fn a_task_that_ran_alone_is_measured_from_its_start() {
        assert_eq!(measured(90), Some(70));
    }

    #[test]
    fn what_a_task_leaves_behind_is_not_its_own() {
        assert_eq!(measured(130), Some(40));
    }

    #[test]
    fn tasks_that_overlap_are_not_measured() {
        let gauge = Gauge::unsampled(|| Some(1));
        let (first, second) = (gauge.begin(), gauge.begin());
        assert_eq!(gauge.end(first), None);
        assert_eq!(gauge.end(second), None);
        let third = gauge.begin();
        for _ in 1..SAMPLES_MIN {
            gauge.sample();
        }
        assert_eq!(gauge.end(third), Some(0));
    }

    #[test]
    fn a_task_between_two_samples_is_not_measured() {
        let gauge = Gauge::unsampled(|| Some(1));
        let ticket = gauge.begin();
        assert_eq!(gauge.end(ticket), None);
    }

    #[test]
    fn samples_are_taken_while_a_task_runs() {
        let gauge = Gauge::start(|| Some(1)).unwrap();
        for _ in 0..2 {
            let ticket = gauge.begin();
            let samples = || gauge.with_windows(|windows| windows.open[&ticket.0].samples);
            while samples() < SAMPLES_MIN {
                thread::yield_now();
            }
            assert_eq!(gauge.end(ticket), Some(0));
        }
    }

    #[test]
    fn an_unknown_size_is_no_measurement() {
        let gauge = Gauge::unsampled(|| None);
        let ticket = gauge.begin();
        assert_eq!(gauge.end(ticket), None);
    }

    #[test]
    fn work_takes_cpu_time() {
        let before = thread_cpu_ns();
        let mut x = 1_u64;
        while thread_cpu_ns() == before {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        assert!(thread_cpu_ns() > before);
    }
}
