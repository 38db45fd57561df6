//! The allocator as the pool sees it, and the watch that keeps the process within its RAM.
//!
//! An allocator that keeps freed pages is fast, because a page that is used again need not be mapped and cleared again. But
//! pages it keeps for one size of buffer may not serve another, so the process can hold far more than its tasks use. The
//! watch lets it, until RAM gets short: then the kept pages go back to the system.

use std::{
    io,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

/// Time between two looks. A process that maps pages as fast as it can gets some 20 MB further in between.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Time that giving back gets to show before the next attempt.
const REST: Duration = Duration::from_millis(50);
/// The watch acts when this part of the RAM is left.
const LEFT_PART: u64 = 16;
/// What is held beyond the tasks' own bytes anyway, such as the program itself: giving back would not shrink it.
const OVERHEAD_BYTES: u64 = 256 << 20;

/// What an allocator tells and does.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// How many bytes the process has in use now, without freed ones that are only kept.
    pub held_bytes: fn() -> Option<u64>,
    /// Returns to the system what is only kept.
    pub give_back: fn(),
}

impl Memory {
    /// An allocator that keeps nothing: all that is resident is in use.
    pub const SYSTEM: Self = Self { held_bytes: crate::resident_bytes, give_back: || () };
}

/// Watches for as long as it is held.
pub struct Watch {
    _alive: Arc<()>,
}

impl Watch {
    /// Starts a thread that keeps the process within `ram_bytes`, as far as that is in the allocator's power.
    pub fn start(memory: Memory, ram_bytes: u64) -> io::Result<Self> {
        let alive = Arc::new(());
        let watched = Arc::downgrade(&alive);
        thread::Builder::new().name("phalanx-memory".into()).spawn(move || watch(memory, ram_bytes, &watched))?;
        Ok(Self { _alive: alive })
    }
}

fn watch(memory: Memory, ram_bytes: u64, watched: &Weak<()>) {
    while watched.strong_count() > 0 {
        let resident = crate::resident_bytes().unwrap_or(0);
        let is_short = is_short(resident, ram_bytes, || (memory.held_bytes)());
        if is_short {
            tracing::debug!(resident, ram_bytes, "RAM gets short: the allocator gives back what it keeps");
            (memory.give_back)();
        }
        thread::sleep(if is_short { REST } else { LOOK_EVERY });
    }
}

/// Whether so much is resident that the process may outgrow its RAM, and enough of it is only kept.
fn is_short(resident: u64, ram_bytes: u64, held: impl FnOnce() -> Option<u64>) -> bool {
    let is_close = resident > ram_bytes - ram_bytes / LEFT_PART;
    is_close && held().is_some_and(|held| resident.saturating_sub(held) > OVERHEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use std::{
        hint::black_box,
        sync::atomic::{AtomicU32, Ordering},
        time::Instant,
    };

    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn pages_are_given_back_only_when_ram_is_short_and_some_are_kept() {
        assert!(!is_short(7 * GIB, 8 * GIB, || Some(GIB)), "there is room");
        assert!(is_short(8 * GIB, 8 * GIB, || Some(5 * GIB)), "three are only kept");
        assert!(!is_short(8 * GIB, 8 * GIB, || Some(8 * GIB - 1)), "all is in use");
        assert!(!is_short(8 * GIB, 8 * GIB, || None), "nobody knows");
        assert!(!is_short(8 * GIB, u64::MAX, || Some(0)));
    }

    #[test]
    fn the_watch_acts_while_it_is_held() {
        static GIVEN_BACK: AtomicU32 = AtomicU32::new(0);
        let given_back = || GIVEN_BACK.load(Ordering::Relaxed);
        let give_back = || {
            GIVEN_BACK.fetch_add(1, Ordering::Relaxed);
        };
        // More is resident than allowed, and all but a byte of it is kept. A test program may be smaller than what is
        // taken for overhead, so this allocates and touches as much.
        let ballast = black_box(vec![1_u8; 2 * OVERHEAD_BYTES as usize]);
        let watch = Watch::start(Memory { held_bytes: || Some(1), give_back }, 1).unwrap();
        let begin = Instant::now();
        while given_back() == 0 && begin.elapsed() < Duration::from_secs(60) {
            thread::sleep(LOOK_EVERY);
        }
        assert!(given_back() > 0);
        drop((watch, black_box(ballast)));
    }
}
