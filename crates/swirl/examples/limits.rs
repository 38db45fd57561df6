//! What this machine can do at most, on one thread: packed Poseidon2 permutations, and butterflies of a transform in cache.

use std::{hint::black_box, time::Instant};

use openvm_stark_backend::p3_symmetric::Permutation;
use openvm_stark_sdk::config::baby_bear_poseidon2::poseidon2_perm;
use p3_baby_bear::BabyBear;
use p3_field::{Field, PackedValue, PrimeCharacteristicRing};

type PackedF = <BabyBear as Field>::Packing;

fn main() {
    let perm = poseidon2_perm();
    let mut state: [PackedF; 16] = std::array::from_fn(|i| PackedF::from_u64(i as u64 + 5));
    for _ in 0..3 {
        let start = Instant::now();
        let n = 200_000;
        for _ in 0..n {
            perm.permute_mut(&mut state);
        }
        black_box(&state);
        let s = start.elapsed().as_secs_f64();
        println!(
            "poseidon2 chained: {:.2} M permutations/s, {:.0} ns per vector",
            (n * PackedF::WIDTH) as f64 / s / 1e6,
            s / n as f64 * 1e9
        );
        let mut states: Vec<[PackedF; 16]> = vec![state; 64];
        let start = Instant::now();
        for _ in 0..n / 64 {
            states.iter_mut().for_each(|state| perm.permute_mut(state));
        }
        black_box(&states);
        let s = start.elapsed().as_secs_f64();
        println!("poseidon2 independent: {:.2} M permutations/s", (n / 64 * 64 * PackedF::WIDTH) as f64 / s / 1e6);
        let (mut a, b) = ([PackedF::from_u64(7); 12], PackedF::from_u64(11));
        let start = Instant::now();
        for _ in 0..10_000_000 {
            a.iter_mut().for_each(|a| *a *= b);
        }
        black_box(&a);
        println!("mul: {:.2} ns per vector", start.elapsed().as_secs_f64() / 12e7 * 1e9);
        let start = Instant::now();
        for _ in 0..10_000_000 {
            a.iter_mut().for_each(|a| *a += b);
        }
        black_box(&a);
        println!("add: {:.2} ns per vector", start.elapsed().as_secs_f64() / 12e7 * 1e9);
    }
}
