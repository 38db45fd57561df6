//! A chain of Keccak-256 by OpenVM's Keccak extension.
//!
//! In: the message, any bytes; the number of further rounds, a u32 in little-endian order.
//! Out: the digest of the message, hashed again that many times. Keccak as Ethereum pads it, which is not SHA3-256.

use openvm::io::{read_vec, reveal_bytes32};
use openvm_keccak256::keccak256;

fn main() {
    let message = read_vec();
    let item = read_vec();
    let rounds: [u8; 4] = match item.as_slice().try_into() {
        Ok(bytes) => bytes,
        Err(_) => panic!("input 1 is the number of rounds, a u32 of 4 bytes, not {} bytes", item.len()),
    };
    let mut digest: [u8; 32] = keccak256(&message);
    for _ in 0..u32::from_le_bytes(rounds) {
        digest = keccak256(&digest);
    }
    reveal_bytes32(digest);
}
