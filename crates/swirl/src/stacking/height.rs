//! All columns of one height, combined by `λ` into two: one for openings, one for openings of rotations.

use openvm_stark_backend::poly_common::UnivariatePoly;
use openvm_stark_backend::prover::poly::evals_eq_hypercube;
use p3_field::{Field, PrimeCharacteristicRing};
use p3_matrix::dense::RowMajorMatrix;
use rayon::prelude::*;

use super::{
    columns::Column,
    kernels::{Factors, Kernels},
};
use crate::{
    buffer::filled,
    linear::{fold, product_sums},
    packing::{
        EF, F, Four, Multiplier, PackedEF, PackedF, WIDTH, coordinate, element, from_lanes, lane, product, vector,
    },
};

/// Vectors of rows that one parallel task takes: the combined values stay in the first-level cache, or close.
const VECTORS_OF_TASK: usize = 64;

pub struct Height<'a> {
    pub columns: Vec<Column<'a>>,
    pub n_lift: usize,
    n: isize,
    kernels: Kernels<'a>,
    /// Over rows: `Σ_t λ_t q_t`, for openings and for openings of rotations.
    combined: Vec<[PackedEF; 2]>,
    /// Over `x`, once `Z` is bound: those two, each with its kernel.
    bound: [[Vec<EF>; 2]; 2],
}

impl<'a> Height<'a> {
    pub fn of_all(columns: Vec<Column<'a>>, kernels: &Kernels<'a>) -> Vec<Self> {
        let mut heights: Vec<Self> = Vec::new();
        for column in columns {
            let n = column.slice.log_height() as isize - kernels.domain.log_len as isize;
            match heights.iter_mut().find(|height| height.n == n) {
                Some(height) => height.columns.push(column),
                None => heights.push(Self {
                    columns: vec![column],
                    n_lift: n.max(0) as usize,
                    n,
                    kernels: *kernels,
                    combined: Vec::new(),
                    bound: Default::default(),
                }),
            }
        }
        heights
    }

    pub fn l_skip(&self) -> usize {
        self.kernels.domain.log_len
    }

    /// `|D|` times the number of points `x`.
    fn rows(&self) -> usize {
        1 << (self.l_skip() + self.n_lift)
    }

    fn vectors(&self) -> usize {
        self.rows().div_ceil(WIDTH)
    }

    /// `eq(r, x)` for all `x`.
    fn eq(&self) -> Vec<EF> {
        evals_eq_hypercube(&self.kernels.r[1..1 + self.n_lift])
    }

    /// The polynomial of round 0.
    pub fn first_poly(&mut self) -> UnivariatePoly<EF> {
        self.combined = self.combine();
        let eq = self.eq();
        let sums = self.sums_over_points(&eq);

        let domain = self.kernels.domain;
        let value = |z: F| {
            let lagrange: Vec<F> = (0..domain.len()).map(|i| domain.lagrange(i, z)).collect();
            let at = |k: usize| lagrange.iter().zip(&sums).map(|(l, sums)| sums[k] * *l).sum::<EF>();
            let Factors { column, rotation, carry } = self.kernels.factors(self.n, z.into());
            column * at(0) + rotation * at(1) + carry * at(2)
        };
        let points = domain.omega_powers.iter().flat_map(|omega| [1, 2].map(|c| domain.shifts[c] * *omega));
        let evals = RowMajorMatrix::new(points.map(value).collect(), 2);
        UnivariatePoly::from_geometric_cosets_evals_idft(evals, F::GENERATOR, F::GENERATOR)
    }

    /// All columns, combined.
    fn combine(&self) -> Vec<[PackedEF; 2]> {
        let chunk = self.vectors().min(VECTORS_OF_TASK);
        let groups: Vec<_> = self.columns.chunks(4).map(FourColumns::new).collect();
        filled(self.vectors() / chunk, chunk, |task, combined| {
            let mut sums = vec![[PackedEF::ZERO; 2]; chunk];
            for group in &groups {
                for (v, sums) in sums.iter_mut().enumerate() {
                    group.add(task * chunk + v, sums);
                }
            }
            sums.into_iter().for_each(|sums| combined.push(sums));
        })
    }

