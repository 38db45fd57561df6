//! An AIR's columns after the first round: values of the extension on the hypercube, halved by each round that follows.

use openvm_stark_backend::poly_common::evals_eq_hypercube_serial;
use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;

use super::air::{Air, Evaluation};
use crate::{
    air::{Input, Points, SELECTORS, Vectors},
    buffer::{filled, refill},
    eq::SplitEq,
    packing::{EF, F, Four, Multiplier, PackedEF, PackedF, WIDTH, from_lanes, lane, scaled},
    skip_domain::SkipDomain,
};

/// Pairs of vectors that one parallel task takes, as a logarithm.
const LOG_TASK: usize = 4;

/// Rows of `width` values each: selectors, columns of all parts, and the next row's if the AIR reads it.
pub struct Folded {
    width: usize,
    columns: usize,
    rows: Rows,
    spare: Vec<PackedEF>,
}

enum Rows {
    /// Lane `l` of vector `t` of `n` is point `l n + t`.
    Vectors(Vec<PackedEF>),
    Points(Vec<EF>),
}

/// Values at `X = 1, 2, …` of constraints, numerators and denominators, summed over the hypercube.
pub type RoundValues = Vec<[EF; 3]>;

impl Folded {
    /// Evaluates each column's polynomial over `D` at `r`.
    pub fn new(air: &Air<'_>, domain: &SkipDomain, r: EF) -> Self {
        let columns = air.parts.width();
        let width = SELECTORS + columns * (1 + usize::from(air.needs_next));
        let points = 1usize << air.n_lift;
        let vectors = points.div_ceil(WIDTH);
        let lagrange = domain.lagrange_at(r);
        let weights = Weights::new(&lagrange);
        let height = air.parts.height;
        let selector_at = |row: usize| domain.indices_of(row, height).map(|i| lagrange[i]).sum::<EF>();
        let (first, last) = (selector_at(0), selector_at(height - 1));
        let len = domain.len();
        let rows = filled(vectors, width, |t, row| {
            let where_true = |value: EF, is: bool| if is { value } else { EF::ZERO };
            let first = from_lanes(|l| where_true(first, l == 0 && t == 0));
            let last = from_lanes(|l| where_true(last, l * vectors + t + 1 == points));
            row.push(first);
            row.push(PackedEF::ONE - last);
            row.push(last);
            let mut gathered = vec![PackedF::ZERO; columns * (len + 1)];
            for (z, of_row) in gathered.chunks_exact_mut(columns).enumerate() {
                air.parts.gather(&std::array::from_fn(|l| ((l * vectors + t) * len + z) % height), of_row);
            }
            for next in (0..2).take(1 + usize::from(air.needs_next)) {
                (0..columns)
                    .for_each(|column| row.push(weights.combine(&gathered[next * columns + column..], columns)));
            }
        });
        let mut folded = Self { width, columns, rows: Rows::Vectors(rows), spare: Vec::new() };
        if vectors == 1 {
            folded.unpack(points);
        }
        folded
    }

    fn slot(&self, air: &Air<'_>, input: Input) -> usize {
        match input {
            Input::Selector(selector) => selector,
            Input::Column { part, column, next } => {
                SELECTORS + usize::from(next) * self.columns + air.parts.offset(part) + column
            }
        }
    }

    /// From one vector to its first lanes.
    fn unpack(&mut self, points: usize) {
        if let Rows::Vectors(row) = &self.rows {
            let points = (0..points).flat_map(|l| row.iter().map(move |vector| lane(vector, l))).collect();
            self.rows = Rows::Points(points);
        }
    }

