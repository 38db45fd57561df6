//! Whole proofs: byte for byte upstream's, and accepted by upstream's verifier.

use openvm_stark_backend::{
    StarkEngine, SystemParams,
    codec::Encode,
    prover::{AirProvingContext, DeviceDataTransporter, ProvingContext},
    test_utils::{
        CachedFixture11, FibFixture, InteractionsFixture11, MixtureFixture, PreprocessedAndCachedFixture,
        PreprocessedFibFixture, SelfInteractionFixture, TestFixture, test_system_params_small,
    },
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, BabyBearPoseidon2CpuEngine, F};
use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;
use phalanx_swirl::SwirlEngine;

use crate::common::LeastWitness;

type Upstream = BabyBearPoseidon2CpuEngine<LeastWitness>;
type Swirl = SwirlEngine<LeastWitness>;

fn assert_same_proof(params: SystemParams, fixture: &impl TestFixture<BabyBearPoseidon2Config>) {
    let (upstream, swirl) = (Upstream::new(params.clone()), Swirl::new(params));
    let (pk, vk) = fixture.keygen(&upstream);
    let device_pk = upstream.device().transport_pk_to_device(&pk);
    let ctx = || upstream.device().transport_proving_ctx_to_device(&fixture.generate_proving_ctx());
    let expected = upstream.prove(&device_pk, ctx()).unwrap();
    let proof = swirl.prove(&device_pk, ctx()).unwrap();
    // The first part that differs says more than the bytes do.
    assert_eq!(proof.gkr_proof.q0_claim, expected.gkr_proof.q0_claim, "the sum of the fractions");
    assert_eq!(proof.gkr_proof.sumcheck_polys, expected.gkr_proof.sumcheck_polys, "the rounds of GKR");
    let (batch, expected_batch) = (&proof.batch_constraint_proof, &expected.batch_constraint_proof);
    assert_eq!(batch.numerator_term_per_air, expected_batch.numerator_term_per_air, "numerators");
    assert_eq!(batch.denominator_term_per_air, expected_batch.denominator_term_per_air, "denominators");
    assert_eq!(batch.univariate_round_coeffs, expected_batch.univariate_round_coeffs, "the skip round");
    assert_eq!(batch.sumcheck_round_polys, expected_batch.sumcheck_round_polys, "the rounds after it");
    assert_eq!(batch.column_openings, expected_batch.column_openings, "openings");
    swirl.verify(&vk, &proof).unwrap();
    assert!(proof.encode_to_vec().unwrap() == expected.encode_to_vec().unwrap(), "the proofs differ");
}

/// `l_skip`, `n_stack` and `k` of WHIR: heights from one row to `2^(l_skip + n_stack)`.
const SHAPES: [(usize, usize, usize); 3] = [(2, 8, 3), (4, 8, 4), (1, 11, 4)];

fn for_each_shape(check: impl Fn(SystemParams)) {
    for (l_skip, n_stack, k_whir) in SHAPES {
        check(test_system_params_small(l_skip, n_stack, k_whir));
    }
}

#[test]
fn fibonacci_at_every_height() {
    for_each_shape(|params| {
        for log_height in 0..=params.log_stacked_height() {
            assert_same_proof(params.clone(), &FibFixture::new(0, 1, 1 << log_height));
        }
    });
}

#[test]
fn several_airs_with_some_absent() {
    for_each_shape(|params| {
        assert_same_proof(params, &FibFixture::new_with_num_airs(0, 1, 32, 5).with_empty_air_indices([1, 4]));
    });
}

#[test]
fn a_sender_and_a_receiver() {
    for_each_shape(|params| assert_same_proof(params, &InteractionsFixture11));
}

#[test]
fn cached_columns() {
    for_each_shape(|params| {
        let config = BabyBearPoseidon2Config::default_from_params(params.clone());
        assert_same_proof(params, &CachedFixture11::new(config));
    });
}

#[test]
fn preprocessed_columns() {
    for_each_shape(|params| {
        let sels = (0..64).map(|i| i % 3 == 0).collect();
        assert_same_proof(params, &PreprocessedFibFixture::new(7, 3, sels));
    });
}

#[test]
fn preprocessed_and_cached_columns() {
    for_each_shape(|params| {
        for log_height in [0, 3, 5, 8] {
            let sels = (0..1 << log_height).map(|i| i % 3 == 0).collect();
            let config = BabyBearPoseidon2Config::default_from_params(params.clone());
            assert_same_proof(params.clone(), &PreprocessedAndCachedFixture::new(sels, config, 2));
        }
    });
}

#[test]
fn interactions_at_every_height() {
    for_each_shape(|params| {
        for log_height in 0..=params.log_stacked_height() {
            assert_same_proof(params.clone(), &SelfInteractionFixture::new(vec![4, 7, 8, 8, 10], log_height, 5));
        }
    });
}

#[test]
fn all_kinds_at_once() {
    for_each_shape(|params| {
        for log_height in [2, 5, 9] {
            let config = BabyBearPoseidon2Config::default_from_params(params.clone());
            assert_same_proof(params.clone(), &MixtureFixture::standard(log_height, config));
        }
    });
}

#[test]
fn heights_that_no_proof_is_about_are_errors() {
    let params = test_system_params_small(2, 3, 3);
    let swirl = Swirl::new(params);
    let (pk, _) = FibFixture::new(0, 1, 4).keygen(&swirl);
    let device_pk = swirl.device().transport_pk_to_device(&pk);
    let of_height = |height: usize| {
        let main = RowMajorMatrix::new(vec![F::ONE; 2 * height], 2);
        ProvingContext::new(vec![(0, AirProvingContext::simple(main, vec![F::ONE; 3]))])
    };
    for height in [0, 3, 64] {
        assert!(swirl.prove(&device_pk, of_height(height)).is_err(), "{height} rows");
    }
    assert!(swirl.prove(&device_pk, ProvingContext::new(vec![])).is_err(), "no traces");
}
