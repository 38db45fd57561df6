//! The sumcheck over one layer, first on vectors, then, when one vector is left, on its lanes.

use openvm_stark_backend::{FiatShamirTranscript, poly_common::evals_eq_hypercube_serial};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
use p3_field::PrimeCharacteristicRing;

use super::{
    layer::Nodes,
    passes::{first_sums, fold_nodes, fold_quads, sum_of_parents},
    quads::{Quad, accumulate, fold, parent},
    rounds::Rounds,
};
use crate::{
    eq::SplitEq,
    packing::{EF, Multiplier, PackedEF, WIDTH, lane},
};

type SC = BabyBearPoseidon2Config;

/// Buffers that one layer leaves to the next.
pub struct Workspace {
    quads: Vec<Quad<PackedEF>>,
    folded: Vec<Quad<PackedEF>>,
}

impl Workspace {
    /// Enough for a layer of so many vectors. What a smaller layer leaves untouched takes no memory yet.
    pub fn new(vectors: usize) -> Self {
        Self { quads: Vec::with_capacity(vectors / 4), folded: Vec::with_capacity(vectors / 8) }
    }
}

/// The quad at the point that the rounds draw, over packed nodes.
pub fn packed<N: Nodes, TS: FiatShamirTranscript<SC>>(
    nodes: N,
    rounds: &mut Rounds<'_, TS>,
    lambda: EF,
    Workspace { quads, folded }: &mut Workspace,
) -> Quad<EF> {
    if quads.capacity() < folded.capacity() {
        std::mem::swap(quads, folded);
    }
    let xi = rounds.xi_after();
    let (mut eq, next) = (SplitEq::new(xi), SplitEq::new(&xi[1..]));
    let sums = first_sums(&nodes, lambda, &eq);
    let r = rounds.send(sums, || {
        let _ = fold_nodes(&nodes, lambda, EF::ONE, quads, &next);
        sum_of_parents(quads, &eq)
    });
    let mut sums = fold_nodes(&nodes, lambda, r, quads, &next);
    drop(nodes);
    eq = next;

    while quads.len() > 2 {
        let next = SplitEq::new(&rounds.xi_after()[1..]);
        let r = rounds.send(sums, || {
            let _ = fold_quads(quads, EF::ONE, folded, &next);
            sum_of_parents(folded, &eq)
        });
        sums = fold_quads(quads, r, folded, &next);
        std::mem::swap(quads, folded);
        eq = next;
    }
    let r = rounds.send(sums, || sum_of_parents(&quads[1..], &eq));
    let last = fold(&quads[0], &quads[1], &Multiplier::new(r));
    scalar((0..WIDTH).map(|l| last.map(|vector| lane(&vector, l))).collect(), rounds)
}

/// The quad at the point that the rounds draw.
pub fn scalar<TS: FiatShamirTranscript<SC>>(mut quads: Vec<Quad<EF>>, rounds: &mut Rounds<'_, TS>) -> Quad<EF> {
    while !rounds.is_over() {
        let eq = evals_eq_hypercube_serial(rounds.xi_after());
        let pairs = quads.as_chunks::<2>().0;
        let mut sums = [EF::ZERO; 2];
        pairs.iter().zip(&eq).for_each(|([low, high], weight)| accumulate(&mut sums, low, high, weight));
        let r = rounds.send(sums, || pairs.iter().zip(&eq).map(|([_, high], weight)| parent(high) * *weight).sum());
        quads = pairs.iter().map(|[low, high]| fold(low, high, &r)).collect();
    }
    quads[0]
}

#[cfg(test)]
mod tests {
    use openvm_stark_sdk::config::baby_bear_poseidon2::default_duplex_sponge;
    use p3_field::BasedVectorSpace;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{
        gkr::layer::{LOG_LEN_MIN, Layer, Node},
        packing::{F, from_lanes},
    };

    fn random(rng: &mut StdRng) -> EF {
        EF::from_basis_coefficients_fn(|_| rng.random::<F>())
    }

    /// `Σ_x eq(ξ, x) parent(x)` round by round from its definition.
    fn by_definition(mut quads: Vec<Quad<EF>>, xi: &[EF], rho: &[EF]) -> Vec<[EF; 3]> {
        let mut eq = evals_eq_hypercube_serial(xi);
        let at = |low: EF, high: EF, x: EF| low + (high - low) * x;
        let mut polys = Vec::new();
        for r in rho {
            let point = |quads: &[Quad<EF>], y: usize, x: EF| fold(&quads[2 * y], &quads[2 * y + 1], &x);
            polys.push([1, 2, 3].map(EF::from_u8).map(|x| {
                (0..quads.len() / 2).map(|y| at(eq[2 * y], eq[2 * y + 1], x) * parent(&point(&quads, y, x))).sum::<EF>()
            }));
            quads = (0..quads.len() / 2).map(|y| point(&quads, y, *r)).collect();
            eq = (0..eq.len() / 2).map(|y| at(eq[2 * y], eq[2 * y + 1], *r)).collect();
        }
        polys
    }

    #[test]
    fn a_challenge_of_zero_leaves_nothing_to_the_claim() {
        let mut rng = StdRng::seed_from_u64(3);
        for log_len in LOG_LEN_MIN..LOG_LEN_MIN + 3 {
            let fractions: Vec<[EF; 2]> = (0..1 << log_len).map(|_| [random(&mut rng), random(&mut rng)]).collect();
            let lambda = random(&mut rng);
            let quads: Vec<Quad<EF>> = fractions
                .as_chunks::<2>()
                .0
                .iter()
                .map(|[left, right]| [left[0], left[1], right[0] + lambda * right[1], right[1]])
                .collect();
            let vectors = fractions.len() / WIDTH;
            let of_lanes = |t: usize, i: usize| from_lanes(|l| fractions[l * vectors + t][i]);
            let nodes = (0..vectors).map(|t| Node { p: of_lanes(t, 0), q: of_lanes(t, 1) }).collect();

            let xi: Vec<EF> = (1..log_len).map(|k| if k % 2 == 1 { EF::ZERO } else { random(&mut rng) }).collect();
            let eq = evals_eq_hypercube_serial(&xi);
            let claim = quads.iter().zip(&eq).map(|(quad, eq)| parent(quad) * *eq).sum();
            let mut transcript = default_duplex_sponge();
            let mut rounds = Rounds::new(&mut transcript, &xi, claim);
            let _ = packed(Layer(nodes), &mut rounds, lambda, &mut Workspace::new(vectors));
            let (polys, rho) = rounds.finish();
            assert_eq!(polys, by_definition(quads, &xi, &rho), "2^{log_len} nodes");
        }
    }
}
