//! The fractional sumcheck of LogUp: that `Σ_i p_i / q_i = 0`, by GKR over a binary tree of fraction additions.
//!
//! Papanikolaou and Haböck, "Improving logarithmic derivative lookups using GKR" (2023). In: the fractions at the leaves.
//! Out: upstream's `FracSumcheckProof` and the point `ξ` at which the leaves' two multilinear extensions are claimed.

mod layer;
mod leaves;
mod passes;
mod quads;
mod rounds;
mod sumcheck;
mod tree;

use openvm_stark_backend::{
    FiatShamirTranscript,
    proof::GkrLayerClaims,
    prover::{
        error::LogupZerocheckError,
        fractional_sumcheck_gkr::{Frac, FracSumcheckProof},
    },
};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
use p3_field::PrimeCharacteristicRing;
use tracing::instrument;

pub use self::leaves::Leaves;
use self::{rounds::Rounds, sumcheck::Workspace, tree::Tree};
use crate::packing::EF;

type SC = BabyBearPoseidon2Config;

/// Proves that the fractions at the leaves sum to zero.
#[instrument(level = "info", skip_all)]
pub fn fractional_sumcheck<TS: FiatShamirTranscript<SC>>(
    transcript: &mut TS,
    leaves: Leaves,
) -> Result<(FracSumcheckProof<SC>, Vec<EF>), LogupZerocheckError> {
    let mut workspace = Workspace::new(leaves.p.len());
    let mut tree = Tree::over(leaves);
    let root = tree.top()[0];
    tree.pop();
    if root.p != EF::ZERO {
        return Err(LogupZerocheckError::NonZeroRootSum);
    }
    transcript.observe_ext(root.q);

    // The root's two children are sent as they are.
    let mut claims_per_layer = vec![claims(tree.top()[0], tree.top()[1])];
    tree.pop();
    let mut xi = vec![observe_claims(transcript, &claims_per_layer[0])];
    let mut sumcheck_polys = Vec::with_capacity(tree.height());

    // Each further layer: from claims on its parents at ξ to claims on its nodes at (μ, ρ).
    while let Some(layer) = tree.pop() {
        let lambda = transcript.sample_ext();
        let claim = claim_on_parents(&claims_per_layer[claims_per_layer.len() - 1], xi[0], lambda);
        let mut rounds = Rounds::new(transcript, &xi, claim);
        let [p_0, q_0, p_1_batched, q_1] = layer.sumcheck(&mut rounds, lambda, &mut workspace);
        let (polys, rho) = rounds.finish();
        sumcheck_polys.push(polys);

        let layer_claims = claims(Frac::new(p_0, q_0), Frac::new(p_1_batched - lambda * q_1, q_1));
        let mu = observe_claims(transcript, &layer_claims);
        claims_per_layer.push(layer_claims);
        xi = [vec![mu], rho].concat();
    }
    Ok((FracSumcheckProof { fractional_sum: (root.p, root.q), claims_per_layer, sumcheck_polys }, xi))
}

fn claims(left: Frac<EF>, right: Frac<EF>) -> GkrLayerClaims<SC> {
    GkrLayerClaims { p_xi_0: left.p, q_xi_0: left.q, p_xi_1: right.p, q_xi_1: right.q }
}

/// Sends a layer's claims; the challenge `μ` joins those on its two halves into one.
fn observe_claims<TS: FiatShamirTranscript<SC>>(transcript: &mut TS, claims: &GkrLayerClaims<SC>) -> EF {
    for claim in [claims.p_xi_0, claims.q_xi_0, claims.p_xi_1, claims.q_xi_1] {
        transcript.observe_ext(claim);
    }
    transcript.sample_ext()
}

/// `p(μ, ρ) + λ q(μ, ρ)` from the claims on the two halves at `ρ`.
fn claim_on_parents(halves: &GkrLayerClaims<SC>, mu: EF, lambda: EF) -> EF {
    let p = halves.p_xi_0 + mu * (halves.p_xi_1 - halves.p_xi_0);
    let q = halves.q_xi_0 + mu * (halves.q_xi_1 - halves.q_xi_0);
    p + lambda * q
}
