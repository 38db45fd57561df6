//! What the program deferred was proven, and nothing else in the deferral address space changed.
//!
//! The address space holds one accumulator per deferral circuit. Deferred proofs expose the root over all accumulators
//! before and after; it must lie at the bottom left of the address space in the first and the last memory.

use openvm_stark_sdk::config::baby_bear_poseidon2::Digest as Commit;

use super::{
    exposed::{Deferral, Exposed},
    hash, memory,
};
use crate::{Rejected, VerifyingKey, proof::DeferralPaths};

/// Number of the deferral address space.
const DEFERRAL_SPACE: u32 = 4;
/// The flag when nothing was deferred.
const NONE: u32 = 0;
/// The flag when deferred proofs have joined.
const JOINED: u32 = 2;

pub(super) fn check(key: &VerifyingKey, exposed: &Exposed, paths: &DeferralPaths) -> Result<(), Rejected> {
    let deferral = &exposed.deferral;
    match deferral.flag {
        NONE => check_unset(deferral)?,
        JOINED if deferral.hook != key.deferral_hook => {
            return Err(Rejected::DeferralHook {
                got: hash::digest(&deferral.hook),
                expected: hash::digest(&key.deferral_hook),
            });
        }
        JOINED => {}
        got => return Err(Rejected::DeferralFlag { got }),
    }
    if deferral.node != 0 {
        return Err(Rejected::DeferralNode { got: deferral.node });
    }
    check_paths(key, exposed, paths)
}

fn check_unset(deferral: &Deferral) -> Result<(), Rejected> {
    let set = |what| Err(Rejected::DeferralSet { what });
    if deferral.hook != hash::ZERO {
        set("hook")
    } else if deferral.initial != hash::ZERO {
        set("initial accumulator")
    } else if deferral.last != hash::ZERO {
        set("final accumulator")
    } else if deferral.depth != 0 {
        set("depth")
    } else {
        Ok(())
    }
}

fn check_paths(key: &VerifyingKey, exposed: &Exposed, paths: &DeferralPaths) -> Result<(), Rejected> {
    let (initial, last) = ("the initial deferral accumulator", "the final deferral accumulator");
    let levels = memory::height_of(key.memory);
    memory::check_length(initial, &paths.initial, levels)?;
    memory::check_length(last, &paths.last, levels)?;
    let (depth, max) = (exposed.deferral.depth, key.memory.address_height);
    if depth > max {
        return Err(Rejected::DeferralDepth { got: depth, max });
    }
    // Within the address space all siblings must be the same before and after.
    let within = usize::try_from(max).unwrap_or(usize::MAX);
    let mut siblings = paths.initial.iter().zip(&paths.last).take(within);
    if let Some(level) = siblings.position(|(before, after)| before != after) {
        return Err(Rejected::DeferralSibling { level });
    }
    let place = memory::place(key.memory, DEFERRAL_SPACE);
    let root = |accumulator, path| root(place, depth, accumulator, path);
    memory::check_root(initial, &root(&exposed.deferral.initial, &paths.initial), &exposed.vm.initial_root)?;
    memory::check_root(last, &root(&exposed.deferral.last, &paths.last), &exposed.vm.final_root)
}

/// Root of the memory in which the accumulator lies at `depth` levels above the blocks; at 0 levels it is a block itself,
/// the second one of the address space.
fn root(place: u64, depth: u32, accumulator: &Commit, path: &[Commit]) -> Commit {
    let skipped = usize::try_from(depth).unwrap_or(usize::MAX);
    let leaf = if depth == 0 { hash::compress(accumulator, &hash::ZERO) } else { *accumulator };
    path.iter().enumerate().skip(skipped).fold(leaf, |node, (level, sibling)| {
        let second_block = depth == 0 && level == 0;
        if second_block || memory::is_right(place, level) {
            hash::compress(sibling, &node)
        } else {
            hash::compress(&node, sibling)
        }
    })
}
