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
    packing::{EF, PackedEF, WIDTH, lane},
};

type SC = BabyBearPoseidon2Config;

/// The quad at the point that the rounds draw, over packed nodes.
pub fn packed<N: Nodes, TS: FiatShamirTranscript<SC>>(nodes: N, rounds: &mut Rounds<'_, TS>, lambda: EF) -> Quad<EF> {
    let xi = rounds.xi_after();
    let (mut eq, next) = (SplitEq::new(xi), SplitEq::new(&xi[1..]));
    let mut quads = PackedEF::zero_vec(nodes.vectors());
    let sums = first_sums(&nodes, lambda, &eq);
    let r = rounds.send(sums, || {
        let _ = fold_nodes(&nodes, lambda, EF::ONE, of_mut(&mut quads), &next);
        sum_of_parents(of(&quads), &eq)
    });
    let mut sums = fold_nodes(&nodes, lambda, r, of_mut(&mut quads), &next);
    drop(nodes);
    eq = next;

    let mut folded = PackedEF::zero_vec(quads.len() / 2);
    while of(&quads).len() > 2 {
        let next = SplitEq::new(&rounds.xi_after()[1..]);
        let r = rounds.send(sums, || {
            let _ = fold_quads(of(&quads), EF::ONE, of_mut(&mut folded), &next);
            sum_of_parents(of(&folded), &eq)
        });
        sums = fold_quads(of(&quads), r, of_mut(&mut folded), &next);
        std::mem::swap(&mut quads, &mut folded);
        folded.truncate(quads.len() / 2);
        eq = next;
    }
    let r = rounds.send(sums, || sum_of_parents(&of(&quads)[1..], &eq));
    let last = fold(&of(&quads)[0], &of(&quads)[1], r.into());
    scalar((0..WIDTH).map(|l| last.map(|vector| lane(&vector, l))).collect(), rounds)
}

/// The quad at the point that the rounds draw.
pub fn scalar<TS: FiatShamirTranscript<SC>>(mut quads: Vec<Quad<EF>>, rounds: &mut Rounds<'_, TS>) -> Quad<EF> {
    while !rounds.is_over() {
        let eq = evals_eq_hypercube_serial(rounds.xi_after());
        let pairs = quads.as_chunks::<2>().0;
        let mut sums = [EF::ZERO; 2];
        pairs.iter().zip(&eq).for_each(|([low, high], weight)| accumulate(&mut sums, low, high, *weight));
        let r = rounds.send(sums, || pairs.iter().zip(&eq).map(|([_, high], weight)| parent(high) * *weight).sum());
        quads = pairs.iter().map(|[low, high]| fold(low, high, r)).collect();
    }
    quads[0]
}

fn of(quads: &[PackedEF]) -> &[Quad<PackedEF>] {
    quads.as_chunks().0
}

fn of_mut(quads: &mut [PackedEF]) -> &mut [Quad<PackedEF>] {
    quads.as_chunks_mut().0
}
