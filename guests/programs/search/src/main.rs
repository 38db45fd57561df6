//! Every place where a regular expression matches a text.
//!
//! In: the text and the pattern, both UTF-8. Out: SHA-256 of the matches in order, each as its first byte's offset and
//! the offset after its last byte, u32 little-endian. Prints how many there are.

use openvm::io::{read_vec, reveal_bytes32};
use regex::RegexBuilder;
use sha2::{Digest, Sha256};

/// Largest compiled pattern: the heap never gives memory back, so a pattern that explodes must fail early.
const PATTERN_BYTES_MAX: usize = 4 << 20;

fn main() {
    let text = utf8(0, "the text");
    let pattern = utf8(1, "the pattern");
    let regex = match RegexBuilder::new(&pattern).size_limit(PATTERN_BYTES_MAX).build() {
        Ok(regex) => regex,
        Err(error) => panic!("input 1 is not a pattern: {error}"),
    };
    let mut matches = 0u32;
    let mut places = Sha256::new();
    for found in regex.find_iter(&text) {
        matches += 1;
        for offset in [found.start(), found.end()] {
            places.update((offset as u32).to_le_bytes());
        }
    }
    println!("{matches} matches");
    reveal_bytes32(places.finalize().into());
}

fn utf8(index: usize, what: &str) -> String {
    match String::from_utf8(read_vec()) {
        Ok(text) => text,
        Err(error) => panic!("input {index}, {what}, is not UTF-8: {error}"),
    }
}
