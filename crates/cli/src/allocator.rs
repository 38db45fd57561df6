//! jemalloc, told to keep its pages and to use huge ones.
//!
//! A prover allocates and frees gigabytes per segment. Returning them to the kernel and faulting them in again costs about
//! a fifth of the CPU time of a proof. Resident memory then only grows, so what tasks hold is asked of jemalloc itself.

use std::ffi::c_char;

use tikv_jemalloc_ctl::{epoch, stats};
use tikv_jemallocator::Jemalloc;

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
pub fn held_bytes() -> Option<u64> {
    epoch::advance().ok()?;
    u64::try_from(stats::active::read().ok()?).ok()
}
