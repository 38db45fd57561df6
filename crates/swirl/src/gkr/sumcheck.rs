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
