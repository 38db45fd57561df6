//! The fractional sumcheck against upstream's, on random leaves.

use openvm_stark_backend::{
    FiatShamirTranscript,
    prover::{
        error::LogupZerocheckError,
        fractional_sumcheck_gkr::{Frac, fractional_sumcheck as upstream},
    },
};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
use p3_baby_bear::default_babybear_poseidon2_16;
use p3_field::{BasedVectorSpace, PackedValue};
use phalanx_swirl::{
    gkr::{Leaves, fractional_sumcheck},
    packing::{EF, F, PackedEF, PackedF, WIDTH},
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::common::LeastWitness;

type SC = BabyBearPoseidon2Config;

/// Pairs `p/q` and `-p/q` in random order.
fn cancelling_fractions(log_len: usize, rng: &mut StdRng) -> Vec<(F, EF)> {
    let half = (1 << log_len) / 2;
    let mut fractions: Vec<(F, EF)> = (0..half)
        .flat_map(|_| {
            let (p, q): (F, EF) = (rng.random(), rng.random());
            [(p, q), (-p, q)]
        })
        .collect();
    fractions.shuffle(rng);
    fractions
}

fn leaves(log_len: usize, fractions: &[(F, EF)]) -> Leaves {
    let at = |i: usize| fractions[i % fractions.len()];
    let p = (0..Leaves::vectors(log_len)).map(|v| PackedF::from_fn(|l| at(WIDTH * v + l).0));
    let q = (0..Leaves::vectors(log_len)).map(|v| {
        PackedEF::from_basis_coefficients_fn(|d| {
            PackedF::from_fn(|l| <EF as BasedVectorSpace<F>>::as_basis_coefficients_slice(&at(WIDTH * v + l).1)[d])
        })
    });
    Leaves { log_len, p: p.collect(), q: q.collect() }
}

fn transcript() -> LeastWitness {
    LeastWitness::from(default_babybear_poseidon2_16())
}

#[test]
fn rounds_and_claims_are_upstreams_at_every_size() {
    let mut rng = StdRng::seed_from_u64(1);
    for log_len in 1..=14 {
        let fractions = cancelling_fractions(log_len, &mut rng);
        let evals: Vec<_> = fractions.iter().map(|(p, q)| Frac::new((*p).into(), *q)).collect();
        let (mut theirs, mut ours) = (transcript(), transcript());
        let (expected, expected_xi) = upstream::<SC, _>(&mut theirs, &evals, true).unwrap();
        let (proof, xi) = fractional_sumcheck(&mut ours, leaves(log_len, &fractions)).unwrap();
        assert_eq!(proof.fractional_sum, expected.fractional_sum, "2^{log_len} leaves");
        assert_eq!(proof.claims_per_layer, expected.claims_per_layer, "2^{log_len} leaves");
        assert_eq!(proof.sumcheck_polys, expected.sumcheck_polys, "2^{log_len} leaves");
        assert_eq!(xi, expected_xi, "2^{log_len} leaves");
        let next = |transcript: &mut LeastWitness| FiatShamirTranscript::<SC>::sample(transcript);
        assert_eq!(next(&mut ours), next(&mut theirs), "2^{log_len} leaves");
    }
}

#[test]
fn a_sum_that_is_not_zero_is_refused_as_upstream_does() {
    let mut rng = StdRng::seed_from_u64(2);
    for log_len in [3, 10] {
        let mut fractions = cancelling_fractions(log_len, &mut rng);
        fractions[5].0 += rng.random::<F>();
        let refused = fractional_sumcheck(&mut transcript(), leaves(log_len, &fractions));
        assert!(matches!(refused, Err(LogupZerocheckError::NonZeroRootSum)));
    }
}
