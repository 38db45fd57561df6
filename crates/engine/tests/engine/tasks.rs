//! The four tasks on real programs: what they make verifies, and each can run alone, in any order.

use phalanx_claim::Digest;
use phalanx_engine::{Engine, stdin::Stdin};

use crate::support::{Bench, guest};

#[test]
fn fibonacci_in_one_segment_becomes_a_receipt() {
    let mut bench = Bench::new();
    let stdin = Stdin { items: vec![1000u64.to_le_bytes().to_vec()] };
    let execution = bench.execute(&guest("fibonacci"), &stdin, u64::MAX).unwrap();
    println!("cycles {} segments {} pv {:02x?}", execution.cycles, execution.segments.len(), execution.public_values);
    let proofs = bench.prove_all(&execution).unwrap();
    let root = bench.fold_all(proofs).unwrap();
    let receipt = bench.seal(root).unwrap();
    let claim = phalanx_receipt::verify(&receipt).unwrap();
    assert_eq!(claim.public_values, execution.public_values);
    assert_eq!(claim.program, phalanx_engine::openvm::program_id(&guest("fibonacci")).unwrap());
    // Whoever asks for it again need not work it out.
    assert_eq!(bench.engine.keys().program_id(&Digest::of(&guest("fibonacci"))), Some(claim.program));
    assert_eq!(&receipt.engine, bench.engine.id());
}
