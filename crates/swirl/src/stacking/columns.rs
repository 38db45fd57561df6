//! Trace columns where they lie in the stacked matrices, each with its powers of `λ`.

use openvm_stark_backend::prover::stacked_pcs::StackedSlice;
use p3_field::PrimeCharacteristicRing;

use super::Opened;
use crate::packing::{EF, F};

pub struct Column<'a> {
    pub commitment: usize,
    pub slice: StackedSlice,
    pub cells: &'a [F],
    pub lambda: EF,
    /// Zero where the rotation is not opened.
    pub lambda_of_rotation: EF,
    /// `eq` of the bound variables above the column's own and of the column's position.
    pub eq_of_position: EF,
}

impl<'a> Column<'a> {
    pub fn of_all(opened: &Opened<'a>, l_skip: usize, lambda: EF) -> Vec<Self> {
        let mut powers = lambda.powers();
        let mut power = || powers.next().unwrap_or(EF::ZERO);
        let mut columns = Vec::new();
        for (commitment, (data, rotated)) in opened.iter().enumerate() {
            for (matrix, _, slice) in &data.layout.sorted_cols {
                let (lambda, of_rotation) = (power(), power());
                columns.push(Self {
                    commitment,
                    slice: *slice,
                    cells: &data.matrix.column(slice.col_idx)[slice.row_idx..][..slice.len(l_skip)],
                    lambda,
                    lambda_of_rotation: if rotated[*matrix] { of_rotation } else { EF::ZERO },
                    eq_of_position: EF::ONE,
                });
            }
        }
        columns
    }
}
