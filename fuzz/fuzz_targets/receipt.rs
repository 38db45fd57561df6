//! Receipts: no bytes make the decoder or the verifier panic, and what decodes survives a round trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phalanx_claim::Digest;
use phalanx_receipt::{Receipt, verify};

/// A file around this body as `phalanx_receipt` documents it, so that mutation reaches what lies behind digest and zstd.
fn file_around(body: &[u8]) -> Vec<u8> {
    let packed = zstd::bulk::compress(body, 1).expect("a body of this size packs");
    let len = u32::try_from(packed.len()).expect("inputs are shorter");
    [&b"phlx-rc\n"[..], &1u16.to_le_bytes(), &len.to_le_bytes(), Digest::of(&packed).as_bytes(), &packed].concat()
}

fn receipt(file: &[u8]) {
    let Ok(receipt) = Receipt::decode(file) else { return };
    let again = receipt.encode().expect("what was decoded is within the limits");
    assert_eq!(Receipt::decode(&again).as_ref(), Ok(&receipt));
    // Whether it holds is not known here; that it is decided is enough.
    let _ = verify(&receipt);
}

fuzz_target!(|bytes: &[u8]| {
    receipt(bytes);
    receipt(&file_around(bytes));
});
