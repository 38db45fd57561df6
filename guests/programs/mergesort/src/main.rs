//! Merge sort of a list.
//!
//! In: u32 values in little-endian order. Out: SHA-256 of the same values in ascending order, little-endian.
//! Touches memory the way real programs do, and hashes with the extension, so sorting is what costs.

use openvm::io::{read_vec, reveal_bytes32};
use openvm_sha2::{Digest, Sha256};

fn main() {
    let item = read_vec();
    let (words, rest) = item.as_chunks::<4>();
    if !rest.is_empty() {
        panic!("input 0 is a list of u32, but {} is not a multiple of 4 bytes", item.len());
    }
    let mut list: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    sort(&mut list);
    let sorted: Vec<u8> = list.iter().flat_map(|value| value.to_le_bytes()).collect();
    reveal_bytes32(Sha256::digest(&sorted).into());
}

/// Sorts bottom-up with one buffer: the guest's heap never gives memory back, so a buffer per level would pile up.
fn sort(list: &mut Vec<u32>) {
    let mut merged = vec![0; list.len()];
    let mut run_len = 1;
    while run_len < list.len() {
        for (runs, out) in list.chunks(2 * run_len).zip(merged.chunks_mut(2 * run_len)) {
            let (left, right) = runs.split_at(run_len.min(runs.len()));
            merge(left, right, out);
        }
        std::mem::swap(list, &mut merged);
        run_len *= 2;
    }
}

/// Merges two sorted runs into `out`, which is as long as both together.
fn merge<'a>(mut left: &'a [u32], mut right: &'a [u32], out: &mut [u32]) {
    for slot in out {
        let from_left = match (left.first(), right.first()) {
            (Some(l), Some(r)) => l <= r,
            (l, _) => l.is_some(),
        };
        let run = if from_left { &mut left } else { &mut right };
        let Some((first, rest)) = run.split_first() else { return };
        *slot = *first;
        *run = rest;
    }
}
