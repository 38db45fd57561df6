//! Linear combinations of a program's outputs with coefficients in the extension: `c + Σ_i c_i v_i`.

use p3_field::PrimeCharacteristicRing;

use super::arithmetic::BLOCK;
use crate::packing::{EF, F, Four, Multiplier, PackedEF, PackedF, scaled};

const GROUP: usize = 4;

pub struct Combination {
    constant: EF,
    terms: Vec<(u32, EF)>,
    /// [`Self::terms`] by fours.
    groups: Vec<([u32; GROUP], Four)>,
    multipliers: Vec<(u32, Multiplier<F>)>,
}

impl Combination {
    pub fn new(constant: EF, terms: impl IntoIterator<Item = (u32, EF)>) -> Self {
        // Expressions are shared: one term per register.
        let mut terms: Vec<(u32, EF)> = terms.into_iter().collect();
        terms.sort_by_key(|(register, _)| *register);
        terms.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        let groups = terms.chunks(GROUP).map(|terms| {
            // A register that is missing counts for nothing, so that any will do in its place.
            let registers = std::array::from_fn(|k| terms[k.min(terms.len() - 1)].0);
            (registers, Four::new(terms.iter().map(|(_, c)| *c)))
        });
        let groups = groups.collect();
        let multipliers = terms.iter().map(|(register, c)| (*register, Multiplier::new(*c))).collect();
        Self { constant, terms, groups, multipliers }
    }

    /// Nothing to add up.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.constant == EF::ZERO
    }

    /// Over vector `k` of blocks.
    #[inline(always)]
    pub fn of_blocks(&self, registers: &[[PackedF; BLOCK]], k: usize) -> PackedEF {
        let mut sum = PackedEF::from(self.constant);
        for (at, coefficients) in &self.groups {
            let v = [
                registers[at[0] as usize][k],
                registers[at[1] as usize][k],
                registers[at[2] as usize][k],
                registers[at[3] as usize][k],
            ];
            sum += coefficients.combine(&v);
        }
        sum
    }

    #[inline(always)]
    pub fn of_vectors(&self, registers: &[PackedEF]) -> PackedEF {
        let constant = PackedEF::from(self.constant);
        self.multipliers.iter().fold(constant, |sum, (at, c)| sum + scaled(&registers[*at as usize], c))
    }

    pub fn of_points(&self, registers: &[EF]) -> EF {
        self.terms.iter().fold(self.constant, |sum, (at, c)| sum + registers[*at as usize] * *c)
    }
}
