//! A guest to start from.
//!
//! In: any bytes. Out: their SHA-256, by the VM's SHA-2 extension.

use openvm::io::{read_vec, reveal_bytes32};
use openvm_sha2::{Digest, Sha256};

fn main() {
    let item = read_vec();
    println!("{} bytes", item.len());
    reveal_bytes32(Sha256::digest(&item).into());
}
