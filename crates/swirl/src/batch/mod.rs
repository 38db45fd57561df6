//! The batch sumcheck: that every trace satisfies its constraints and that the interactions balance, reduced to openings of
//! columns at one point.
//!
//! In: proving key and traces, sorted. Out: upstream's GKR proof and batch constraint proof, and the point `r`.

mod air;
mod first_poly;
mod folded;
mod leaves;
mod rounds;
mod skip_round;

use std::cmp::max;

use openvm_cpu_backend::CpuBackend;
use openvm_stark_backend::{
    FiatShamirTranscript, calculate_n_logup,
    proof::{BatchConstraintProof, GkrProof, column_openings_by_rot},
    prover::{
        DeviceMultiStarkProvingKey, ProvingContext, error::LogupZerocheckError,
        fractional_sumcheck_gkr::FracSumcheckProof, stacked_pcs::StackedLayout,
    },
};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;
use tracing::{info_span, instrument};

use self::{
    air::{Air, Batching},
    first_poly::FirstPoly,
    leaves::leaves,
    rounds::BatchRounds,
    skip_round::skip_round,
};
use crate::{gkr::fractional_sumcheck, packing::EF, skip_domain::SkipDomain};

type SC = BabyBearPoseidon2Config;

/// The two proofs, and `r`: the skipped variable's challenge, then those of the hypercube.
pub type Proven = (GkrProof<SC>, BatchConstraintProof<SC>, Vec<EF>);

#[instrument(level = "info", skip_all)]
pub fn prove_constraints<TS: FiatShamirTranscript<SC>>(
    transcript: &mut TS,
    pk: &DeviceMultiStarkProvingKey<CpuBackend<SC>>,
    ctx: &ProvingContext<CpuBackend<SC>>,
) -> Result<Proven, LogupZerocheckError> {
    let l_skip = pk.params.l_skip;
    let airs: Vec<Air<'_>> = ctx.per_trace.iter().map(|(i, trace)| Air::new(&pk.per_air[*i], trace, l_skip)).collect();
    let n_max = airs.iter().map(|air| air.n_lift).max().unwrap_or(0);
    let interactions: Vec<_> = airs.iter().map(|air| (air.interactions().len(), air.n_lift + l_skip)).collect();
    let n_logup =
        calculate_n_logup(l_skip, interactions.iter().map(|(count, log_len)| (*count as u64) << log_len).sum());
    let layout = StackedLayout::new(0, l_skip + n_logup, interactions)?;

    // LogUp: the leaves' fractions sum to zero, unless their extensions are not what they should be at ξ.
    let logup_pow_witness = transcript.grind(pk.params.logup.pow_bits);
    let (alpha, beta) = (transcript.sample_ext(), transcript.sample_ext());
    let lens = airs.iter().flat_map(|air| air.interactions()).map(|interaction| interaction.message.len());
    let beta_powers: Vec<EF> = beta.powers().take(lens.max().unwrap_or(0) + 1).collect();
    let (gkr, mut xi) = if layout.sorted_cols.is_empty() {
        (
            FracSumcheckProof { fractional_sum: (EF::ZERO, EF::ONE), claims_per_layer: vec![], sumcheck_polys: vec![] },
            vec![],
        )
    } else {
        let leaves =
            info_span!("logup_leaves").in_scope(|| leaves(&airs, &layout, l_skip + n_logup, alpha, &beta_powers))?;
        fractional_sumcheck(transcript, leaves)?
    };
    while xi.len() != l_skip + max(n_max, n_logup) {
        xi.push(transcript.sample_ext());
    }

    // Zerocheck and the claims at ξ, batched; first the univariate skip.
    let lambda = transcript.sample_ext();
    let lambda_powers: Vec<EF> =
        lambda.powers().take(airs.iter().map(Air::constraints_len).max().unwrap_or(0)).collect();
    let eq_of_interactions: Vec<Vec<EF>> = airs
        .iter()
        .enumerate()
        .map(|(i, air)| {
            eq_of_interactions(
                air,
                i,
                &layout,
                l_skip,
                &xi[l_skip + air.n_lift..max(l_skip + n_logup, l_skip + air.n_lift)],
            )
        })
        .collect();
    let batching = |i: usize| Batching {
        lambda_powers: &lambda_powers,
        beta_powers: &beta_powers,
        eq_of_interactions: &eq_of_interactions[i],
    };
    let domain = SkipDomain::new(l_skip, pk.max_constraint_degree + 1);
    let first = info_span!("skip_round").in_scope(|| {
        let polys = airs.par_iter().enumerate().map(|(i, air)| skip_round(air, &domain, &xi[l_skip..], &batching(i)));
        FirstPoly::new(polys.collect(), &airs, pk.max_constraint_degree, &xi, &domain)
    });
    let claims = first.logup_claims();
    for (numerator, denominator) in &claims {
        transcript.observe_ext(*numerator);
        transcript.observe_ext(*denominator);
    }
    let mu = transcript.sample_ext();
    let univariate_round = first.batched(mu);
    univariate_round.coeffs().iter().for_each(|coefficient| transcript.observe_ext(*coefficient));
    let r_0 = transcript.sample_ext();

    // The other variables.
    let mut rounds = BatchRounds::new(&airs, &domain, pk.max_constraint_degree, &xi, mu, r_0, &batching);
    rounds.claim(univariate_round.eval_at_point(r_0));
    let (sumcheck_round_polys, r) = info_span!("mle_rounds").in_scope(|| rounds.run(transcript, n_max));

    let column_openings = rounds.openings();
    let observe = |transcript: &mut TS, air: &Air<'_>, openings: &[EF]| {
        for (claim, next_claim) in column_openings_by_rot(openings, air.needs_next) {
            transcript.observe_ext(claim);
            transcript.observe_ext(next_claim);
        }
    };
    for (air, openings) in airs.iter().zip(&column_openings) {
        observe(transcript, air, &openings[0]);
    }
    for (air, openings) in airs.iter().zip(&column_openings) {
        openings[1..].iter().for_each(|openings| observe(transcript, air, openings));
    }

    let (numerator_term_per_air, denominator_term_per_air) = claims.into_iter().unzip();
    let batch_proof = BatchConstraintProof {
        numerator_term_per_air,
        denominator_term_per_air,
        univariate_round_coeffs: univariate_round.into_coeffs(),
        sumcheck_round_polys,
        column_openings,
    };
    let gkr_proof = GkrProof {
        logup_pow_witness,
        q0_claim: gkr.fractional_sum.1,
        claims_per_layer: gkr.claims_per_layer,
        sumcheck_polys: gkr.sumcheck_polys,
    };
    Ok((gkr_proof, batch_proof, r))
}

/// `eq(ξ, b)` for each interaction, where `b` says which of the equally long pieces of the leaves it is.
fn eq_of_interactions(air: &Air<'_>, index: usize, layout: &StackedLayout, l_skip: usize, xi: &[EF]) -> Vec<EF> {
    let piece = |i: usize| layout.get(index, i).map_or(0, |slice| slice.row_idx >> (l_skip + air.n_lift));
    let eq = |piece: usize| {
        let factor = |(bit, xi): (usize, &EF)| if piece >> bit & 1 == 1 { *xi } else { EF::ONE - *xi };
        xi.iter().enumerate().map(factor).product()
    };
    (0..air.interactions().len()).map(piece).map(eq).collect()
}
