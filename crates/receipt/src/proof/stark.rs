//! The STARK inside the proof, section by section in the order of OpenVM's codec, version 3.

use openvm_stark_backend::proof::{
    BatchConstraintProof, GkrLayerClaims, GkrProof, Proof, StackingProof, TraceVData, WhirProof,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config as SC;

use super::{
    Problem, ProofError, Sizes,
    fields::{COMMIT_BYTES, COUNT_BYTES, EF_BYTES, F_BYTES, Fields},
};

/// Version of OpenVM's proof encoding.
const CODEC_VERSION: usize = 3;
/// No verifying key has more circuits than this.
const CIRCUITS_MAX: usize = 1024;

pub(super) fn read(fields: &mut Fields<'_>) -> Result<(Proof<SC>, Sizes), ProofError> {
    let mut sizes = Sizes::default();
    let version = fields.part("codec version").number()?;
    if version != CODEC_VERSION {
        return fields.fail(Problem::Value { got: version, expected: CODEC_VERSION });
    }
    let common_main_commit = fields.part("common commitment").commit()?;
    let trace_vdata = traces(fields)?;
    let count = fields.part("public values of circuits").count(COUNT_BYTES)?;
    let public_values = fields.repeat(count, COUNT_BYTES, Fields::elements)?;
    let mut from = 0;
    let mut section = |fields: &Fields<'_>| {
        let len = fields.at().saturating_sub(from);
        from = fields.at();
        len
    };
    sizes.traces = section(fields);
    let gkr_proof = gkr(fields)?;
    sizes.gkr = section(fields);
    let batch_constraint_proof = constraints(fields)?;
    sizes.constraints = section(fields);
    let stacking_proof = stacking(fields)?;
    sizes.stacking = section(fields);
    let whir_proof = whir(fields)?;
    sizes.whir = section(fields);
    let proof = Proof {
        common_main_commit,
        trace_vdata,
        public_values,
        gkr_proof,
        batch_constraint_proof,
        stacking_proof,
        whir_proof,
    };
    Ok((proof, sizes))
}

fn traces(fields: &mut Fields<'_>) -> Result<Vec<Option<TraceVData<SC>>>, ProofError> {
    // An absent circuit takes only a bit, so its count needs a limit of its own.
    let circuits = fields.part("number of circuits").number()?;
    if circuits > CIRCUITS_MAX {
        return fields.fail(Problem::Value { got: circuits, expected: CIRCUITS_MAX });
    }
    let bits = fields.part("present circuits").repeat(circuits.div_ceil(8), 1, Fields::u8)?;
    let mut traces = Vec::with_capacity(circuits);
    for byte in bits {
        for bit in 0..8u8 {
            let present = byte >> bit & 1 == 1;
            if traces.len() < circuits {
                traces.push(if present { Some(trace(fields)?) } else { None });
            } else if present {
                return fields.fail(Problem::Value { got: 1, expected: 0 });
            }
        }
    }
    Ok(traces)
}

fn trace(fields: &mut Fields<'_>) -> Result<TraceVData<SC>, ProofError> {
    Ok(TraceVData {
        log_height: fields.part("trace height").number()?,
        cached_commitments: fields.part("cached commitments").commits()?,
    })
}

fn gkr(fields: &mut Fields<'_>) -> Result<GkrProof<SC>, ProofError> {
    let logup_pow_witness = fields.part("LogUp work").element()?;
    let q0_claim = fields.part("LogUp root").extension()?;
    let layers = fields.part("LogUp layers").count(4 * EF_BYTES)?;
    let claims_per_layer = fields.repeat(layers, 4 * EF_BYTES, |fields| {
        let [p_xi_0, p_xi_1, q_xi_0, q_xi_1] = fields.extension_array()?;
        Ok(GkrLayerClaims { p_xi_0, p_xi_1, q_xi_0, q_xi_1 })
    })?;
    fields.part("LogUp sumcheck");
    let mut sumcheck_polys = Vec::new();
    for rounds in 1..layers {
        sumcheck_polys.push(fields.repeat(rounds, 3 * EF_BYTES, Fields::extension_array::<3>)?);
    }
    Ok(GkrProof { logup_pow_witness, q0_claim, claims_per_layer, sumcheck_polys })
}

fn constraints(fields: &mut Fields<'_>) -> Result<BatchConstraintProof<SC>, ProofError> {
    let numerator_term_per_air = fields.part("numerators").extensions()?;
    let present = numerator_term_per_air.len();
    let denominator_term_per_air = fields.part("denominators").repeat(present, EF_BYTES, Fields::extension)?;
    let univariate_round_coeffs = fields.part("univariate round").extensions()?;
    let rounds = fields.part("constraint sumcheck").number()?;
    let mut sumcheck_round_polys = Vec::new();
    if rounds > 0 {
        let coefficients = fields.count(EF_BYTES)?;
        if coefficients == 0 {
            return fields.fail(Problem::Empty);
        }
        sumcheck_round_polys = fields.repeat(rounds, coefficients.saturating_mul(EF_BYTES), |fields| {
            fields.repeat(coefficients, EF_BYTES, Fields::extension)
        })?;
    }
    let column_openings = fields.part("column openings").repeat(present, COUNT_BYTES, |fields| {
        let parts = fields.count(COUNT_BYTES)?;
        fields.repeat(parts, COUNT_BYTES, Fields::extensions)
    })?;
    Ok(BatchConstraintProof {
        numerator_term_per_air,
        denominator_term_per_air,
        univariate_round_coeffs,
        sumcheck_round_polys,
        column_openings,
    })
}

