//! The final memory holds the public values.

use openvm_stark_backend::p3_field::PrimeField32 as _;
use openvm_stark_sdk::config::baby_bear_poseidon2::{DIGEST_SIZE, Digest as Commit, F};

use super::hash;
use crate::{MemoryShape, Rejected, VerifyingKey, proof::Revealed};

/// Number of the address space of public values; address spaces count from 1.
const PUBLIC_VALUES_SPACE: u32 = 3;

/// The public values as bytes.
pub(super) fn bytes(values: &[F]) -> Result<Vec<u8>, Rejected> {
    values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let got = value.as_canonical_u32();
            u8::try_from(got).map_err(|_| Rejected::NotAByte { at, got })
        })
        .collect()
}

/// The public values are at the beginning of their address space in the memory with this root.
pub(super) fn check_revealed(key: &VerifyingKey, revealed: &Revealed, memory_root: &Commit) -> Result<(), Rejected> {
    let expected = usize::try_from(key.public_values).unwrap_or(usize::MAX);
    if revealed.values.len() != expected {
        return Err(Rejected::PublicValuesCount { got: revealed.values.len(), expected });
    }
    let (root, height) = root_of(&revealed.values);
    if root != revealed.root {
        return Err(Rejected::PublicValuesRoot { got: hash::digest(&root), expected: hash::digest(&revealed.root) });
    }
    let place = place(key.memory, PUBLIC_VALUES_SPACE).checked_shr(height).unwrap_or(0);
    let levels = height_of(key.memory).saturating_sub(usize::try_from(height).unwrap_or(usize::MAX));
    check_length("the public values", &revealed.path, levels)?;
    let got = revealed.path.iter().enumerate().fold(revealed.root, |node, (level, sibling)| {
        if is_right(place, level) { hash::compress(sibling, &node) } else { hash::compress(&node, sibling) }
    });
    check_root("the public values", &got, memory_root)
}

/// Index of an address space's first block among all blocks.
pub(super) fn place(memory: MemoryShape, space: u32) -> u64 {
    u64::from(space.saturating_sub(1)).checked_shl(memory.address_height).unwrap_or(0)
}

/// Levels of the whole memory tree.
pub(super) fn height_of(memory: MemoryShape) -> usize {
    usize::try_from(memory.addr_space_height.saturating_add(memory.address_height)).unwrap_or(usize::MAX)
}

/// Whether the node above block `place` is a right child at `level`.
pub(super) fn is_right(place: u64, level: usize) -> bool {
    u32::try_from(level).ok().and_then(|level| place.checked_shr(level)).is_some_and(|bits| bits & 1 == 1)
}

pub(super) fn check_length(what: &'static str, path: &[Commit], expected: usize) -> Result<(), Rejected> {
    if path.len() == expected { Ok(()) } else { Err(Rejected::PathLength { what, got: path.len(), expected }) }
}

pub(super) fn check_root(what: &'static str, got: &Commit, expected: &Commit) -> Result<(), Rejected> {
    if got == expected {
        Ok(())
    } else {
        Err(Rejected::MemoryRoot { what, got: hash::digest(got), expected: hash::digest(expected) })
    }
}

/// Merkle root of the values and its height. Their number, a power of two of blocks, was checked.
fn root_of(values: &[F]) -> (Commit, u32) {
    let (blocks, _) = values.as_chunks::<DIGEST_SIZE>();
    let mut layer: Vec<Commit> = blocks.iter().map(|block| hash::compress(block, &hash::ZERO)).collect();
    let mut height = 0u32;
    while layer.len() > 1 {
        let (pairs, _) = layer.as_chunks::<2>();
        layer = pairs.iter().map(|[left, right]| hash::compress(left, right)).collect();
        height = height.saturating_add(1);
    }
    (layer.first().copied().unwrap_or(hash::ZERO), height)
}
