//! A chain of SHA-256 in software, by the `sha2` crate.
//!
//! In: the seed, any bytes; the number of further rounds, a u32 in little-endian order.
//! Out: the digest of the seed, hashed again that many times. `sha256-chain-ext` does the same with the extension.

use openvm::io::{read_vec, reveal_bytes32};
use sha2::{Digest, Sha256};

fn main() {
    let seed = read_vec();
    let item = read_vec();
    let rounds: [u8; 4] = match item.as_slice().try_into() {
        Ok(bytes) => bytes,
        Err(_) => panic!("input 1 is the number of rounds, a u32 of 4 bytes, not {} bytes", item.len()),
    };
    let mut digest: [u8; 32] = Sha256::digest(&seed).into();
    for _ in 0..u32::from_le_bytes(rounds) {
        digest = Sha256::digest(&digest).into();
    }
    reveal_bytes32(digest);
}
