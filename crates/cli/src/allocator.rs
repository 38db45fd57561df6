//! jemalloc, told to keep its pages and to use huge ones.
//!
//! A prover allocates and frees gigabytes per segment. Returning them to the kernel and faulting them in again costs about
//! a fifth of the CPU time of a proof. Resident memory then only grows, so what tasks hold is asked of jemalloc itself, and
//! when RAM gets short it is told to return what it keeps.

use std::{ffi::c_char, ptr};

use phalanx_worker::Memory;
use tikv_jemalloc_ctl::{epoch, stats};
use tikv_jemallocator::Jemalloc;

/// This allocator, for the pool.
pub const MEMORY: Memory = Memory { held_bytes, give_back };

#[global_allocator]
static GLOBAL: Jemalloc = Jemalloc;

/// Read by jemalloc before `main`; the name has the prefix that `tikv-jemallocator` compiles it with.
// SAFETY: jemalloc declares `const char *` under this name; ours has the same layout and points to a C string.
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: Conf =
    Conf(c"dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always,metadata_thp:auto,background_thread:false".as_ptr());

/// A `const char *` to bytes that live as long as the program.
#[repr(transparent)]
struct Conf(*const c_char);

// SAFETY: the bytes behind the pointer are constant; nobody writes them.
unsafe impl Sync for Conf {}

/// Bytes in pages that are in use, without those that are only kept.
fn held_bytes() -> Option<u64> {
    epoch::advance().ok()?;
    u64::try_from(stats::active::read().ok()?).ok()
}

/// Returns all pages that are only kept to the system.
fn give_back() {
    // 4096 is jemalloc's number for all arenas together, MALLCTL_ARENAS_ALL.
    let purge = c"arena.4096.purge";
    // SAFETY: the name ends with a zero, and this command neither reads nor writes a value, so all pointers are null.
    let failed =
        unsafe { tikv_jemalloc_sys::mallctl(purge.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) };
    if failed != 0 {
        tracing::warn!(errno = failed, "jemalloc does not give back what it keeps");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_freed_is_kept_until_it_is_given_back() {
        // Much more than other tests of this process hold meanwhile.
        const BYTES: u64 = 2 << 30;
        let resident = || phalanx_worker::resident_bytes().unwrap();
        let (held, before) = (held_bytes().unwrap(), resident());
        let ballast = std::hint::black_box(vec![1_u8; BYTES as usize]);
        assert!(held_bytes().unwrap() >= held + BYTES / 2 && resident() >= before + BYTES / 2);
        drop(ballast);
        give_back();
        assert!(resident() < before + BYTES / 2, "{} are still resident, {before} were before", resident());
    }
}
