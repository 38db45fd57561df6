//! The polynomial that WHIR starts from, by its coefficients: the stacked columns batched by `μ`, taken from values to what
//! was encoded. And the rounds before the first codeword of its own.
//!
//! In coefficients `c` the claim `Σ_b f(b) w(b)` over upstream's weights `w = ⊗ (1 - 2 u_i, u_i)` is `Σ_s c(s) eq(u, s)`, so
//! that no table of values or weights is needed before the polynomial has been folded to a sixteenth.

use openvm_stark_backend::{poly_common::evals_eq_hypercube_serial, prover::MatrixDimensions};
use p3_field::PrimeCharacteristicRing;
use p3_util::log2_strict_usize;
use rayon::prelude::*;

use crate::{
    commit::{Committed, Tiling, ToCoefficients},
    packing::{DEGREE, EF, F, Four, Multiplier, PackedEF, PackedF, coordinate, element, lane, scaled, weighted_lanes},
};

/// Coefficients over the variables that are not bound yet, and the point of the claim in these.
pub struct Message<'a> {
    tiling: Tiling,
    /// Tile after tile; each has half as many vectors after each round.
    vectors: Vec<PackedEF>,
    tiles: usize,
    u: &'a [EF],
}

impl<'a> Message<'a> {
    /// `Σ_j μ^j q_j` over the stacked columns, to be folded `rounds` times.
    pub fn batched(committed: &[Committed<'_>], mu: EF, l_skip: usize, rounds: usize, u: &'a [EF]) -> Self {
        let height = committed.first().map_or(1, |committed| committed.matrix.height());
        let tiling = Tiling::new(log2_strict_usize(height), l_skip.max(rounds));
        let columns: Vec<&[F]> = committed.iter().flat_map(|data| data.matrix.values.chunks_exact(height)).collect();
        let powers: Vec<EF> = mu.powers().take(columns.len()).collect();
        let groups: Vec<_> =
            columns.chunks(4).zip(powers.chunks(4)).map(|(q, mu)| (q, Four::new(mu.iter().copied()))).collect();
        let to_coefficients = ToCoefficients::new(l_skip);

        let (row, tiles) = (tiling.row(), height / tiling.len());
        let mut vectors = vec![PackedEF::ZERO; row * tiles];
        vectors.par_chunks_exact_mut(row).enumerate().for_each_init(
            || vec![vec![PackedF::ZERO; row]; 4],
            |scratch, (tile, sums)| {
                for (q, powers) in &groups {
                    for (values, column) in scratch.iter_mut().zip(*q) {
                        tiling.load(&column[tile * tiling.len()..(tile + 1) * tiling.len()], values);
                    }
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let at = |k: usize| scratch[k.min(q.len() - 1)][i];
                        *sum += powers.combine(&[at(0), at(1), at(2), at(3)]);
                    }
                }
                // Coordinate by coordinate, in two of the scratch vectors.
                let [values, spare, ..] = &mut scratch[..] else { return };
                let mut by_coordinate = vec![[PackedF::ZERO; DEGREE]; row];
                for d in 0..DEGREE {
                    values.iter_mut().zip(&*sums).for_each(|(value, sum)| *value = coordinate(sum, d));
                    to_coefficients.of_blocks(values, spare);
                    by_coordinate.iter_mut().zip(&*values).for_each(|(all, value)| all[d] = *value);
                }
                sums.iter_mut().zip(by_coordinate).for_each(|(sum, all)| *sum = element(all));
            },
        );
        Self { tiling, vectors, tiles, u }
    }

    /// The round's values at `X = 1, 2`; `scale` is the product of the bound variables' weights.
    pub fn round_values(&self, scale: EF) -> [EF; 2] {
        let row = self.vectors.len() / self.tiles;
        // The lowest variable is the round's; the others of a row, those of the lanes, those of the tiles.
        let (in_row, rest) = self.u[1..].split_at(log2_strict_usize(row) - 1);
        let (in_lanes, in_tiles) = rest.split_at(log2_strict_usize(self.tiling.lanes));
        let multipliers =
            |u: &[EF]| -> Vec<_> { evals_eq_hypercube_serial(u).into_iter().map(Multiplier::<F>::new).collect() };
        let (of_row, of_tile) = (multipliers(in_row), multipliers(in_tiles));
        let sums = self.vectors.par_chunks_exact(row).zip(&of_tile).map(|(tile, of_tile)| {
            let mut sums = [PackedEF::ZERO; 2];
            for (pair, of_pair) in tile.as_chunks::<2>().0.iter().zip(&of_row) {
                sums[0] += scaled(&pair[0], of_pair);
                sums[1] += scaled(&pair[1], of_pair);
            }
            sums.map(|sum| scaled(&sum, of_tile))
        });
        let sums = sums.reduce(|| [PackedEF::ZERO; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
        let of_lanes = evals_eq_hypercube_serial(in_lanes);
        let [low, high] = sums.map(|sum| weighted_lanes(&sum, &of_lanes));
        [1, 2].map(|x| scale * self.weight(EF::from_u8(x)) * (low + high * EF::from_u8(x)))
    }

    /// The weight of the round's variable at `x`: through `1 - 2 u` and `u`.
    pub fn weight(&self, x: EF) -> EF {
        let u = self.u[0];
        (EF::ONE - x) * (EF::ONE - u.double()) + x * u
    }

    /// Binds the lowest variable to `r`.
    pub fn fold(&mut self, r: EF) {
        let r = Multiplier::new(r);
        let pairs = self.vectors.as_chunks::<2>().0.par_iter().with_min_len(1 << 10);
        self.vectors = pairs.map(|[low, high]| *low + scaled(high, &r)).collect();
        self.u = &self.u[1..];
    }

    /// The coefficients in their order, and the point of the claim on them.
    pub fn into_parts(self) -> (Vec<EF>, &'a [EF]) {
        let row = self.vectors.len() / self.tiles;
        let in_order = self.vectors.par_chunks_exact(row).flat_map_iter(|tile| {
            (0..self.tiling.lanes).flat_map(move |l| tile.iter().map(move |vector| lane(vector, l)))
        });
        (in_order.collect(), self.u)
    }
}
