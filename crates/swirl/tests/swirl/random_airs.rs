//! Proofs of random sets of small AIRs, byte for byte upstream's.
//!
//! Each AIR has free columns, columns that are random polynomials of others, a column that its next row continues, and
//! pairs of interactions that cancel; heights go from one row to the height of the stack.

use std::sync::Arc;

use openvm_stark_backend::{
    AirRef, BaseAirWithPublicValues, PartitionedBaseAir, StarkEngine, SystemParams,
    codec::Encode,
    interaction::InteractionBuilder,
    prover::{AirProvingContext, ColMajorMatrix, DeviceDataTransporter, ProvingContext},
    test_utils::{test_system_params_small, test_whir_config_small},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2CpuEngine, F};
use p3_air::{Air, AirBuilder, AirBuilderWithPublicValues, BaseAir};
use p3_field::PrimeCharacteristicRing;
use p3_matrix::{Matrix, dense::RowMajorMatrix};
use phalanx_swirl::SwirlEngine;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::common::LeastWitness;

/// Bus, columns of the message (the next row's where true), column of the count.
type Sent = (u16, Vec<(usize, bool)>, usize);

/// The first column is continued by the next row, the next `free` are random, the others products of those.
#[derive(Clone)]
struct RandomAir {
    free: usize,
    /// Factors of each term of each derived column, with the term's coefficient.
    derived: Vec<Vec<(u32, Vec<usize>)>>,
    interactions: Vec<Sent>,
    reads_next: bool,
}

impl RandomAir {
    fn new(rng: &mut StdRng) -> Self {
        let free = rng.random_range(1..24);
        let reads_next = rng.random_bool(0.7);
        let factors = |rng: &mut StdRng| (0..rng.random_range(1..=3)).map(|_| rng.random_range(0..=free)).collect();
        let terms =
            |rng: &mut StdRng| (0..rng.random_range(1..4)).map(|_| (rng.random_range(0..1000), factors(rng))).collect();
        let derived: Vec<_> = (0..rng.random_range(0..12)).map(|_| terms(rng)).collect();
        let width = 1 + free + derived.len();
        let message = |rng: &mut StdRng| {
            let column = |rng: &mut StdRng| (rng.random_range(0..width), reads_next && rng.random_bool(0.3));
            (0..rng.random_range(1..6)).map(|_| column(rng)).collect()
        };
        let interactions = (0..rng.random_range(0..4))
            .map(|_| (rng.random_range(0..3), message(rng), rng.random_range(0..width)))
            .collect();
        Self { free, derived, interactions, reads_next }
    }

    fn columns(&self) -> usize {
        1 + self.free + self.derived.len()
    }

    fn trace(&self, log_height: usize, first: F, rng: &mut StdRng) -> RowMajorMatrix<F> {
        let mut values: Vec<F> = Vec::new();
        let mut chained = first;
        for _ in 0..1 << log_height {
            let row = values.len();
            values.push(chained);
            values.extend((0..self.free).map(|_| rng.random::<F>()));
            for terms in &self.derived {
                let term =
                    |(c, at): &(u32, Vec<usize>)| F::from_u32(*c) * at.iter().map(|i| values[row + i]).product::<F>();
                let value = terms.iter().map(term).sum();
                values.push(value);
            }
            chained = chained * values[row + 1] + F::ONE;
        }
        RowMajorMatrix::new(values, self.columns())
    }
}

impl<T> BaseAir<T> for RandomAir {
    fn width(&self) -> usize {
        self.columns()
    }
}
impl<T> BaseAirWithPublicValues<T> for RandomAir {
    fn num_public_values(&self) -> usize {
        1
    }
}
impl<T> PartitionedBaseAir<T> for RandomAir {}

