//! The rounds of the batch sumcheck after the first: one polynomial for all AIRs, each halving its columns as it goes.
//!
//! AIRs whose variables are all bound enter the rounds that remain with a constant times the product of the challenges.

use openvm_stark_backend::{
    FiatShamirTranscript,
    poly_common::{UnivariatePoly, eval_eq_mle, eval_eq_sharp_uni, eval_eq_uni},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
use p3_field::{Field, PrimeCharacteristicRing};
use rayon::prelude::*;

use super::{
    air::{Air, Asked, Batching, Evaluation},
    folded::Folded,
};
use crate::{
    packing::{EF, F},
    skip_domain::SkipDomain,
};

type SC = BabyBearPoseidon2Config;

pub struct BatchRounds<'a> {
    airs: Vec<AirRounds<'a>>,
    /// The greatest degree of all AIRs.
    degree: usize,
    l_skip: usize,
    xi: &'a [EF],
    /// Per AIR the powers of `μ` for constraints, numerators and denominators.
    mu_powers: Vec<[EF; 3]>,
    claim: EF,
    /// `eq(ξ, r)` so far, with the first round's factor of zerocheck and with that of LogUp.
    eq: EF,
    eq_sharp: EF,
    r: Vec<EF>,
}

/// One AIR in its rounds.
struct AirRounds<'a> {
    air: &'a Air<'a>,
    folded: Folded,
    constraints: Evaluation,
    interactions: Evaluation,
    both: Evaluation,
    /// Once all variables are bound: constraints, numerators, denominators, with their equality factors.
    bound: [EF; 3],
}

impl<'a> AirRounds<'a> {
    fn new(air: &'a Air<'a>, domain: &SkipDomain, r_0: EF, batching: &Batching<'_>) -> Self {
        let [constraints, interactions, both] =
            [Asked::Constraints, Asked::Interactions, Asked::Both].map(|asked| air.evaluation(asked, batching));
        let folded = Folded::new(air, domain, r_0);
        Self { air, folded, constraints, interactions, both, bound: [EF::ZERO; 3] }
    }

    /// The values of a round's polynomials at `1 ..= degree`.
    fn values(&self, xi: &[EF], degree: usize) -> Vec<[EF; 3]> {
        // A polynomial of low degree is evaluated at as many points as it takes to know it.
        let points = |evaluation: &Evaluation| match evaluation.program.outputs.is_empty() {
            true => 0,
            false => (evaluation.program.degree + 1).min(degree),
        };
        let (of_constraints, of_interactions) = (points(&self.constraints), points(&self.interactions));
        let at = |x: usize| {
            Asked::of(x < of_constraints, x < of_interactions).map(|asked| match asked {
                Asked::Constraints => &self.constraints,
                Asked::Interactions => &self.interactions,
                Asked::Both => &self.both,
            })
        };
        let mut values = self.folded.round_values(self.air, xi, degree, at);
        for (i, known) in [of_constraints, of_interactions, of_interactions].into_iter().enumerate() {
            for x in known..degree {
                values[x][i] = extrapolated(&values[x - known..x], i);
            }
        }
        let factor = self.air.numerator_factor();
        values.iter_mut().for_each(|[_, numerator, _]| *numerator *= factor);
        values
    }
}

/// The next value of a polynomial of degree less than the number of its values known, at consecutive points.
fn extrapolated(known: &[[EF; 3]], i: usize) -> EF {
    let mut differences: Vec<EF> = known.iter().map(|values| values[i]).collect();
    let mut next = EF::ZERO;
    while let Some(last) = differences.last() {
        next += *last;
        differences = differences.windows(2).map(|pair| pair[1] - pair[0]).collect();
    }
    next
}

