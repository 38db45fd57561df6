//! ECDSA over secp256k1 with SHA-256, in software, by the `k256` crate.
//!
//! In: the public key (SEC1, compressed or not), the message, the signature (r and s, 32 bytes each, big-endian, low s).
//! Out: SHA-256 of the compressed public key followed by SHA-256 of the message: who signed what.
//! A wrong signature panics, so there is no proof of one.

use k256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
use openvm::io::{read_vec, reveal_bytes32};
use sha2::{Digest, Sha256};

fn main() {
    let key = match VerifyingKey::from_sec1_bytes(&read_vec()) {
        Ok(key) => key,
        Err(_) => panic!("input 0 is not a public key: no point of secp256k1 in SEC1 form"),
    };
    let message = read_vec();
    let signature = match Signature::from_slice(&read_vec()) {
        Ok(signature) => signature,
        Err(_) => panic!("input 2 is not a signature: r and s, 32 bytes each, in 1..n"),
    };
    if key.verify(&message, &signature).is_err() {
        panic!("the signature does not fit this key and message");
    }
    let statement = Sha256::new()
        .chain_update(key.to_encoded_point(true).as_bytes())
        .chain_update(Sha256::digest(&message))
        .finalize();
    reveal_bytes32(statement.into());
}
