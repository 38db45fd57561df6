//! What someone may do to a receipt on its way, and that it is noticed.

use phalanx_claim::{Digest, ProgramId};
use phalanx_receipt::{DecodeError, Receipt, Rejected, verify};

const GOLDEN: &[u8] = include_bytes!("golden/fibonacci-20.receipt");
const OTHER: &[u8] = include_bytes!("golden/fibonacci-30.receipt");
const HEADER_BYTES: usize = 46;

fn golden() -> Receipt {
    Receipt::decode(GOLDEN).unwrap()
}

/// Decodes and verifies, and says in words why not.
fn believed(bytes: &[u8]) -> Result<(), String> {
    let receipt = Receipt::decode(bytes).map_err(|error| error.to_string())?;
    verify(&receipt).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn golden_receipts_prove_fibonacci_numbers() {
    for (bytes, number) in [(GOLDEN, 6765u32), (OTHER, 832_040)] {
        let receipt = Receipt::decode(bytes).unwrap();
        let claim = verify(&receipt).unwrap();
        assert_eq!(claim.exit_code, 0);
        assert_eq!(claim.public_values[..4], number.to_le_bytes());
        assert_eq!(claim.public_values[4..], [0; 28]);
    }
}

#[test]
fn what_was_encoded_is_decoded() {
    assert_eq!(Receipt::decode(&golden().encode().unwrap()), Ok(golden()));
}

#[test]
fn every_flipped_byte_is_refused() {
    let places = (0..HEADER_BYTES + 64).chain((HEADER_BYTES + 64..GOLDEN.len()).step_by(101));
    for at in places {
        for flip in [1, 0x80] {
            let mut bytes = GOLDEN.to_vec();
            bytes[at] ^= flip;
            assert!(Receipt::decode(&bytes).is_err(), "byte {at}");
        }
    }
}

#[test]
fn every_cut_is_refused() {
    for len in 0..GOLDEN.len() {
        let error = Receipt::decode(&GOLDEN[..len]).unwrap_err();
        assert!(matches!(error, DecodeError::CutShort { .. }), "{len} bytes: {error}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let bytes = [GOLDEN, &[0]].concat();
    assert_eq!(Receipt::decode(&bytes), Err(DecodeError::TrailingBytes(1)));
}

/// Wraps a body in a header that fits it, as a forger would.
fn wrapped(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&GOLDEN[..10], &len, Digest::of(body).as_bytes(), body].concat()
}

#[test]
fn bytes_after_the_packed_body_are_refused() {
    let body = [&GOLDEN[HEADER_BYTES..], &[0]].concat();
    assert!(matches!(Receipt::decode(&wrapped(&body)), Err(DecodeError::Zstd(_))));
}

#[test]
fn a_body_that_unpacks_to_gigabytes_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    assert!(bomb.len() < 64 << 10);
    assert!(matches!(Receipt::decode(&wrapped(&bomb)), Err(DecodeError::Zstd(_))));
}

#[test]
fn a_head_that_announces_too_much_is_refused() {
    let body = zstd::bulk::compress(&u32::MAX.to_le_bytes(), 3).unwrap();
    assert!(matches!(Receipt::decode(&wrapped(&body)), Err(DecodeError::PartTooLong { part: "head", .. })));
}

#[test]
fn another_format_version_is_refused_by_name() {
    let mut bytes = GOLDEN.to_vec();
    bytes[8] = 2;
    assert_eq!(Receipt::decode(&bytes), Err(DecodeError::Version { got: 2 }));
}

#[test]
fn a_file_of_another_kind_is_refused() {
    assert_eq!(Receipt::decode(b"\x7fELF\x01\x01\x01\0\0\0"), Err(DecodeError::Magic));
}

#[test]
fn every_flipped_byte_of_the_proof_is_refused_even_if_the_digest_is_made_to_fit() {
    let proof = golden().proof;
    // All of the exposed values lie in the first two kilobytes; then here and there, and the paths at the end.
    let places = (0..2048).step_by(7).chain((2048..proof.len()).step_by(1601)).chain(proof.len() - 64..proof.len());
    for at in places {
        let mut receipt = golden();
        receipt.proof[at] ^= 1;
        assert!(believed(&receipt.encode().unwrap()).is_err(), "byte {at} of the proof");
    }
}

#[test]
fn a_claim_of_another_program_is_refused() {
    let mut receipt = golden();
    receipt.claim.program = ProgramId::new([7; 32]);
    assert!(matches!(verify(&receipt), Err(Rejected::Program { claimed, .. }) if claimed == receipt.claim.program));
}

#[test]
fn a_claim_of_other_public_values_is_refused() {
    let mut receipt = golden();
    receipt.claim.public_values[0] ^= 1;
    assert!(matches!(verify(&receipt), Err(Rejected::PublicValues { .. })));
    receipt.claim.public_values.truncate(4);
    assert!(matches!(verify(&receipt), Err(Rejected::PublicValues { .. })));
}

#[test]
fn a_claim_of_another_exit_code_is_refused() {
    let mut receipt = golden();
    receipt.claim.exit_code = 1;
    assert!(matches!(verify(&receipt), Err(Rejected::ExitCode { claimed: 1, proven: 0 })));
}

#[test]
fn a_claim_of_more_security_is_refused() {
    let mut receipt = golden();
    receipt.security_bits = 128;
    assert!(matches!(verify(&receipt), Err(Rejected::SecurityBits { got: 128, expected: 100 })));
}

#[test]
fn a_receipt_of_another_engine_is_refused() {
    let mut receipt = golden();
    receipt.engine.verifying_key = Digest::of(b"another key");
    assert!(matches!(verify(&receipt), Err(Rejected::Engine { .. })));
}

#[test]
fn the_proof_of_another_run_is_refused() {
    let mut receipt = golden();
    receipt.proof = Receipt::decode(OTHER).unwrap().proof;
    assert!(matches!(verify(&receipt), Err(Rejected::PublicValues { .. })));
}

#[test]
fn the_parts_of_two_proofs_do_not_make_a_third() {
    // The memory paths of one run under the STARK of the other.
    let (first, second) = (golden(), Receipt::decode(OTHER).unwrap());
    let memory = first.info().unwrap().parts.memory;
    let (stark, _) = first.proof.split_at(first.proof.len() - memory);
    let (_, paths) = second.proof.split_at(second.proof.len() - memory);
    let receipt = Receipt { proof: [stark, paths].concat(), ..second };
    assert!(matches!(verify(&receipt), Err(Rejected::MemoryRoot { what: "the public values", .. })));
}

#[test]
fn provenance_is_not_proven() {
    let mut receipt = golden();
    receipt.provenance.cycles = 1;
    assert!(verify(&receipt).is_ok());
}

#[test]
fn a_receipt_describes_itself() {
    let info = golden().info().unwrap();
    assert!(info.claim_matches_proof);
    let parts = info.parts;
    let sum = parts.traces + parts.gkr + parts.constraints + parts.stacking + parts.whir + parts.memory;
    assert_eq!(sum, info.proof_bytes);
}

#[test]
fn hostile_bytes_never_panic() {
    proptest::proptest!(|(bytes in proptest::collection::vec(0u8.., 0..512), proof in proptest::collection::vec(0u8.., 0..512))| {
        let _ = Receipt::decode(&bytes);
        let _ = Receipt::decode(&wrapped(&bytes));
        let mut receipt = golden();
        receipt.proof = proof;
        proptest::prop_assert!(verify(&receipt).is_err());
    });
}