impl<AB: InteractionBuilder + AirBuilderWithPublicValues> Air<AB> for RandomAir {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let (local, next) = (main.row_slice(0).expect("a row"), main.row_slice(1).expect("a row"));
        let first = builder.public_values()[0];
        builder.when_first_row().assert_eq(local[0], first);
        if self.reads_next {
            builder.when_transition().assert_eq(next[0], local[0] * local[1] + AB::Expr::ONE);
        }
        for (k, terms) in self.derived.iter().enumerate() {
            let mut value = AB::Expr::ZERO;
            for (c, factors) in terms {
                let product = factors.iter().fold(AB::Expr::ONE, |product, i| product * local[*i]);
                value += product * AB::Expr::from_u32(*c);
            }
            builder.assert_eq(local[1 + self.free + k], value);
        }
        for (bus, message, count) in &self.interactions {
            let fields: Vec<AB::Expr> =
                message.iter().map(|(i, of_next)| if *of_next { next[*i].into() } else { local[*i].into() }).collect();
            builder.push_interaction(*bus, fields.clone(), local[*count], 1);
            builder.push_interaction(*bus, fields, AB::Expr::ZERO - local[*count], 1);
        }
    }
}

fn prove<E: StarkEngine<SC = openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config>>(
    params: &SystemParams,
    airs: &[RandomAir],
    traces: &[RowMajorMatrix<F>],
) -> Vec<u8> {
    let engine = E::new(params.clone());
    let airs: Vec<AirRef<_>> = airs.iter().map(|air| Arc::new(air.clone()) as AirRef<_>).collect();
    let (pk, vk) = engine.keygen(&airs);
    let device_pk = engine.device().transport_pk_to_device(&pk);
    let ctx = traces.iter().map(|trace| {
        let main = engine.device().transport_matrix_to_device(&ColMajorMatrix::from_row_major(trace));
        AirProvingContext::simple(main, vec![trace.values[0]])
    });
    let proof = match engine.prove(&device_pk, ProvingContext::new(ctx.enumerate().collect())) {
        Ok(proof) => proof,
        Err(error) => panic!("{error}"),
    };
    engine.verify(&vk, &proof).unwrap();
    proof.encode_to_vec().unwrap()
}

#[test]
fn random_sets_of_airs_are_proven_as_upstream_proves_them() {
    for seed in 0..60 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (l_skip, n_stack, k_whir) = [(2, 9, 3), (4, 8, 4), (3, 8, 4), (1, 10, 4), (5, 7, 4)][seed as usize % 5];
        let mut params = test_system_params_small(l_skip, n_stack, k_whir);
        params.max_constraint_degree = 4;
        params.log_blowup = 1 + seed as usize % 3;
        let log_final_poly_len = (l_skip + n_stack) % k_whir;
        params.whir = test_whir_config_small(params.log_blowup, l_skip + n_stack, k_whir, log_final_poly_len);
        let airs: Vec<_> = (0..rng.random_range(1..6)).map(|_| RandomAir::new(&mut rng)).collect();
        let traces: Vec<_> = airs
            .iter()
            .map(|air| {
                let (log_height, first) = (rng.random_range(0..=l_skip + n_stack), rng.random());
                air.trace(log_height, first, &mut rng)
            })
            .collect();
        let expected = prove::<BabyBearPoseidon2CpuEngine<LeastWitness>>(&params, &airs, &traces);
        let proof = prove::<SwirlEngine<LeastWitness>>(&params, &airs, &traces);
        assert!(proof == expected, "the proofs of seed {seed} differ");
    }
}

#[test]
fn a_trace_that_breaks_a_constraint_is_not_proven() {
    let mut rng = StdRng::seed_from_u64(100);
    let air = std::iter::repeat_with(|| RandomAir::new(&mut rng)).find(|air| !air.derived.is_empty()).unwrap();
    let mut rng = StdRng::seed_from_u64(101);
    let mut trace = air.trace(6, F::ONE, &mut rng);
    let width = air.columns();
    trace.values[20 * width + 1 + air.free] += F::ONE;
    let mut params = test_system_params_small(2, 8, 3);
    params.max_constraint_degree = 4;
    let engine = SwirlEngine::<LeastWitness>::new(params);
    let (pk, vk) = engine.keygen(&[Arc::new(air) as AirRef<_>]);
    let device_pk = engine.device().transport_pk_to_device(&pk);
    let main = engine.device().transport_matrix_to_device(&ColMajorMatrix::from_row_major(&trace));
    let ctx = ProvingContext::new(vec![(0, AirProvingContext::simple(main, vec![F::ONE]))]);
    let verified = engine.prove(&device_pk, ctx).map(|proof| engine.verify(&vk, &proof).is_ok());
    assert!(!verified.unwrap_or(false));
}
