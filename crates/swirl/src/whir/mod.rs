//! WHIR: the stacked columns' openings at one point, by folding, out-of-domain samples and queries.
//!
//! Arnon, Chiesa, Fenzi and Yogev, "WHIR: Reed-Solomon Proximity Testing with Super-Fast Verification" (2024). In: the
//! committed matrices and the point. Out: upstream's `WhirProof`.

mod message;
mod weights;

use openvm_cpu_backend::merkle::CpuMerkleTree;
use openvm_stark_backend::{
    FiatShamirTranscript, SystemParams,
    proof::WhirProof,
    prover::{
        MatrixDimensions,
        error::WhirProverError,
        poly::{Mle, evals_mobius_eq_hypercube},
    },
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, Digest};
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, TwoAdicField};
use p3_util::log2_strict_usize;
use rayon::prelude::*;
use tracing::{info_span, instrument};

use self::{message::batched_message, weights::add_eq_of_powers};
use crate::{
    commit::{PcsData, dft, merkle_tree},
    linear::{evaluate, fold, product_sums},
    packing::{DEGREE, EF, F},
};

type SC = BabyBearPoseidon2Config;

#[instrument(name = "whir", level = "info", skip_all)]
pub fn open<TS: FiatShamirTranscript<SC>>(
    transcript: &mut TS,
    params: &SystemParams,
    committed: &[&PcsData],
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
    let mut f = info_span!("whir_message").in_scope(|| batched_message(committed, mu, params.l_skip));
    let mut log_codeword = log2_strict_usize(f.len()) + params.log_blowup;
    let mut w = evals_mobius_eq_hypercube(u);
    let mut tree: Option<CpuMerkleTree<F, Digest>> = None;

    for (round, round_params) in whir.rounds.iter().enumerate() {
        for _ in 0..k {
            let values = product_sums(&f, &w);
            values.iter().for_each(|value| transcript.observe_ext(*value));
            proof.whir_sumcheck_polys.push(values);
            proof.folding_pow_witnesses.push(transcript.grind(whir.folding_pow_bits));
            let alpha = transcript.sample_ext();
            (f, w) = (fold(&f, alpha), fold(&w, alpha));
        }

        // The folded polynomial: committed to and sampled out of the domain, or sent in the end.
        let coefficients = Mle::from_evaluations(&f).into_coeffs();
        let is_last = round + 1 == whir.rounds.len();
        let mut folded = None;
        if is_last {
            coefficients.iter().for_each(|c| transcript.observe_ext(*c));
            proof.final_poly = coefficients;
        } else {
            let next = info_span!("whir_commit").in_scope(|| commit_codeword(&coefficients, log_codeword - 1, 1 << k));
            let root = next.root()?;
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

/// The codeword of a polynomial with coefficients in the extension, whose rows are its values' coordinates.
fn commit_codeword(coefficients: &[EF], log_codeword: usize, rows_per_query: usize) -> CpuMerkleTree<F, Digest> {
    let mut coordinates = F::zero_vec(DEGREE << log_codeword);
    coordinates.par_chunks_exact_mut(DEGREE).zip(coefficients).for_each(|(row, c)| {
        row.copy_from_slice(<EF as BasedVectorSpace<F>>::as_basis_coefficients_slice(c));
    });
    merkle_tree(dft(coordinates, DEGREE), rows_per_query)
}

fn answer_from_commitments(
    proof: &mut WhirProof<SC>,
    committed: &[&PcsData],
    queries: &[usize],
    log_codeword: usize,
) -> Result<(), WhirProverError> {
    for (i, data) in committed.iter().enumerate() {
        let (tree_height, expected) = (data.tree.backing_matrix().height(), 1 << log_codeword);
        if tree_height != expected {
            return Err(WhirProverError::TreeHeightMismatch { tree_height, expected });
        }
        for query in queries {
            proof.initial_round_opened_rows[i].push(data.tree.get_opened_rows(*query)?);
            proof.initial_round_merkle_proofs[i].push(data.tree.query_merkle_proof(*query)?);
        }
    }
    Ok(())
}

fn answer_from_codeword(
    proof: &mut WhirProof<SC>,
    tree: &CpuMerkleTree<F, Digest>,
    queries: &[usize],
) -> Result<(), WhirProverError> {
    let (mut values, mut paths) = (Vec::with_capacity(queries.len()), Vec::with_capacity(queries.len()));
    for query in queries {
        let rows = tree.get_opened_rows(*query)?;
        values.push(rows.iter().map(|row| EF::from_basis_coefficients_fn(|d| row[d])).collect());
        paths.push(tree.query_merkle_proof(*query)?);
    }
    proof.codeword_opened_values.push(values);
    proof.codeword_merkle_proofs.push(paths);
    Ok(())
}
