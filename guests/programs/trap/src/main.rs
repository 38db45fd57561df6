//! Reaches an instruction that the VM does not have, for tests of the error's place.
//!
//! In and out: nothing. The instruction sits in a function of its own, so that the error can name it.

// Nothing is read, so nothing else would link OpenVM's entry point and system calls.
use openvm as _;

fn main() {
    println!("{} cycles so far", read_cycle_counter());
}

/// `rdcycle`: ordinary RISC-V, but the zkVM has no counters.
#[inline(never)]
fn read_cycle_counter() -> u32 {
    let cycles: u32;
    // SAFETY: the instruction only writes `cycles`.
    unsafe { core::arch::asm!("rdcycle {}", out(reg) cycles) };
    cycles
}
