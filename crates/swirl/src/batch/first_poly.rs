//! The polynomial of the first round: those of all AIRs, times their equality factors, batched by `μ`.

use openvm_stark_backend::{
    poly_common::{UnivariatePoly, eq_uni_poly},
    prover::{poly::eq_sharp_uni_poly, sumcheck::sumcheck_round0_deg},
};
use p3_field::PrimeCharacteristicRing;

use super::{air::Air, skip_round::SkipRound};
use crate::{
    packing::{EF, F},
    skip_domain::SkipDomain,
};

pub struct FirstPoly {
    /// Per AIR: numerators, denominators, constraints.
    polys: Vec<[Vec<EF>; 3]>,
    eq_sharp: Vec<EF>,
    eq: Vec<EF>,
    domain_len: usize,
    degree: usize,
}

impl FirstPoly {
    pub fn new(
        rounds: Vec<SkipRound>,
        airs: &[Air<'_>],
        constraint_degree: usize,
        xi: &[EF],
        domain: &SkipDomain,
    ) -> Self {
        let polys = rounds.into_iter().zip(airs).map(|(round, air)| {
            let constraints = times_vanishing(round.quotient.coeffs(), domain.len(), air.degree);
            [round.numerator.into_coeffs(), round.denominator.into_coeffs(), constraints]
        });
        Self {
            polys: polys.collect(),
            eq_sharp: eq_sharp_uni_poly(&xi[..domain.log_len]).into_coeffs(),
            eq: eq_uni_poly::<F, EF>(domain.log_len, xi[0]).into_coeffs(),
            domain_len: domain.len(),
            degree: sumcheck_round0_deg(domain.log_len, constraint_degree + 1),
        }
    }

    /// `Σ_{z ∈ D}` of each AIR's numerators and of its denominators, with their equality factor.
    pub fn logup_claims(&self) -> Vec<(EF, EF)> {
        let claim = |poly: &[EF]| {
            let coefficient = |j: usize| -> EF {
                let term = |(i, eq): (usize, &EF)| Some(*eq * *poly.get(j.checked_sub(i)?)?);
                self.eq_sharp.iter().enumerate().filter_map(term).sum()
            };
            (0..=self.degree).step_by(self.domain_len).map(coefficient).sum::<EF>() * F::from_usize(self.domain_len)
        };
        self.polys.iter().map(|[numerator, denominator, _]| (claim(numerator), claim(denominator))).collect()
    }

    /// Powers of `μ` go to numerators and denominators in turn, then to constraints.
    pub fn batched(&self, mu: EF) -> UnivariatePoly<EF> {
        let powers: Vec<EF> = mu.powers().take(3 * self.polys.len()).collect();
        let mut logup = vec![EF::ZERO; self.degree + 1];
        let mut zerocheck = logup.clone();
        for (i, [numerator, denominator, constraints]) in self.polys.iter().enumerate() {
            add_scaled(&mut logup, numerator, powers[2 * i]);
            add_scaled(&mut logup, denominator, powers[2 * i + 1]);
            add_scaled(&mut zerocheck, constraints, powers[2 * self.polys.len() + i]);
        }
        let mut product = vec![EF::ZERO; self.degree + 1];
        for (factor, poly) in [(&self.eq_sharp, &logup), (&self.eq, &zerocheck)] {
            for (i, c) in factor.iter().enumerate().take(self.degree + 1) {
                add_scaled(&mut product[i..], poly, *c);
            }
        }
        UnivariatePoly::new(product)
    }
}

fn add_scaled(sum: &mut [EF], poly: &[EF], by: EF) {
    sum.iter_mut().zip(poly).for_each(|(sum, c)| *sum += *c * by);
}

/// `q · (Z^len - 1)`, which `degree · (len - 1)` bounds the degree of.
fn times_vanishing(q: &[EF], len: usize, degree: usize) -> Vec<EF> {
    if degree == 0 {
        return vec![];
    }
    let at = |i: usize| q.get(i).copied().unwrap_or(EF::ZERO);
    (0..=degree * (len - 1)).map(|i| i.checked_sub(len).map_or(EF::ZERO, at) - at(i)).collect()
}
