//! Fibonacci numbers modulo 2^64.
//!
//! In: `n`, a u64 in little-endian order. Out: `n`, F(n), F(n+1) as three little-endian u64, then eight zero bytes.
//! The plainest long-running guest: only additions and a loop, as long as the input says.

use openvm::io::{read_vec, reveal_bytes32};

fn main() {
    let item = read_vec();
    let bytes: [u8; 8] = match item.as_slice().try_into() {
        Ok(bytes) => bytes,
        Err(_) => panic!("input 0 is n, a u64 of 8 bytes, not {} bytes", item.len()),
    };
    let n = u64::from_le_bytes(bytes);
    let (mut current, mut next) = (0u64, 1u64);
    for _ in 0..n {
        (current, next) = (next, current.wrapping_add(next));
    }
    let mut revealed = [0; 32];
    revealed[..8].copy_from_slice(&n.to_le_bytes());
    revealed[8..16].copy_from_slice(&current.to_le_bytes());
    revealed[16..24].copy_from_slice(&next.to_le_bytes());
    reveal_bytes32(revealed);
}
