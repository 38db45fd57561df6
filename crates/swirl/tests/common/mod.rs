//! A transcript that grinds from zero upwards, so that two provers can be compared byte for byte.

use openvm_stark_backend::FiatShamirTranscript;
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, Digest, DuplexSponge, F};
use p3_baby_bear::Poseidon2BabyBear;
use p3_field::PrimeCharacteristicRing;

/// Upstream's sponge; its grinding takes any witness that fits, this one's the least.
#[derive(Clone)]
pub struct LeastWitness(DuplexSponge);

impl From<Poseidon2BabyBear<16>> for LeastWitness {
    fn from(permutation: Poseidon2BabyBear<16>) -> Self {
        Self(DuplexSponge::from(permutation))
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
        let witness = (0..).map(F::from_u32).find(|w| self.clone().check_witness(bits, *w)).unwrap();
        assert!(self.check_witness(bits, witness));
        witness
    }
}