fn stacking(fields: &mut Fields<'_>) -> Result<StackingProof<SC>, ProofError> {
    let univariate_round_coeffs = fields.part("stacking univariate round").extensions()?;
    let rounds = fields.part("stacking sumcheck").count(2 * EF_BYTES)?;
    let sumcheck_round_polys = fields.repeat(rounds, 2 * EF_BYTES, Fields::extension_array::<2>)?;
    let commits = fields.part("stacking openings").count(COUNT_BYTES)?;
    let stacking_openings = fields.repeat(commits, COUNT_BYTES, Fields::extensions)?;
    Ok(StackingProof { univariate_round_coeffs, sumcheck_round_polys, stacking_openings })
}

fn whir(fields: &mut Fields<'_>) -> Result<WhirProof<SC>, ProofError> {
    let mu_pow_witness = fields.part("WHIR batching work").element()?;
    let sumcheck_rounds = fields.part("WHIR sumcheck").count(2 * EF_BYTES)?;
    let whir_sumcheck_polys = fields.repeat(sumcheck_rounds, 2 * EF_BYTES, Fields::extension_array::<2>)?;
    let codeword_commits = fields.part("WHIR commitments").commits()?;
    let later_rounds = codeword_commits.len();
    let rounds = later_rounds.saturating_add(1);
    let Some(folds) =
        sumcheck_rounds.checked_div(rounds).filter(|folds| folds.checked_mul(rounds) == Some(sumcheck_rounds))
    else {
        return fields.fail(Problem::Value { got: sumcheck_rounds, expected: rounds });
    };
    let ood_values = fields.part("WHIR out-of-domain values").repeat(later_rounds, EF_BYTES, Fields::extension)?;
    let folding_pow_witnesses = fields.part("WHIR folding work").repeat(sumcheck_rounds, F_BYTES, Fields::element)?;
    let query_phase_pow_witnesses = fields.part("WHIR query work").repeat(rounds, F_BYTES, Fields::element)?;

    // A query opens two to the number of folds rows; a shift beyond the input's length is caught by `fits`.
    let rows = u32::try_from(folds).ok().and_then(|folds| 1usize.checked_shl(folds)).unwrap_or(usize::MAX);
    let commits = fields.part("WHIR opened commitments").count(COUNT_BYTES)?;
    let queries = fields.part("WHIR queries").number()?;
    if commits == 0 || queries == 0 {
        return fields.fail(Problem::Empty);
    }
    let depth = fields.part("WHIR path length").number()?;
    let widths = fields.part("WHIR widths").repeat(commits, COUNT_BYTES, Fields::number)?;
    fields.part("WHIR opened rows");
    let mut initial_round_opened_rows = Vec::new();
    for width in widths {
        if width == 0 {
            return fields.fail(Problem::Empty);
        }
        let row_bytes = width.saturating_mul(F_BYTES);
        initial_round_opened_rows.push(fields.repeat(queries, rows.saturating_mul(row_bytes), |fields| {
            fields.repeat(rows, row_bytes, |fields| fields.repeat(width, F_BYTES, Fields::element))
        })?);
    }
    fields.part("WHIR paths");
    let mut initial_round_merkle_proofs = Vec::new();
    for _ in 0..commits {
        initial_round_merkle_proofs.push(paths(fields, queries, depth)?);
    }

    let codeword_opened_values = fields.part("WHIR opened values").repeat(later_rounds, COUNT_BYTES, |fields| {
        let value_bytes = rows.saturating_mul(EF_BYTES);
        let queries = fields.count(value_bytes)?;
        fields.repeat(queries, value_bytes, |fields| fields.repeat(rows, EF_BYTES, Fields::extension))
    })?;
    let mut depth = fields.part("WHIR later path length").number()?;
    fields.part("WHIR later paths");
    let mut codeword_merkle_proofs = Vec::new();
    for opened in &codeword_opened_values {
        codeword_merkle_proofs.push(paths(fields, opened.len(), depth)?);
        depth = match depth.checked_sub(1) {
            Some(depth) => depth,
            None => return fields.fail(Problem::Empty),
        };
    }
    let final_poly = fields.part("WHIR final polynomial").extensions()?;
    Ok(WhirProof {
        mu_pow_witness,
        whir_sumcheck_polys,
        codeword_commits,
        ood_values,
        folding_pow_witnesses,
        query_phase_pow_witnesses,
        initial_round_opened_rows,
        initial_round_merkle_proofs,
        codeword_opened_values,
        codeword_merkle_proofs,
        final_poly,
    })
}

type Path = Vec<openvm_stark_sdk::config::baby_bear_poseidon2::Digest>;

fn paths(fields: &mut Fields<'_>, queries: usize, depth: usize) -> Result<Vec<Path>, ProofError> {
    if depth == 0 {
        return fields.fail(Problem::Empty);
    }
    let path_bytes = depth.saturating_mul(COMMIT_BYTES);
    fields.repeat(queries, path_bytes, |fields| fields.repeat(depth, COMMIT_BYTES, Fields::commit))
}
