//! The rounds of one layer's sumcheck, seen from the transcript: `Σ_x eq(ξ, x) · t(x)` with `t` quadratic in each variable.
//!
//! Gruen, "Some improvements for the PIOP for ZeroCheck" (2024): the factor `eq(ξ_k, X)` is known, so a round needs only
//! `t(0)` and the coefficient of `X²`; `t(1)` follows from the claim. What is sent is what upstream sends, the round
//! polynomial at 1, 2 and 3.

use openvm_stark_backend::FiatShamirTranscript;
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
use p3_field::{Field, PrimeCharacteristicRing};

use crate::packing::EF;

type SC = BabyBearPoseidon2Config;

pub struct Rounds<'a, TS> {
    transcript: &'a mut TS,
    xi: &'a [EF],
    /// `Σ_x eq(ξ_{≥k}, x) · t(ρ, x)`, without the factor below.
    claim: EF,
    /// `eq(ξ_{<k}, ρ)`.
    eq_bound: EF,
    polys: Vec<[EF; 3]>,
    rho: Vec<EF>,
}

impl<'a, TS: FiatShamirTranscript<SC>> Rounds<'a, TS> {
    pub fn new(transcript: &'a mut TS, xi: &'a [EF], claim: EF) -> Self {
        let n = xi.len();
        Self { transcript, xi, claim, eq_bound: EF::ONE, polys: Vec::with_capacity(n), rho: Vec::with_capacity(n) }
    }

    /// `ξ` of the variables that remain once this round's is bound.
    pub fn xi_after(&self) -> &'a [EF] {
        &self.xi[self.rho.len() + 1..]
    }

    pub fn is_over(&self) -> bool {
        self.rho.len() == self.xi.len()
    }

    /// Sends the round polynomial and draws the challenge. `at_one` is asked only where the claim does not tell.
    pub fn send(&mut self, [at_zero, leading]: [EF; 2], at_one: impl FnOnce() -> EF) -> EF {
        let xi = self.xi[self.rho.len()];
        let at_one = match xi.try_inverse() {
            Some(inverse) => (self.claim - (EF::ONE - xi) * at_zero) * inverse,
            None => at_one(),
        };
        let linear = at_one - at_zero - leading;
        let t = |x: EF| at_zero + x * (linear + x * leading);
        let eq = |x: EF| EF::ONE - xi + x * (xi.double() - EF::ONE);

        let poly = [1, 2, 3].map(EF::from_u8).map(|x| self.eq_bound * eq(x) * t(x));
        poly.iter().for_each(|value| self.transcript.observe_ext(*value));
        let r = self.transcript.sample_ext();
        self.claim = t(r);
        self.eq_bound *= eq(r);
        self.polys.push(poly);
        self.rho.push(r);
        r
    }

    /// The polynomials sent and the challenges drawn.
    pub fn finish(self) -> (Vec<[EF; 3]>, Vec<EF>) {
        debug_assert!(self.is_over());
        (self.polys, self.rho)
    }
}
