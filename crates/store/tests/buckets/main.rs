//! Stores in buckets, against real servers on loopback that `./x test tests` installs.

mod contract;
mod faults;
mod proxy;
mod servers;

/// Bytes that do not compress, the same for the same seed.
fn noise(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}
