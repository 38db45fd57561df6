//! Receipts: no bytes make the decoder or the verifier panic, and what decodes survives a round trip.
//!
//! A receipt's body is packed and under a digest, so flipping bytes of the file reaches little. The mutator unpacks the
//! body, changes that, and packs it again.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use phalanx_claim::Digest;
use phalanx_receipt::{Receipt, claim_of, verify};

/// What `phalanx_receipt` documents: magic, format version, length and digest of the packed body.
const HEADER_BYTES: usize = 8 + 2 + 4 + 32;
/// Room for a real body, about a quarter of a megabyte, to grow in.
const BODY_BYTES_MAX: usize = 1 << 20;
/// One mutation in this many changes the file itself.
const OF_THE_FILE: u32 = 4;

fn unpacked(file: &[u8]) -> Option<Vec<u8>> {
    zstd::bulk::decompress(file.get(HEADER_BYTES..)?, BODY_BYTES_MAX).ok()
}

fn file_around(body: &[u8]) -> Vec<u8> {
    let packed = zstd::bulk::compress(body, 1).expect("a body of this size packs");
    let len = u32::try_from(packed.len()).expect("bodies are shorter");
    [&b"phlx-rc\n"[..], &1u16.to_le_bytes(), &len.to_le_bytes(), Digest::of(&packed).as_bytes(), &packed].concat()
}

fuzz_mutator!(|file: &mut [u8], len: usize, len_max: usize, seed: u32| {
    if seed.is_multiple_of(OF_THE_FILE) {
        return fuzzer_mutate(file, len, len_max);
    }
    let mut body = unpacked(&file[..len]).unwrap_or_default();
    let body_len = body.len();
    body.resize(BODY_BYTES_MAX, 0);
    let body_len = fuzzer_mutate(&mut body, body_len, BODY_BYTES_MAX);
    let changed = file_around(&body[..body_len]);
    match file.get_mut(..changed.len()) {
        Some(room) if changed.len() <= len_max => room.copy_from_slice(&changed),
        _ => return fuzzer_mutate(file, len, len_max),
    }
    changed.len()
});

fuzz_target!(|file: &[u8]| {
    let Ok(receipt) = Receipt::decode(file) else { return };
    let again = receipt.encode().expect("what was decoded is within the limits");
    assert_eq!(Receipt::decode(&again).as_ref(), Ok(&receipt));
    // Whether it holds is not known here; that it is decided is enough.
    let _ = verify(&receipt);
    // The same without the checks of names that random bytes never pass.
    let _ = claim_of(&receipt.proof);
});