    /// The round's values at `X = 1 ..= degree`, where `at(X - 1)` tells what to evaluate. `ξ` is that of the variables after.
    pub fn round_values<'e>(
        &self,
        air: &Air<'_>,
        xi: &[EF],
        degree: usize,
        at: impl Fn(usize) -> Option<&'e Evaluation> + Sync,
    ) -> RoundValues {
        match &self.rows {
            Rows::Vectors(rows) => self.values_of_vectors(air, rows, &SplitEq::with_inner(xi, LOG_TASK), degree, at),
            Rows::Points(rows) => self.values_of_points(air, rows, xi, degree, at),
        }
    }

    fn values_of_vectors<'e>(
        &self,
        air: &Air<'_>,
        rows: &[PackedEF],
        eq: &SplitEq,
        degree: usize,
        at: impl Fn(usize) -> Option<&'e Evaluation> + Sync,
    ) -> RoundValues {
        let slots = |evaluation: &Evaluation| {
            evaluation.program.inputs.iter().map(|input| self.slot(air, *input)).collect::<Vec<_>>()
        };
        let steps: Vec<_> = (0..degree).map(|x| at(x).map(|evaluation| (evaluation, slots(evaluation)))).collect();
        let pairs = eq.inner.len();
        let sums = eq.outer.par_iter().zip(rows.par_chunks_exact(2 * pairs * self.width)).map(|(outer, rows)| {
            let mut registers: Vec<_> = steps
                .iter()
                .map(|step| step.as_ref().map(|(evaluation, _)| evaluation.program.registers::<Vectors>()))
                .collect();
            let mut sums = vec![[PackedEF::ZERO; 3]; degree];
            for (pair, weight) in rows.chunks_exact(2 * self.width).zip(&eq.inner) {
                let (low, high) = pair.split_at(self.width);
                for (x, step) in steps.iter().enumerate() {
                    let (Some((evaluation, slots)), Some(registers)) = (step, &mut registers[x]) else { continue };
                    for (register, slot) in registers.iter_mut().zip(slots) {
                        *register = high[*slot];
                        if x > 0 {
                            *register += (high[*slot] - low[*slot]) * PackedF::from(F::from_usize(x));
                        }
                    }
                    evaluation.program.run::<Vectors>(registers);
                    for (sum, combination) in sums[x].iter_mut().zip(&evaluation.combinations) {
                        if !combination.is_empty() {
                            *sum += scaled(&combination.of_vectors(registers), weight);
                        }
                    }
                }
            }
            sums.iter().map(|sums| sums.map(|sum| scaled(&sum, outer))).collect::<Vec<_>>()
        });
        let sums = sums.reduce_with(|mut a, b| {
            a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| *a += *b);
            a
        });
        sums.unwrap_or_default().iter().map(|sums| sums.map(|sum| eq.over_lanes(&sum))).collect()
    }

    fn values_of_points<'e>(
        &self,
        air: &Air<'_>,
        rows: &[EF],
        xi: &[EF],
        degree: usize,
        at: impl Fn(usize) -> Option<&'e Evaluation>,
    ) -> RoundValues {
        let eq = evals_eq_hypercube_serial(xi);
        let value = |x: usize, low: &[EF], high: &[EF]| {
            let Some(evaluation) = at(x - 1) else { return [EF::ZERO; 3] };
            self.values_at(air, evaluation, |slot| low[slot] + (high[slot] - low[slot]) * F::from_usize(x))
        };
        let pairs = || rows.chunks_exact(2 * self.width).map(|pair| pair.split_at(self.width)).zip(&eq);
        let sum = |x| {
            pairs().fold([EF::ZERO; 3], |sums, ((low, high), weight)| {
                let values = value(x, low, high);
                std::array::from_fn(|i| sums[i] + values[i] * *weight)
            })
        };
        (1..=degree).map(sum).collect()
    }

    fn values_at(&self, air: &Air<'_>, evaluation: &Evaluation, at: impl Fn(usize) -> EF) -> [EF; 3] {
        let mut registers = evaluation.program.registers::<Points>();
        for (register, input) in registers.iter_mut().zip(&evaluation.program.inputs) {
            *register = at(self.slot(air, *input));
        }
        evaluation.program.run::<Points>(&mut registers);
        [0, 1, 2].map(|i| evaluation.combinations[i].of_points(&registers))
    }

    /// The three values once a single row is left.
    pub fn last_values(&self, air: &Air<'_>, evaluation: &Evaluation) -> [EF; 3] {
        self.values_at(air, evaluation, |slot| self.last_row()[slot])
    }

    fn last_row(&self) -> &[EF] {
        match &self.rows {
            Rows::Points(row) => &row[..self.width],
            Rows::Vectors(_) => &[],
        }
    }

    /// Binds the lowest variable to `r`; a single row stays as it is.
    pub fn fold(&mut self, r: EF) {
        match &mut self.rows {
            Rows::Points(rows) if rows.len() > self.width => {
                let pairs = rows.chunks_exact(2 * self.width).map(|pair| pair.split_at(self.width));
                let folded = |(low, high): (&EF, &EF)| *low + (*high - *low) * r;
                *rows = pairs.flat_map(|(low, high)| low.iter().zip(high).map(folded)).collect();
            }
            Rows::Points(_) => {}
            Rows::Vectors(rows) => {
                let (r, width) = (Multiplier::new(r), self.width);
                let pairs = rows.len() / (2 * width);
                refill(
                    &mut self.spare,
                    pairs,
                    width,
                    |i, row| {
                        let (low, high) = rows[2 * width * i..][..2 * width].split_at(width);
                        low.iter().zip(high).for_each(|(low, high)| row.push(*low + scaled(&(*high - *low), &r)));
                    },
                    |(), ()| (),
                );
                std::mem::swap(rows, &mut self.spare);
                if pairs == 1 {
                    self.unpack(WIDTH);
                    self.spare = Vec::new();
                }
            }
        }
    }

    /// The openings of each part's columns at the end, in upstream's order: common, then preprocessed and cached; where the
    /// AIR reads the next row, each column's opening there follows its own.
    pub fn openings(&self, air: &Air<'_>) -> Vec<Vec<EF>> {
        let row = &self.last_row()[SELECTORS..];
        let parts = air.parts.matrices.len();
        let of_part = |part: usize| {
            let range = air.parts.offset(part)..air.parts.offset(part) + air.parts.matrices[part].width;
            range
                .flat_map(|column| {
                    let next = air.needs_next.then(|| row[self.columns + column]);
                    std::iter::once(row[column]).chain(next)
                })
                .collect()
        };
        std::iter::once(parts - 1).chain(0..parts - 1).map(of_part).collect()
    }
}

/// The Lagrange polynomials of `D` at the challenge, by fours.
struct Weights(Vec<Four>, usize);

impl Weights {
    fn new(lagrange: &[EF]) -> Self {
        Self(lagrange.chunks(4).map(|four| Four::new(four.iter().copied())).collect(), lagrange.len())
    }

    /// `Σ_z weight_z · values[z · stride]`.
    #[inline(always)]
    fn combine(&self, values: &[PackedF], stride: usize) -> PackedEF {
        let mut sum = PackedEF::ZERO;
        for (g, weights) in self.0.iter().enumerate() {
            let at = |k: usize| values[(4 * g + k).min(self.1 - 1) * stride];
            sum += weights.combine(&[at(0), at(1), at(2), at(3)]);
        }
        sum
    }
}
