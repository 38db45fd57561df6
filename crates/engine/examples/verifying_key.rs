//! Writes the verifying key that the receipt crate embeds: `cargo run --release -p phalanx-engine --example verifying_key`.
//!
//! Run it after a change of OpenVM's version or of the VM configuration. It makes all keys twice and refuses to write
//! when they differ, because a key that cannot be made again cannot be trusted.

use std::{error::Error, fs};

use phalanx_claim::Digest;
use phalanx_engine::openvm::keys::ProvingKeys;

fn main() -> Result<(), Box<dyn Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../receipt/keys/openvm-2.0.2.vk");
    let make = || -> Result<Vec<u8>, Box<dyn Error>> { Ok(ProvingKeys::generate()?.0.verifying_key().encode()?) };
    let bytes = make()?;
    if make()? != bytes {
        return Err("key generation is not deterministic".into());
    }
    fs::write(path, &bytes)?;
    println!("{path}: {} bytes, {}", bytes.len(), Digest::of(&bytes));
    Ok(())
}
