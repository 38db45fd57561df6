//! The proof from commitment to opening: each phase in the order in which the verifier replays it.

use openvm_cpu_backend::{CpuBackend, CpuProverError};
use openvm_stark_backend::{
    FiatShamirTranscript, SystemParams,
    poly_common::Squarable,
    proof::{Proof, StackingProof, TraceVData, WhirProof},
    prover::{DeviceMultiStarkProvingKey, ProvingContext, error::StackedPcsError},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, EF, F};
use p3_field::PrimeCharacteristicRing;
use p3_matrix::Matrix;
use p3_util::log2_strict_usize;

use crate::{
    batch::prove_constraints,
    commit::{Committed, Stacked},
    stacking::{Opened, reduce_openings},
    whir::open,
};

type SC = BabyBearPoseidon2Config;

/// Proves that the traces of `ctx` satisfy the AIRs of `pk`.
pub(crate) fn prove<TS: FiatShamirTranscript<SC>>(
    params: &SystemParams,
    transcript: &mut TS,
    pk: &DeviceMultiStarkProvingKey<CpuBackend<SC>>,
    ctx: ProvingContext<CpuBackend<SC>>,
) -> Result<Proof<SC>, CpuProverError> {
    check_heights(params, &ctx)?;
    transcript.observe_commit(pk.vk_pre_hash);
    let ctx = ctx.into_sorted();

    let traces: Vec<_> = ctx.common_main_traces().map(|(_, trace)| trace).collect();
    let common_main = Stacked::commit(params, &traces)?;
    let common_main_commit = common_main.root();
    transcript.observe_commit(common_main_commit);

    let (trace_vdata, public_values) = statement(pk, &ctx);
    observe_statement(transcript, pk, &trace_vdata, &public_values);

    let (gkr_proof, batch_constraint_proof, r) = prove_constraints(transcript, pk, &ctx)?;
    let (stacking_proof, whir_proof) = open_at(transcript, pk, &ctx, common_main.committed(), &r)?;

    Ok(Proof {
        public_values,
        trace_vdata,
        common_main_commit,
        gkr_proof,
        batch_constraint_proof,
        stacking_proof,
        whir_proof,
    })
}

/// Refuses what no proof is about, with the nearest of upstream's errors.
fn check_heights(params: &SystemParams, ctx: &ProvingContext<CpuBackend<SC>>) -> Result<(), StackedPcsError> {
    if ctx.per_trace.is_empty() {
        return Err(StackedPcsError::MerkleTreeEmptyMatrix);
    }
    let log_stacked_height = params.l_skip + params.n_stack;
    for (_, trace) in &ctx.per_trace {
        let height = trace.common_main.height();
        if !height.is_power_of_two() {
            return Err(StackedPcsError::RsCodeShiftOverflow { height, log_blowup: params.log_blowup });
        }
        let log_height = log2_strict_usize(height);
        if log_height > log_stacked_height {
            return Err(StackedPcsError::LayoutHeightExceeded { log_height, log_stacked_height });
        }
    }
    Ok(())
}

/// Opens all columns at `r`.
pub(crate) fn open_at<TS: FiatShamirTranscript<SC>>(
    transcript: &mut TS,
    pk: &DeviceMultiStarkProvingKey<CpuBackend<SC>>,
    ctx: &ProvingContext<CpuBackend<SC>>,
    common: Committed<'_>,
    r: &[EF],
) -> Result<(StackingProof<SC>, WhirProof<SC>), CpuProverError> {
    let params = &pk.params;
    let opened = opened(pk, ctx, common);
    let (stacking_proof, u) = reduce_openings(transcript, params.l_skip, params.n_stack, &opened, r);
    let cube = u[0].exp_powers_of_2().take(params.l_skip).chain(u[1..].iter().copied()).collect::<Vec<_>>();
    let committed: Vec<_> = opened.iter().map(|(data, _)| *data).collect();
    Ok((stacking_proof, open(transcript, params, &committed, &cube)?))
}

/// All that was committed to, in the verifier's order: the common traces, then for each AIR preprocessed and cached ones.
fn opened<'a>(
    pk: &'a DeviceMultiStarkProvingKey<CpuBackend<SC>>,
    ctx: &'a ProvingContext<CpuBackend<SC>>,
    common: Committed<'a>,
) -> Opened<'a> {
    let rotated = |air_id: usize| pk.per_air[air_id].vk.params.need_rot;
    let of_airs = ctx.per_trace.iter().flat_map(|(air_id, trace)| {
        let preprocessed = pk.per_air[*air_id].preprocessed_data.iter();
        preprocessed
            .chain(&trace.cached_mains)
            .map(|committed| (committed.data.as_ref().into(), vec![rotated(*air_id)]))
    });
    let common = (common, ctx.per_trace.iter().map(|(air_id, _)| rotated(*air_id)).collect());
    std::iter::once(common).chain(of_airs).collect()
}

type Statement = (Vec<Option<TraceVData<SC>>>, Vec<Vec<F>>);

/// What the verifier is told about each AIR: its trace's height and cached commitments, and its public values.
fn statement(pk: &DeviceMultiStarkProvingKey<CpuBackend<SC>>, ctx: &ProvingContext<CpuBackend<SC>>) -> Statement {
    let mut trace_vdata = vec![None; pk.per_air.len()];
    let mut public_values = vec![Vec::new(); pk.per_air.len()];
    for (air_id, trace) in &ctx.per_trace {
        trace_vdata[*air_id] = Some(TraceVData {
            log_height: log2_strict_usize(trace.common_main.height()),
            cached_commitments: trace.cached_mains.iter().map(|cached| cached.commitment).collect(),
        });
        public_values[*air_id].clone_from(&trace.public_values);
    }
    (trace_vdata, public_values)
}

fn observe_statement<TS: FiatShamirTranscript<SC>>(
    transcript: &mut TS,
    pk: &DeviceMultiStarkProvingKey<CpuBackend<SC>>,
    trace_vdata: &[Option<TraceVData<SC>>],
    public_values: &[Vec<F>],
) {
    for ((pk, trace), public_values) in pk.per_air.iter().zip(trace_vdata).zip(public_values) {
        if !pk.vk.is_required {
            transcript.observe(F::from_bool(trace.is_some()));
        }
        if let Some(trace) = trace {
            match &pk.preprocessed_data {
                Some(preprocessed) => transcript.observe_commit(preprocessed.commitment),
                None => transcript.observe(F::from_usize(trace.log_height)),
            }
            trace.cached_commitments.iter().for_each(|commit| transcript.observe_commit(*commit));
        }
        public_values.iter().for_each(|value| transcript.observe(*value));
    }
}
