//! Plonky3's permutation.

use openvm_stark_backend::p3_symmetric::Permutation;
use openvm_stark_sdk::config::baby_bear_poseidon2::poseidon2_perm;
use p3_field::PrimeCharacteristicRing;

use super::STATE;
use crate::packing::PackedF;

pub struct State([PackedF; STATE]);

impl Default for State {
    fn default() -> Self {
        Self([PackedF::ZERO; STATE])
    }
}

impl State {
    pub fn overwrite(&mut self, from: usize, values: &[PackedF]) {
        self.0[from..from + values.len()].copy_from_slice(values);
    }

    pub fn permute(&mut self) {
        poseidon2_perm().permute_mut(&mut self.0);
    }

    pub fn first<const N: usize>(&self) -> [PackedF; N] {
        std::array::from_fn(|i| self.0[i])
    }
}