impl<'a> BatchRounds<'a> {
    pub fn new<'b>(
        airs: &'a [Air<'a>],
        domain: &SkipDomain,
        degree: usize,
        xi: &'a [EF],
        mu: EF,
        r_0: EF,
        batching: &(impl Fn(usize) -> Batching<'b> + Sync),
    ) -> Self {
        let powers: Vec<EF> = mu.powers().take(3 * airs.len()).collect();
        let mu_powers =
            (0..airs.len()).map(|i| [powers[2 * airs.len() + i], powers[2 * i], powers[2 * i + 1]]).collect();
        let of_air = |(i, air)| AirRounds::new(air, domain, r_0, &batching(i));
        Self {
            airs: airs.par_iter().enumerate().map(of_air).collect(),
            degree,
            l_skip: domain.log_len,
            xi,
            mu_powers,
            claim: EF::ZERO,
            eq: eval_eq_uni(domain.log_len, xi[0], r_0),
            eq_sharp: eval_eq_sharp_uni(&domain.omega_powers, &xi[..domain.log_len], r_0),
            r: vec![r_0],
        }
    }

    /// The sum that the rounds start from.
    pub fn claim(&mut self, claim: EF) {
        self.claim = claim;
    }

    /// The round polynomials at `1 ..= degree + 1`, and all challenges.
    pub fn run<TS: FiatShamirTranscript<SC>>(&mut self, transcript: &mut TS, n_max: usize) -> (Vec<Vec<EF>>, Vec<EF>) {
        self.bind(0);
        let mut polys = Vec::with_capacity(n_max);
        for round in 1..=n_max {
            let poly = self.round_poly(round);
            let values: Vec<EF> = (1..=self.degree + 1).map(|x| poly.eval_at_point(EF::from_usize(x))).collect();
            values.iter().for_each(|value| transcript.observe_ext(*value));
            polys.push(values);
            let r = transcript.sample_ext();
            self.r.push(r);
            self.claim = poly.eval_at_point(r);
            self.fold(round, r);
        }
        (polys, self.r.clone())
    }

    /// `eq(ξ, X)` times the sum over the AIRs with variables left, plus `X` times the constant of the others.
    fn round_poly(&self, round: usize) -> UnivariatePoly<EF> {
        let (l_skip, degree) = (self.l_skip, self.degree);
        let (head, tail) = self.airs.split_at(self.airs.partition_point(|air| air.air.n_lift >= round));
        let (head_mu, tail_mu) = self.mu_powers.split_at(head.len());
        let values = head.par_iter().map(|air| air.values(&self.xi[l_skip + round..l_skip + air.air.n_lift], degree));
        let values: Vec<Vec<[EF; 3]>> = values.collect();
        let tail: EF = tail.iter().zip(tail_mu).map(|(air, mu)| dot(&air.bound, mu)).sum();

        let xi = self.xi[l_skip + round - 1];
        let at = |x: usize| -> EF {
            let weighted = |(values, mu): (&Vec<[EF; 3]>, &[EF; 3])| {
                let [constraints, numerator, denominator] = values[x - 1];
                self.eq * constraints * mu[0] + self.eq_sharp * (numerator * mu[1] + denominator * mu[2])
            };
            values.iter().zip(head_mu).map(weighted).sum()
        };
        let mut of_head: Vec<EF> = std::iter::once(EF::ZERO).chain((1..=degree).map(at)).collect();
        // The claim is the polynomial's sum over 0 and 1, and gives its value at 0.
        of_head[0] = (self.claim - xi * of_head[1] - tail) * (EF::ONE - xi).inverse();

        let points: Vec<F> = (0..=degree).map(F::from_usize).collect();
        let head = UnivariatePoly::lagrange_interpolate(&points, &of_head).into_coeffs();
        let (at_zero, slope) = (EF::ONE - xi, xi.double() - EF::ONE);
        let mut coefficients = vec![EF::ZERO; degree + 2];
        for (i, c) in head.into_iter().enumerate() {
            coefficients[i] += at_zero * c;
            coefficients[i + 1] += slope * c;
        }
        coefficients[1] += tail;
        UnivariatePoly::new(coefficients)
    }

    fn fold(&mut self, round: usize, r: EF) {
        let eq: EF = eval_eq_mle(&[self.xi[self.l_skip + round - 1]], &[r]);
        self.eq *= eq;
        self.eq_sharp *= eq;
        self.airs.par_iter_mut().for_each(|air| {
            air.folded.fold(r);
            if air.air.n_lift < round {
                air.bound.iter_mut().for_each(|value| *value *= r);
            }
        });
        self.bind(round);
    }

    /// Keeps the values of AIRs whose last variable this round bound.
    fn bind(&mut self, round: usize) {
        let (eq, eq_sharp) = (self.eq, self.eq_sharp);
        for air in self.airs.iter_mut().filter(|air| air.air.n_lift == round) {
            let [constraints, numerator, denominator] = air.folded.last_values(air.air, &air.both);
            let factor = air.air.numerator_factor();
            air.bound = [eq * constraints, eq_sharp * numerator * factor, eq_sharp * denominator];
        }
    }

    pub fn openings(&self) -> Vec<Vec<Vec<EF>>> {
        self.airs.iter().map(|air| air.folded.openings(air.air)).collect()
    }
}

fn dot(a: &[EF; 3], b: &[EF; 3]) -> EF {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
