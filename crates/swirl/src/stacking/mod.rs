//! The stacked opening reduction: from openings of every trace column at `r`, and of its rotation, to openings of the
//! stacked columns at one point `u`.
//!
//! The sumcheck is over `Σ_t λ_t q_t(x) eq_t(x)`, where columns of one height share their `eq_t` until all their variables
//! are bound. So all columns of a height are first combined into one by `λ`, and the rounds work on that one; each
//! column's own value is computed once, when the challenges that it depends on are all drawn.

mod columns;
mod height;
mod kernels;

use std::collections::BTreeMap;

use openvm_stark_backend::{FiatShamirTranscript, poly_common::UnivariatePoly, proof::StackingProof};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;
use tracing::instrument;

use self::{columns::Column, height::Height, kernels::Kernels};
use crate::{commit::Committed, packing::EF, skip_domain::SkipDomain};

type SC = BabyBearPoseidon2Config;

/// For each commitment its data, and for each matrix in it whether its rotation is opened.
pub type Opened<'a> = Vec<(Committed<'a>, Vec<bool>)>;

#[instrument(level = "info", skip_all)]
pub fn reduce_openings<TS: FiatShamirTranscript<SC>>(
    transcript: &mut TS,
    l_skip: usize,
    n_stack: usize,
    opened: &Opened<'_>,
    r: &[EF],
) -> (StackingProof<SC>, Vec<EF>) {
    let lambda = transcript.sample_ext();
    let domain = SkipDomain::new(l_skip, 3);
    let mut heights = Height::of_all(Column::of_all(opened, l_skip, lambda), &Kernels::new(&domain, r));

    // Round 0, the univariate skip.
    let polys: Vec<UnivariatePoly<EF>> = heights.par_iter_mut().map(|height| height.first_poly()).collect();
    let mut first = vec![EF::ZERO; 2 * (domain.len() - 1) + 1];
    for poly in &polys {
        first.iter_mut().zip(poly.coeffs()).for_each(|(sum, c)| *sum += *c);
    }
    first.iter().for_each(|c| transcript.observe_ext(*c));
    let mut u = vec![transcript.sample_ext()];
    heights.par_iter_mut().for_each(|height| height.bind_skip(u[0]));

    // The other variables. Columns whose own variables are bound are points of their stacked column.
    let mut points = StackedPoints::default();
    let mut sumcheck_round_polys = Vec::with_capacity(n_stack);
    points.enter(&mut heights, &u);
    for round in 1..=n_stack {
        let values = heights.par_iter().map(|height| match height.n_lift >= round {
            true => height.round_values(),
            false => points.round_values(height, round, l_skip),
        });
        let values = values.reduce(|| [EF::ZERO; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
        values.iter().for_each(|value| transcript.observe_ext(*value));
        sumcheck_round_polys.push(values);
        let u_round = transcript.sample_ext();
        u.push(u_round);

        points.fold(u_round);
        heights.par_iter_mut().for_each(|height| height.fold(round, u_round));
        points.enter(&mut heights, &u);
    }

    let opening =
        |commitment: usize, stacked: usize| points.0.get(&(commitment, stacked, 0)).copied().unwrap_or(EF::ZERO);
    let width = |data: &Committed<'_>| data.layout.width();
    let stacking_openings: Vec<Vec<EF>> =
        opened.iter().enumerate().map(|(i, (data, _))| (0..width(data)).map(|c| opening(i, c)).collect()).collect();
    stacking_openings.iter().flatten().for_each(|value| transcript.observe_ext(*value));
    (StackingProof { univariate_round_coeffs: first, sumcheck_round_polys, stacking_openings }, u)
}

/// Values of stacked columns where their variables that are left are boolean, by commitment, column and position.
/// What is not there is zero, or belongs to a column that still has variables of its own.
#[derive(Default)]
struct StackedPoints(BTreeMap<(usize, usize, usize), EF>);

impl StackedPoints {
    /// Takes in the columns whose last variable has just been bound.
    fn enter(&mut self, heights: &mut [Height<'_>], u: &[EF]) {
        for height in heights.iter_mut().filter(|height| height.n_lift + 1 == u.len()) {
            for (column, value) in height.columns.iter().zip(height.values(u)) {
                let position = column.slice.row_idx >> (height.l_skip() + height.n_lift);
                self.0.insert((column.commitment, column.slice.col_idx, position), value);
            }
        }
    }

    /// Binds the lowest variable of the positions.
    fn fold(&mut self, u: EF) {
        let mut folded = BTreeMap::new();
        for ((commitment, column, position), value) in &self.0 {
            let weight = if position & 1 == 1 { u } else { EF::ONE - u };
            *folded.entry((*commitment, *column, position >> 1)).or_insert(EF::ZERO) += *value * weight;
        }
        self.0 = folded;
    }

    /// The round's values at `X = 1, 2` for columns without variables of their own.
    fn round_values(&self, height: &Height<'_>, round: usize, l_skip: usize) -> [EF; 2] {
        let mut sums = [EF::ZERO; 2];
        for column in &height.columns {
            let at = column.slice.row_idx >> (l_skip + round - 1);
            let value = |position| {
                self.0.get(&(column.commitment, column.slice.col_idx, position)).copied().unwrap_or(EF::ZERO)
            };
            let (low, high) = (value(at & !1), value(at | 1));
            // eq(X, b) at X = 1 is b, at X = 2 it is 3 b - 1.
            let eq = if at & 1 == 1 { [EF::ONE, EF::TWO] } else { [EF::ZERO, EF::NEG_ONE] };
            let weight = column.eq_of_position * height.weight_of(column);
            sums[0] += weight * eq[0] * high;
            sums[1] += weight * eq[1] * (high.double() - low);
        }
        sums
    }
}
