//! Linear combinations of a program's outputs with coefficients in the extension: `c + Σ_i c_i v_i`.

use p3_field::{BasedVectorSpace, PackedField, PrimeCharacteristicRing};

use super::arithmetic::BLOCK;
use crate::packing::{DEGREE, EF, F, Multiplier, PackedEF, PackedF, element, scaled};

const GROUP: usize = 4;

pub struct Combination {
    constant: EF,
    terms: Vec<(u32, EF)>,
    /// [`Self::terms`] by fours: registers, and coefficients coordinate by coordinate. Filled up with zeros.
    groups: Vec<([u32; GROUP], [[F; GROUP]; DEGREE])>,
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
            let term = |k: usize| terms.get(k).copied().unwrap_or((terms[0].0, EF::ZERO));
            let coordinate = |k, d| <EF as BasedVectorSpace<F>>::as_basis_coefficients_slice(&term(k).1)[d];
            let registers = std::array::from_fn(|k| term(k).0);
            (registers, std::array::from_fn(|d| std::array::from_fn(|k| coordinate(k, d))))
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
            let dot = |d: usize| PackedF::packed_linear_combination::<GROUP>(&coefficients[d], &v);
            sum += element([dot(0), dot(1), dot(2), dot(3)]);
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
