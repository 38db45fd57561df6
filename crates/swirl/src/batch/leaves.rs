//! The leaves of LogUp: each interaction of each row as a fraction, `count / (α + Σ_j β^j message_j + β^len bus)`.

use openvm_stark_backend::prover::{error::StackedPcsError, stacked_pcs::StackedLayout};
use p3_field::{Field, PackedValue, PrimeCharacteristicRing};
use rayon::prelude::*;

use super::air::{Air, Asked, bus};
use crate::{
    air::{BLOCK, Blocks, Combination, Input, Program},
    buffer::filled,
    gkr::Leaves,
    packing::{EF, F, PackedEF, PackedF, WIDTH, lane, with_lane},
};

/// Rows that one program run covers.
const ROWS: usize = BLOCK * WIDTH;

/// Runs that one parallel task makes.
const RUNS_OF_TASK: usize = 32;

/// One vector per chunk of the fill.
const FILL: usize = 1 << 10;

/// One interaction in its place of the leaves: a task's slices of it.
type Slot<'a> = (&'a mut [PackedF], &'a mut [PackedEF]);

pub fn leaves(
    airs: &[Air<'_>],
    layout: &StackedLayout,
    log_len: usize,
    alpha: EF,
    beta_powers: &[EF],
) -> Result<Leaves, StackedPcsError> {
    let vectors = Leaves::vectors(log_len);
    let chunk = FILL.min(vectors);
    let mut p = filled(vectors / chunk, chunk, |_, p| (0..chunk).for_each(|_| p.push(PackedF::ZERO)));
    let empty = PackedEF::from(alpha);
    let mut q = filled(vectors / chunk, chunk, |_, q| (0..chunk).for_each(|_| q.push(empty)));

    let (mut rest_p, mut rest_q) = (&mut p[..], &mut q[..]);
    let mut by_air = Vec::with_capacity(airs.len());
    let mut short = Vec::new();
    for (i, air) in airs.iter().enumerate().filter(|(_, air)| !air.interactions().is_empty()) {
        let fractions = Fractions::new(air, alpha, beta_powers);
        let first = layout.get(i, 0).ok_or(StackedPcsError::StackedMatrixOverflow)?;
        let len = first.len(0);
        if air.parts.height >= ROWS && air.parts.height == len {
            let (of_air_p, others_p) = rest_p.split_at_mut(len * air.interactions().len() / WIDTH);
            let (of_air_q, others_q) = rest_q.split_at_mut(len * air.interactions().len() / WIDTH);
            (rest_p, rest_q) = (others_p, others_q);
            by_air.push((fractions, tasks(of_air_p, of_air_q, len / WIDTH)));
        } else {
            short.push((fractions, first.row_idx, len));
        }
    }
    by_air.into_par_iter().for_each(|(fractions, tasks)| {
        tasks.into_par_iter().enumerate().for_each(|(task, mut slots)| fractions.fill(task * RUNS_OF_TASK, &mut slots));
    });
    for (fractions, first, len) in &short {
        fractions.fill_short(*first, *len, &mut p, &mut q);
    }
    Ok(Leaves { log_len, p, q })
}

/// The slices that each task fills, one per interaction of `vectors` vectors.
fn tasks<'a>(p: &'a mut [PackedF], q: &'a mut [PackedEF], vectors: usize) -> Vec<Vec<Slot<'a>>> {
    let of_task = (RUNS_OF_TASK * BLOCK).min(vectors);
    let mut tasks: Vec<Vec<Slot<'a>>> = (0..vectors / of_task).map(|_| Vec::new()).collect();
    for (p, q) in p.chunks_exact_mut(vectors).zip(q.chunks_exact_mut(vectors)) {
        for (task, slot) in tasks.iter_mut().zip(p.chunks_exact_mut(of_task).zip(q.chunks_exact_mut(of_task))) {
            task.push(slot);
        }
    }
    tasks
}

/// The program that computes an AIR's fractions.
struct Fractions<'a> {
    air: &'a Air<'a>,
    program: Program,
    denominators: Vec<Combination>,
    /// The register of each count.
    counts: Vec<u32>,
}

