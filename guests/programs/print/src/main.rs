//! Prints its input back, line by line, for tests of guest output.
//!
//! In: a text, UTF-8. Out: the number of lines, u64 little-endian, then zero bytes. Each line is printed with its number.

use openvm::io::{read_vec, reveal_bytes32};

fn main() {
    let text = String::from_utf8_lossy(&read_vec()).into_owned();
    let mut lines = 0u64;
    for line in text.lines() {
        lines += 1;
        println!("{lines}: {line}");
    }
    let mut revealed = [0; 32];
    revealed[..8].copy_from_slice(&lines.to_le_bytes());
    reveal_bytes32(revealed);
}
