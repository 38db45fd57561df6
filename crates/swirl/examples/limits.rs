//! What this machine can do at most, on one thread: packed Poseidon2 permutations, Plonky3's and ours in alternation, and
//! additions and multiplications of vectors in registers.

use std::{hint::black_box, time::Instant};

use openvm_stark_backend::p3_symmetric::Permutation;
use openvm_stark_sdk::config::baby_bear_poseidon2::poseidon2_perm;
use p3_field::PrimeCharacteristicRing;
use phalanx_swirl::{
    packing::{PackedF, WIDTH},
    poseidon2,
};

const ROUNDS: usize = 501;
const STATES: usize = 64;
const REGISTERS: usize = 12;

fn main() {
    let perm = poseidon2_perm();
    let mut states: Vec<[PackedF; 16]> =
        (0..STATES).map(|s| std::array::from_fn(|i| PackedF::from_usize(16 * s + i))).collect();
    let registers = [PackedF::from_u64(7); REGISTERS];
    let other = black_box(PackedF::from_u64(11));

    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        times[0].push(per_vector(8, &mut states, |states| states.iter_mut().for_each(|s| perm.permute_mut(s))));
        times[1].push(per_vector(8, &mut states, |states| states.iter_mut().for_each(poseidon2::permute)));
        times[2].push(in_registers(10_000, registers, |v| *v *= other));
        times[3].push(in_registers(10_000, registers, |v| *v += other));
    }
    let [plonky3, ours, product, sum] = times.map(median);
    let rate = |ns: f64| WIDTH as f64 / ns * 1e3;
    println!("Poseidon2, Plonky3: {plonky3:.0} ns per vector, {:.2} M permutations/s", rate(plonky3));
    println!("Poseidon2, ours: {ours:.0} ns per vector, {:.2} M permutations/s", rate(ours));
    println!("ratio: {:.2}", plonky3 / ours);
    println!("product: {product:.2} ns per vector, sum: {sum:.2} ns per vector");
}

/// Nanoseconds that one of the values takes, when `f` is applied to all of them again and again.
fn per_vector<T>(times: usize, values: &mut [T], f: impl Fn(&mut [T])) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        f(black_box(values));
    }
    start.elapsed().as_secs_f64() * 1e9 / (times * values.len()) as f64
}

/// Nanoseconds that `f` takes, on vectors that stay in registers.
fn in_registers(times: usize, mut values: [PackedF; REGISTERS], f: impl Fn(&mut PackedF)) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        values.iter_mut().for_each(&f);
    }
    let time = start.elapsed().as_secs_f64();
    assert_ne!(black_box(values), [PackedF::ZERO; REGISTERS]);
    time * 1e9 / (times * REGISTERS) as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
