//! The first round of the batch sumcheck: the univariate skip over `D`, in the base field.
//!
//! Gruen, "Some improvements for the PIOP for ZeroCheck" (2024), section 5. For every point `x` of the hypercube each
//! column is a polynomial of degree less than `|D|`; its values on cosets of `D` give the round's polynomials,
//! `Σ_x eq(ξ, x) · C(Z, x)`. Lanes are points `x`, with the top bits of their index, so nothing moves across lanes.

use openvm_stark_backend::poly_common::UnivariatePoly;
use p3_field::{Field, PackedValue, PrimeCharacteristicRing};
use p3_matrix::dense::RowMajorMatrix;
use rayon::prelude::*;

use super::air::{Air, Asked, Batching, Evaluation};
use crate::{
    air::{BLOCK, Blocks, Input},
    eq::SplitEq,
    packing::{EF, F, Multiplier, PackedEF, PackedF, WIDTH, scaled},
    skip_domain::SkipDomain,
};

/// The polynomials of one AIR: numerators, denominators, and the quotient of the constraints by `Z^|D| - 1`.
pub struct SkipRound {
    pub numerator: UnivariatePoly<EF>,
    pub denominator: UnivariatePoly<EF>,
    pub quotient: UnivariatePoly<EF>,
}

/// Vectors of points that one parallel task takes, as a logarithm.
const LOG_TASK: usize = 4;

pub fn skip_round(air: &Air<'_>, domain: &SkipDomain, xi: &[EF], batching: &Batching<'_>) -> SkipRound {
    let interactions = !air.interactions().is_empty() && air.degree > 0;
    let of_quotient = air.degree.saturating_sub(1);
    let of_logup = if interactions { air.program(Asked::Interactions).degree.clamp(1, air.degree) } else { 0 };
    let cosets: Vec<Option<Evaluation>> = (0..of_logup.max(of_quotient + 1))
        .map(|c| Asked::of((1..=of_quotient).contains(&c), c < of_logup))
        .map(|asked| asked.map(|asked| air.evaluation(asked, batching)))
        .collect();

    let eq = SplitEq::with_inner(&xi[..air.n_lift], LOG_TASK);
    let block = BlockOfRows::new(air, domain, &cosets);
    let len = eq.inner.len();
    let sums = eq.outer.par_iter().enumerate().map(|(task, outer)| {
        let mut workspace = block.workspace();
        let mut sums = vec![PackedEF::ZERO; cosets.len() * domain.len() * 3];
        for (i, weight) in eq.inner.iter().enumerate() {
            block.add_values(task * len + i, weight, &mut workspace, &mut sums);
        }
        sums.iter().map(|sum| scaled(sum, outer)).collect::<Vec<_>>()
    });
    let sums = sums.reduce_with(|mut a, b| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    });
    let sums: Vec<EF> = sums.unwrap_or_default().iter().map(|sum| eq.over_lanes(sum)).collect();

    let polynomial = |kind: usize, cosets: std::ops::Range<usize>, factor: &dyn Fn(usize) -> F| {
        if cosets.is_empty() {
            return UnivariatePoly::new(vec![]);
        }
        let value = |z: usize, c: usize| sums[(c * domain.len() + z) * 3 + kind] * factor(c);
        let values = (0..domain.len()).flat_map(|z| cosets.clone().map(move |c| (z, c))).map(|(z, c)| value(z, c));
        let evals = RowMajorMatrix::new(values.collect(), cosets.len());
        UnivariatePoly::from_geometric_cosets_evals_idft(evals, F::GENERATOR, domain.shifts[cosets.start])
    };
    let vanishing = |c: usize| domain.shifts[c].exp_power_of_2(domain.log_len) - F::ONE;
    SkipRound {
        numerator: polynomial(1, 0..of_logup, &|_| air.numerator_factor()),
        denominator: polynomial(2, 0..of_logup, &|_| F::ONE),
        quotient: polynomial(0, 1..of_quotient + 1, &|c| vanishing(c).inverse()),
    }
}

/// One vector of points `x`: the rows `x · |D| ..` of each.
struct BlockOfRows<'a> {
    air: &'a Air<'a>,
    domain: &'a SkipDomain,
    cosets: &'a [Option<Evaluation>],
    /// Columns that some program reads, and whether it does so in the next row.
    columns: Vec<(usize, bool)>,
    /// Where each part's and column's place in `columns` is.
    place: Vec<usize>,
    /// For each coset and point: the last Lagrange polynomial of `D`, and the sums of those at the trace's first row and last.
    lagrange: Vec<[F; 3]>,
    vectors: usize,
}

struct Workspace {
    rows: Vec<PackedF>,
    coefficients: Vec<PackedF>,
    values: Vec<PackedF>,
    /// What the next row adds at the end of the block: the next block's first row less this block's.
    steps: Vec<PackedF>,
    registers: Vec<Vec<[PackedF; BLOCK]>>,
}

