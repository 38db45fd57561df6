//! WHIR: the stacked columns' openings at one point, by folding, out-of-domain samples and queries.
//!
//! Arnon, Chiesa, Fenzi and Yogev, "WHIR: Reed-Solomon Proximity Testing with Super-Fast Verification" (2024). In: the
//! committed matrices and the point. Out: upstream's `WhirProof`.

mod message;
mod weights;

use openvm_stark_backend::{
    FiatShamirTranscript, SystemParams,
    proof::WhirProof,
    prover::{error::WhirProverError, poly::evals_mobius_eq_hypercube},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, TwoAdicField};
use p3_util::log2_strict_usize;
use rayon::prelude::*;
use tracing::{info_span, instrument};

use self::{message::Message, weights::add_eq_of_powers};
use crate::{
    commit::{Codeword, Committed, MerkleTree},
    linear::{evaluate, fold, fold_coefficients, product_sums, subset_sums},
    packing::{DEGREE, EF, F},
};

type SC = BabyBearPoseidon2Config;

#[instrument(name = "whir", level = "info", skip_all)]
pub fn open<TS: FiatShamirTranscript<SC>>(
    transcript: &mut TS,
    params: &SystemParams,
    committed: &[Committed<'_>],
    u: &[EF],
) -> Result<WhirProof<SC>, WhirProverError> {
    let (whir, k) = (&params.whir, params.whir.k);
    let mut proof = WhirProof::<SC> {
        mu_pow_witness: transcript.grind(whir.mu_pow_bits),
        whir_sumcheck_polys: vec![],
        codeword_commits: vec![],
        ood_values: vec![],
        folding_pow_witnesses: vec![],
        query_phase_pow_witnesses: vec![],
        initial_round_opened_rows: vec![vec![]; committed.len()],
        initial_round_merkle_proofs: vec![vec![]; committed.len()],
        codeword_opened_values: vec![],
        codeword_merkle_proofs: vec![],
        final_poly: vec![],
    };
    let mu = transcript.sample_ext();
    let mut log_codeword = u.len() + params.log_blowup;
    let mut tree: Option<MerkleTree> = None;
    // The polynomial's coefficients, its values and what these are weighed with, from the end of the first round on.
    let (mut coefficients, mut f, mut w) = (Vec::new(), Vec::new(), Vec::new());

    for (round, round_params) in whir.rounds.iter().enumerate() {
        let mut next_challenge = |values: [EF; 2]| -> EF {
            values.iter().for_each(|value| transcript.observe_ext(*value));
            proof.whir_sumcheck_polys.push(values);
            proof.folding_pow_witnesses.push(transcript.grind(whir.folding_pow_bits));
            transcript.sample_ext()
        };
        if round == 0 {
            let mut message =
                info_span!("whir_message").in_scope(|| Message::batched(committed, mu, params.l_skip, k, u));
            let mut scale = EF::ONE;
            for _ in 0..k {
                let alpha = next_challenge(message.round_values(scale));
                scale *= message.weight(alpha);
                message.fold(alpha);
            }
            let (folded, u) = message.into_parts();
            (f, w) = (folded.clone(), evals_mobius_eq_hypercube(u));
            subset_sums(&mut f);
            w.par_iter_mut().for_each(|w| *w *= scale);
            coefficients = folded;
        } else {
            for _ in 0..k {
                let alpha = next_challenge(product_sums(&f, &w));
                (f, w) = (fold(&f, alpha), fold(&w, alpha));
                coefficients = fold_coefficients(&coefficients, alpha);
            }
        }

        // The folded polynomial: committed to and sampled out of the domain, or sent in the end.
        let is_last = round + 1 == whir.rounds.len();
        let mut folded = None;
        if is_last {
            coefficients.iter().for_each(|c| transcript.observe_ext(*c));
            proof.final_poly.clone_from(&coefficients);
        } else {
            let next = info_span!("whir_commit").in_scope(|| {
                let log_blowup = log_codeword - 1 - log2_strict_usize(coefficients.len());
                commit_codeword(&coefficients, log_blowup, 1 << k)
            });
            let root = next.root();
            transcript.observe_commit(root);
            proof.codeword_commits.push(root);
            let z_0 = transcript.sample_ext();
            // At the powers of two of z_0 the multilinear polynomial is the univariate one of the same coefficients.
            let value = evaluate(&coefficients, z_0);
            transcript.observe_ext(value);
            proof.ood_values.push(value);
            folded = Some((next, z_0));
        }

        proof.query_phase_pow_witnesses.push(transcript.grind(whir.query_phase_pow_bits));
        let log_queries = log_codeword - k;
        let queries: Vec<usize> =
            (0..round_params.num_queries).map(|_| transcript.sample_bits(log_queries) as usize).collect();
        match &tree {
            None => answer_from_commitments(&mut proof, committed, &queries, log_codeword)?,
            Some(tree) => answer_from_codeword(&mut proof, tree, &queries)?,
        }

        let gamma = transcript.sample_ext();
        if let Some((next, z_0)) = folded {
            let omega = F::two_adic_generator(log_queries);
            let zs: Vec<F> = queries.iter().map(|query| omega.exp_u64(*query as u64)).collect();
            info_span!("whir_weights").in_scope(|| add_eq_of_powers(&mut w, z_0, &zs, gamma));
            tree = Some(next);
        }
        log_codeword -= 1;
    }
    Ok(proof)
}

/// The codeword of a polynomial with coefficients in the extension, a column for each of its values' coordinates.
fn commit_codeword(coefficients: &[EF], log_blowup: usize, rows_per_query: usize) -> MerkleTree {
    let log_message = log2_strict_usize(coefficients.len());
    let codeword = Codeword::encode(DEGREE, log_message, log_blowup, |d, out| {
        out.par_iter_mut().zip(coefficients).with_min_len(1 << 12).for_each(|(out, c)| {
            *out = <EF as BasedVectorSpace<F>>::as_basis_coefficients_slice(c)[d];
        });
    });
    MerkleTree::new(codeword, rows_per_query)
}

fn answer_from_commitments(
    proof: &mut WhirProof<SC>,
    committed: &[Committed<'_>],
    queries: &[usize],
    log_codeword: usize,
) -> Result<(), WhirProverError> {
    for (i, committed) in committed.iter().enumerate() {
        let (tree_height, expected) = (committed.tree.height(), 1 << log_codeword);
        if tree_height != expected {
            return Err(WhirProverError::TreeHeightMismatch { tree_height, expected });
        }
        for query in queries {
            let (rows, path) = committed.tree.answer(*query)?;
            proof.initial_round_opened_rows[i].push(rows);
            proof.initial_round_merkle_proofs[i].push(path);
        }
    }
    Ok(())
}

fn answer_from_codeword(
    proof: &mut WhirProof<SC>,
    tree: &MerkleTree,
    queries: &[usize],
) -> Result<(), WhirProverError> {
    let (mut values, mut paths) = (Vec::with_capacity(queries.len()), Vec::with_capacity(queries.len()));
    for query in queries {
        let rows = tree.opened_rows(*query)?;
        values.push(rows.iter().map(|row| EF::from_basis_coefficients_fn(|d| row[d])).collect());
        paths.push(tree.path(*query));
    }
    proof.codeword_opened_values.push(values);
    proof.codeword_merkle_proofs.push(paths);
    Ok(())
}