    /// For each point of `D`: `Σ_x eq(r, x)` times the openings' combination and times the rotations', and
    /// `Σ_x (eq(r, x - 1) - eq(r, x))` times the latter.
    fn sums_over_points(&self, eq: &[EF]) -> Vec<[EF; 3]> {
        let (len, points) = (self.kernels.domain.len(), eq.len());
        let previous = |x: usize| eq[x.checked_sub(1).unwrap_or(points - 1)];
        let weight = |v: usize, weight: &dyn Fn(usize) -> EF| {
            let x = |l: usize| (v * WIDTH + l) / len;
            Multiplier::packed(&from_lanes(|l| if x(l) < points { weight(x(l)) } else { EF::ZERO }))
        };
        let periods = len.div_ceil(WIDTH);
        let chunk = self.vectors().min(VECTORS_OF_TASK.max(periods));
        let tasks = self.combined.par_chunks(chunk).enumerate().map(|(task, combined)| {
            let mut sums = vec![[PackedEF::ZERO; 3]; periods];
            for (v, [columns, rotations]) in combined.iter().enumerate() {
                let at = weight(task * chunk + v, &|x| eq[x]);
                let step = weight(task * chunk + v, &|x| previous(x) - eq[x]);
                let sums = &mut sums[v % periods];
                sums[0] += product(columns, &at);
                sums[1] += product(rotations, &at);
                sums[2] += product(rotations, &step);
            }
            sums
        });
        let sums = tasks.reduce_with(|mut a, b| {
            a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| *a += *b);
            a
        });
        let mut of_points = vec![[EF::ZERO; 3]; len];
        for (j, sums) in sums.unwrap_or_default().iter().enumerate() {
            for l in 0..WIDTH {
                let of_point = &mut of_points[(j * WIDTH + l) % len];
                of_point.iter_mut().zip(sums).for_each(|(of_point, sum)| *of_point += lane(sum, l));
            }
        }
        of_points
    }

    /// Binds `Z` to `u`.
    pub fn bind_skip(&mut self, u: EF) {
        let len = self.kernels.domain.len();
        let lagrange = self.kernels.domain.lagrange_at(u);
        let mut folded = vec![[EF::ZERO; 2]; 1 << self.n_lift];
        let periods = len.div_ceil(WIDTH);
        let weight = |j: usize| Multiplier::packed(&from_lanes(|l| lagrange[(j * WIDTH + l) % len]));
        let weights: Vec<_> = (0..periods).map(weight).collect();
        let chunk = self.vectors().min(VECTORS_OF_TASK.max(periods));
        let of_chunks = self.combined.par_chunks(chunk).zip(folded.par_chunks_mut((chunk * WIDTH / len).max(1)));
        of_chunks.for_each(|(combined, folded)| {
            for (v, combined) in combined.iter().enumerate() {
                let weighted = [0, 1].map(|i| product(&combined[i], &weights[v % periods]));
                for l in 0..WIDTH.min(self.rows()) {
                    let folded = &mut folded[(v * WIDTH + l) / len];
                    folded.iter_mut().zip(&weighted).for_each(|(folded, weighted)| *folded += lane(weighted, l));
                }
            }
        });
        self.combined = Vec::new();
        let Factors { column, rotation, carry } = self.kernels.factors(self.n, u);
        let eq = self.eq();
        let previous = |x: usize| eq[x.checked_sub(1).unwrap_or(eq.len() - 1)];
        let of_rotation = eq.iter().enumerate().map(|(x, eq)| rotation * *eq + carry * (previous(x) - *eq)).collect();
        let of_column = eq.iter().map(|eq| column * *eq).collect();
        let [columns, rotations] = [0, 1].map(|i| folded.iter().map(|folded| folded[i]).collect());
        self.bound = [[columns, of_column], [rotations, of_rotation]];
    }

    /// The round's values at `X = 1, 2`, while there are variables.
    pub fn round_values(&self) -> [EF; 2] {
        let [columns, rotations] = self.bound.each_ref().map(|[combined, kernel]| product_sums(combined, kernel));
        [columns[0] + rotations[0], columns[1] + rotations[1]]
    }

    pub fn fold(&mut self, round: usize, u: EF) {
        if round <= self.n_lift {
            for values in self.bound.iter_mut().flatten() {
                *values = fold(values, u);
            }
        } else {
            for column in &mut self.columns {
                let bit = column.slice.row_idx >> (self.kernels.domain.log_len + round - 1) & 1;
                column.eq_of_position *= if bit == 1 { u } else { EF::ONE - u };
            }
        }
    }

    /// Once all variables are bound: what a column's value counts for.
    pub fn weight_of(&self, column: &Column<'_>) -> EF {
        let [[_, of_column], [_, of_rotation]] = &self.bound;
        column.lambda * of_column[0] + column.lambda_of_rotation * of_rotation[0]
    }

    /// Each column's value at `u`.
    pub fn values(&self, u: &[EF]) -> Vec<EF> {
        let len = self.kernels.domain.len();
        let (lagrange, eq) = (self.kernels.domain.lagrange_at(u[0]), evals_eq_hypercube(&u[1..1 + self.n_lift]));
        let chunk = self.vectors().min(VECTORS_OF_TASK);
        let tasks = (0..self.vectors() / chunk).into_par_iter().map(|task| {
            let weight = |row: usize| if row < self.rows() { lagrange[row % len] * eq[row / len] } else { EF::ZERO };
            let weights: Vec<_> = (0..chunk).map(|v| from_lanes(|l| weight((task * chunk + v) * WIDTH + l))).collect();
            self.columns.iter().map(|column| weighted_sum(column.cells, task * chunk, &weights)).collect::<Vec<_>>()
        });
        let sums = tasks.reduce_with(|mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        });
        sums.unwrap_or_default().iter().map(|sum| (0..WIDTH).map(|l| lane(sum, l)).sum()).collect()
    }
}