impl<'a> BlockOfRows<'a> {
    fn new(air: &'a Air<'a>, domain: &'a SkipDomain, cosets: &'a [Option<Evaluation>]) -> Self {
        let width = air.parts.width();
        let (mut used, mut next) = (vec![false; width], vec![false; width]);
        for input in cosets.iter().flatten().flat_map(|evaluation| &evaluation.program.inputs) {
            if let Input::Column { part, column, next: is_next } = *input {
                used[air.parts.offset(part) + column] = true;
                next[air.parts.offset(part) + column] |= is_next;
            }
        }
        let columns: Vec<(usize, bool)> = (0..width).filter(|c| used[*c]).map(|c| (c, next[c])).collect();
        let mut place = vec![usize::MAX; width];
        columns.iter().enumerate().for_each(|(i, (column, _))| place[*column] = i);
        let height = air.parts.height;
        let points =
            domain.shifts[..cosets.len()].iter().flat_map(|s| domain.omega_powers.iter().map(move |w| *s * *w));
        let lagrange = points.map(|x| {
            let sum_at = |row: usize| domain.indices_of(row, height).map(|i| domain.lagrange(i, x)).sum();
            [domain.lagrange(domain.len() - 1, x), sum_at(0), sum_at(height - 1)]
        });
        let lagrange = lagrange.collect();
        Self { air, domain, cosets, columns, place, lagrange, vectors: (1usize << air.n_lift).div_ceil(WIDTH) }
    }

    fn workspace(&self) -> Workspace {
        let registers = |evaluation: &Option<Evaluation>| {
            evaluation.as_ref().map_or_else(Vec::new, |evaluation| evaluation.program.registers::<Blocks>())
        };
        Workspace {
            rows: vec![PackedF::ZERO; self.air.parts.width() * (self.domain.len() + 1)],
            coefficients: vec![PackedF::ZERO; self.columns.len() * self.domain.len()],
            values: vec![PackedF::ZERO; self.columns.len() * self.domain.len()],
            steps: vec![PackedF::ZERO; self.columns.len()],
            registers: self.cosets.iter().map(registers).collect(),
        }
    }

    /// Adds `weight` times the three values at every point of every coset, for the points of vector `t`.
    fn add_values(&self, t: usize, weight: &Multiplier<F>, workspace: &mut Workspace, sums: &mut [PackedEF]) {
        let len = self.domain.len();
        self.read_rows(t, workspace);
        for (c, evaluation) in self.cosets.iter().enumerate() {
            let Some(evaluation) = evaluation else { continue };
            self.values_on_coset(c, workspace);
            let registers = &mut workspace.registers[c];
            for z in (0..len).step_by(BLOCK) {
                for (register, input) in registers.iter_mut().zip(&evaluation.program.inputs) {
                    *register = std::array::from_fn(|k| (z + k) % len)
                        .map(|z| self.input(*input, c, z, t, &workspace.values, &workspace.steps));
                }
                evaluation.program.run::<Blocks>(registers);
                for k in 0..BLOCK.min(len) {
                    let sums = &mut sums[(c * len + z + k) * 3..][..3];
                    for (sum, combination) in sums.iter_mut().zip(&evaluation.combinations) {
                        if !combination.is_empty() {
                            *sum += scaled(&combination.of_blocks(registers, k), weight);
                        }
                    }
                }
            }
        }
    }

    fn read_rows(&self, t: usize, workspace: &mut Workspace) {
        let (len, width, height) = (self.domain.len(), self.air.parts.width(), self.air.parts.height);
        for (z, rows) in workspace.rows.chunks_exact_mut(width).enumerate() {
            self.air.parts.gather(&std::array::from_fn(|l| ((l * self.vectors + t) * len + z) % height), rows);
        }
        for (i, (column, next)) in self.columns.iter().enumerate() {
            let coefficients = &mut workspace.coefficients[i * len..][..len];
            for (z, coefficient) in coefficients.iter_mut().enumerate() {
                *coefficient = workspace.rows[z * width + column];
            }
            if *next {
                workspace.steps[i] = workspace.rows[len * width + column] - coefficients[0];
            }
            self.domain.interpolate(coefficients);
        }
    }

    fn values_on_coset(&self, c: usize, workspace: &mut Workspace) {
        let len = self.domain.len();
        let columns = workspace.coefficients.chunks_exact(len).zip(workspace.values.chunks_exact_mut(len));
        for (i, (coefficients, values)) in columns.enumerate() {
            if c == 0 {
                let (width, column) = (self.air.parts.width(), self.columns[i].0);
                values.iter_mut().enumerate().for_each(|(z, value)| *value = workspace.rows[z * width + column]);
            } else {
                self.domain.evaluate(coefficients, c, values);
            }
        }
    }

    /// What a program reads at point `z` of coset `c`.
    #[inline(always)]
    fn input(&self, input: Input, c: usize, z: usize, t: usize, values: &[PackedF], steps: &[PackedF]) -> PackedF {
        let len = self.domain.len();
        let [last_of_domain, first_row, last_row] = self.lagrange[c * len + z];
        match input {
            Input::Column { part, column, next } => {
                let i = self.place[self.air.parts.offset(part) + column];
                if next {
                    // One step along the coset, but for the last row of the block, whose next is in the next block.
                    values[i * len + (z + 1) % len] + steps[i] * last_of_domain
                } else {
                    values[i * len + z]
                }
            }
            Input::Selector(selector) => {
                let points = 1 << self.air.n_lift;
                let first = |l: usize| if l == 0 && t == 0 { first_row } else { F::ZERO };
                let is_last = |l: usize| l * self.vectors + t + 1 == points;
                let last = |l: usize| if is_last(l) { last_row } else { F::ZERO };
                match selector {
                    0 => PackedF::from_fn(first),
                    1 => PackedF::from_fn(|l| F::ONE - last(l)),
                    _ => PackedF::from_fn(last),
                }
            }
        }
    }
}
