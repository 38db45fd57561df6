//! A transcript that grinds from zero upwards, so that two provers can be compared byte for byte.

use openvm_stark_backend::{
    FiatShamirTranscript,
    p3_field::{Field, PackedValue, PrimeCharacteristicRing, PrimeField32},
    p3_symmetric::Permutation,
};
use openvm_stark_sdk::{
    config::baby_bear_poseidon2::{BabyBearPoseidon2Config, DIGEST_SIZE, Digest, DuplexSponge, F, poseidon2_perm},
    p3_baby_bear::Poseidon2BabyBear,
};

type PackedF = <F as Field>::Packing;

/// Upstream's sponge; its grinding takes any witness that fits, this one's the least.
#[derive(Clone)]
pub struct LeastWitness(DuplexSponge);

impl From<Poseidon2BabyBear<16>> for LeastWitness {
    fn from(permutation: Poseidon2BabyBear<16>) -> Self {
        Self(DuplexSponge::from(permutation))
    }
}

impl LeastWitness {
    /// The least witness that fits, of as many as there are lanes. Between what is observed and what is sampled next is
    /// one permutation, wherever the sponge is.
    fn fitting(&self, bits: usize, first: u32) -> Option<F> {
        let mut state = self.0.state().map(PackedF::from);
        let witnesses = PackedF::from_fn(|lane| F::from_u32(first + lane as u32));
        state[self.0.absorb_idx()] = witnesses;
        poseidon2_perm().permute_mut(&mut state);
        let sampled = state[DIGEST_SIZE - 1];
        let fits = |sampled: &F| sampled.as_canonical_u32().trailing_zeros() as usize >= bits;
        sampled.as_slice().iter().position(fits).map(|lane| witnesses.as_slice()[lane])
    }
}

impl FiatShamirTranscript<BabyBearPoseidon2Config> for LeastWitness {
    fn observe(&mut self, value: F) {
        FiatShamirTranscript::<BabyBearPoseidon2Config>::observe(&mut self.0, value);
    }

    fn sample(&mut self) -> F {
        FiatShamirTranscript::<BabyBearPoseidon2Config>::sample(&mut self.0)
    }

    fn observe_commit(&mut self, digest: Digest) {
        FiatShamirTranscript::<BabyBearPoseidon2Config>::observe_commit(&mut self.0, digest);
    }

    fn grind(&mut self, bits: usize) -> F {
        let witness = (0..).step_by(PackedF::WIDTH).find_map(|first| self.fitting(bits, first)).unwrap();
        assert!(self.check_witness(bits, witness));
        witness
    }
}