impl<'a> Fractions<'a> {
    fn new(air: &'a Air<'a>, alpha: EF, beta_powers: &[EF]) -> Self {
        let program = air.program(Asked::Interactions);
        let (mut counts, mut denominators) = (Vec::new(), Vec::new());
        let mut outputs = &program.outputs[..];
        for interaction in air.interactions() {
            let (of_this, others) = outputs.split_at(1 + interaction.message.len());
            counts.push(of_this[0]);
            let message = of_this[1..].iter().copied().zip(beta_powers.iter().copied());
            denominators.push(Combination::new(alpha + bus(interaction, beta_powers), message));
            outputs = others;
        }
        Self { air, program, denominators, counts }
    }

    /// Runs the program over `ROWS` rows from `row` on, round and round where the trace has fewer.
    fn run(&self, row: usize, columns: &mut [[PackedF; BLOCK]], registers: &mut [[PackedF; BLOCK]]) {
        let parts = &self.air.parts;
        let width = parts.width();
        let mut gathered = vec![PackedF::ZERO; width];
        let is_next = |input: &Input| matches!(input, Input::Column { next: true, .. });
        let any_next = self.program.inputs.iter().any(is_next);
        for k in 0..BLOCK {
            for next in [false, true].into_iter().filter(|next| any_next || !next) {
                let at = row + k * WIDTH + usize::from(next);
                parts.gather(&std::array::from_fn(|l| (at + l) % parts.height), &mut gathered);
                let columns = &mut columns[usize::from(next) * width..][..width];
                columns.iter_mut().zip(&gathered).for_each(|(column, vector)| column[k] = *vector);
            }
        }
        for (register, input) in registers.iter_mut().zip(&self.program.inputs) {
            *register = match *input {
                Input::Column { part, column, next } => {
                    columns[usize::from(next) * width + parts.offset(part) + column]
                }
                Input::Selector(selector) => std::array::from_fn(|k| self.selector(selector, row + k * WIDTH)),
            };
        }
        self.program.run::<Blocks>(registers);
    }

    fn selector(&self, selector: usize, row: usize) -> PackedF {
        PackedF::from_fn(|l| {
            let row = (row + l) % self.air.parts.height;
            let is_last = row == self.air.parts.height - 1;
            F::from_bool([row == 0, !is_last, is_last][selector])
        })
    }

    fn buffers(&self) -> [Vec<[PackedF; BLOCK]>; 2] {
        let columns = vec![[PackedF::ZERO; BLOCK]; 2 * self.air.parts.width()];
        [columns, self.program.registers::<Blocks>()]
    }

    fn fill(&self, first_run: usize, slots: &mut [Slot<'_>]) {
        let [mut columns, mut registers] = self.buffers();
        for run in 0..slots[0].0.len() / BLOCK {
            self.run((first_run + run) * ROWS, &mut columns, &mut registers);
            for (i, (p, q)) in slots.iter_mut().enumerate() {
                let count = &registers[self.counts[i] as usize];
                for k in 0..BLOCK {
                    p[run * BLOCK + k] = count[k];
                    q[run * BLOCK + k] = self.denominators[i].of_blocks(&registers, k);
                }
            }
        }
    }

    /// A trace too short for a run, or for the skipped domain, repeated up to its interactions' length.
    fn fill_short(&self, first: usize, len: usize, p: &mut [PackedF], q: &mut [PackedEF]) {
        let [mut columns, mut registers] = self.buffers();
        let factor = F::from_usize(len / self.air.parts.height).inverse();
        for from in (0..self.air.parts.height).step_by(ROWS) {
            self.run(from, &mut columns, &mut registers);
            for row in from..self.air.parts.height.min(from + ROWS) {
                let (k, l) = ((row - from) / WIDTH, (row - from) % WIDTH);
                for (i, denominator) in self.denominators.iter().enumerate() {
                    let count = registers[self.counts[i] as usize][k].as_slice()[l] * factor;
                    let denominator = lane(&denominator.of_blocks(&registers, k), l);
                    for at in (first + i * len..first + (i + 1) * len).skip(row).step_by(self.air.parts.height) {
                        p[at / WIDTH].as_slice_mut()[at % WIDTH] = count;
                        q[at / WIDTH] = with_lane(&q[at / WIDTH], at % WIDTH, denominator);
                    }
                }
            }
        }
    }
}
