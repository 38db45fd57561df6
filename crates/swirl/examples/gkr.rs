//! CPU time of the fractional sumcheck beside upstream's, in all threads, the second time in the process: `gkr <log of leaves> [swirl|upstream]`.

use openvm_stark_backend::prover::fractional_sumcheck_gkr::{Frac, fractional_sumcheck as upstream};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, default_duplex_sponge};
use p3_field::{BasedVectorSpace, PackedValue};
use phalanx_swirl::{
    gkr::{Leaves, fractional_sumcheck},
    packing::{EF, F, PackedEF, PackedF, WIDTH},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let mut args = std::env::args().skip(1);
    let log_len: usize = args.next().and_then(|arg| arg.parse().ok()).unwrap_or(18);
    let which = args.next();
    let mut rng = StdRng::seed_from_u64(1);
    let half: Vec<(F, EF)> = (0..1 << (log_len - 1)).map(|_| rng.random()).collect();
    let fractions: Vec<(F, EF)> = half.iter().flat_map(|&(p, q)| [(p, q), (-p, q)]).collect();

    if which.as_deref() != Some("upstream") {
        let p = (0..fractions.len() / WIDTH).map(|v| PackedF::from_fn(|l| fractions[WIDTH * v + l].0)).collect();
        let coordinate = |i: usize, d| <EF as BasedVectorSpace<F>>::as_basis_coefficients_slice(&fractions[i].1)[d];
        let q = (0..fractions.len() / WIDTH)
            .map(|v| PackedEF::from_basis_coefficients_fn(|d| PackedF::from_fn(|l| coordinate(WIDTH * v + l, d))));
        let leaves = Leaves { log_len, p, q: q.collect() };
        let again = Leaves { log_len, p: leaves.p.clone(), q: leaves.q.clone() };
        fractional_sumcheck(&mut default_duplex_sponge(), again).expect("the sum is zero");
        let start = cpu_ms();
        fractional_sumcheck(&mut default_duplex_sponge(), leaves).expect("the sum is zero");
        println!("swirl    2^{log_len} leaves: {:.1} ms", cpu_ms() - start);
    }
    if which.as_deref() != Some("swirl") {
        let evals: Vec<_> = fractions.iter().map(|&(p, q)| Frac::new(p.into(), q)).collect();
        upstream::<BabyBearPoseidon2Config, _>(&mut default_duplex_sponge(), &evals, true).expect("the sum is zero");
        let start = cpu_ms();
        upstream::<BabyBearPoseidon2Config, _>(&mut default_duplex_sponge(), &evals, true).expect("the sum is zero");
        println!("upstream 2^{log_len} leaves: {:.1} ms", cpu_ms() - start);
    }
}

/// Milliseconds that this process's threads have run.
fn cpu_ms() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let ns = |task: std::fs::DirEntry| -> Option<f64> {
        std::fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    threads.filter_map(ns).sum::<f64>() / 1e6
}