fn weighted_sum(cells: &[F], first: usize, weights: &[PackedEF]) -> PackedEF {
    let mut sum = PackedEF::ZERO;
    let (fours, rest) = weights.as_chunks::<4>();
    for (i, [a, b, c, d]) in fours.iter().enumerate() {
        let v = first + 4 * i;
        let q = [vector(cells, v), vector(cells, v + 1), vector(cells, v + 2), vector(cells, v + 3)];
        let dot = |k| {
            PackedF::dot_product::<4>(&q, &[coordinate(a, k), coordinate(b, k), coordinate(c, k), coordinate(d, k)])
        };
        sum += element([dot(0), dot(1), dot(2), dot(3)]);
    }
    for (i, weight) in rest.iter().enumerate() {
        sum += *weight * vector(cells, first + 4 * fours.len() + i);
    }
    sum
}

/// Up to four columns, with their coefficients for openings and for those of rotations.
struct FourColumns<'a> {
    cells: [&'a [F]; 4],
    coefficients: [Four; 2],
}

impl<'a> FourColumns<'a> {
    fn new(columns: &[Column<'a>]) -> Self {
        let for_columns = Four::new(columns.iter().map(|column| column.lambda));
        let for_rotations = Four::new(columns.iter().map(|column| column.lambda_of_rotation));
        Self {
            // A column that is missing counts for nothing, so that any will do in its place.
            cells: std::array::from_fn(|k| columns[k.min(columns.len() - 1)].cells),
            coefficients: [for_columns, for_rotations],
        }
    }

    #[inline(always)]
    fn add(&self, v: usize, sums: &mut [PackedEF; 2]) {
        let q = self.cells;
        let q = [vector(q[0], v), vector(q[1], v), vector(q[2], v), vector(q[3], v)];
        sums[0] += self.coefficients[0].combine(&q);
        sums[1] += self.coefficients[1].combine(&q);
    }
}
