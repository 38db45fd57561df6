//! Input files and stored inputs: no bytes make their parsers panic, and what they accept survives a round trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phalanx_engine::stdin::Stdin;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(stdin) = Stdin::from_json(bytes) {
        assert_eq!(Stdin::decode(&stdin.encode()), Ok(stdin));
    }
    if let Ok(stdin) = Stdin::decode(bytes) {
        assert_eq!(stdin.encode(), bytes, "one input, two encodings");
    }
});
