//! CPU time of each phase of a proof beside upstream's: `phases <log of rows> <groups of columns> [swirl|upstream]`.
//!
//! The AIR has six columns and four interactions per group, constraints of degree three and a rotation, like a chip of a VM.

use std::{collections::HashMap, sync::Arc};

use openvm_stark_backend::{
    AirRef, BaseAirWithPublicValues, PartitionedBaseAir, StarkEngine,
    interaction::InteractionBuilder,
    prover::{AirProvingContext, ColMajorMatrix, DeviceDataTransporter, ProvingContext},
    test_utils::test_system_params_small,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, BabyBearPoseidon2CpuEngine, F};
use p3_air::{Air, AirBuilder, BaseAir};
use p3_field::PrimeCharacteristicRing;
use p3_matrix::{Matrix, dense::RowMajorMatrix};
use phalanx_swirl::SwirlEngine;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tracing::{Subscriber, span};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, registry::LookupSpan};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const GROUP: usize = 6;

struct Chip {
    groups: usize,
}

impl<T> BaseAir<T> for Chip {
    fn width(&self) -> usize {
        1 + GROUP * self.groups
    }
}
impl<T> BaseAirWithPublicValues<T> for Chip {}
impl<T> PartitionedBaseAir<T> for Chip {}

impl<AB: InteractionBuilder> Air<AB> for Chip {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let (local, next) = (main.row_slice(0).expect("a row"), main.row_slice(1).expect("a row"));
        builder.when_transition().assert_eq(next[0], local[0] + AB::Expr::ONE);
        for g in 0..self.groups {
            let [a, b, c, s, d, e] = std::array::from_fn(|i| local[1 + GROUP * g + i]);
            builder.assert_bool(s);
            builder.when(s).assert_eq(c, a * b);
            builder.assert_eq(d, a + b);
            builder.when(s).assert_eq(e, a * d);
            for (x, y) in [(a, b), (d, e)] {
                let message = [x.into(), y.into(), c.into(), local[0] * AB::Expr::TWO + AB::Expr::ONE];
                builder.push_interaction(1, message.clone(), s, 1);
                builder.push_interaction(1, message, AB::Expr::ZERO - s, 1);
            }
        }
    }
}

fn trace(log_height: usize, groups: usize) -> RowMajorMatrix<F> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut values = Vec::new();
    for row in 0..1 << log_height {
        values.push(F::from_usize(row));
        for _ in 0..groups {
            let (a, b): (F, F) = (rng.random(), rng.random());
            values.extend([a, b, a * b, F::from_bool(rng.random()), a + b, a * (a + b)]);
        }
    }
    RowMajorMatrix::new(values, 1 + GROUP * groups)
}

/// Adds up the CPU time between a span's entries and exits.
#[derive(Clone, Default)]
struct CpuTimes(Arc<std::sync::Mutex<Times>>);

#[derive(Default)]
struct Times {
    entered: HashMap<u64, f64>,
    total: Vec<(&'static str, f64)>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for CpuTimes {
    fn on_enter(&self, id: &span::Id, _: Context<'_, S>) {
        self.0.lock().expect("no panic").entered.insert(id.into_u64(), cpu_ms());
    }

    fn on_exit(&self, id: &span::Id, ctx: Context<'_, S>) {
        let mut times = self.0.lock().expect("no panic");
        let name = ctx.span(id).map_or("", |span| span.name());
        let spent = cpu_ms() - times.entered.remove(&id.into_u64()).unwrap_or_default();
        match times.total.iter_mut().find(|(known, _)| *known == name) {
            Some((_, total)) => *total += spent,
            None => times.total.push((name, spent)),
        }
    }
}

/// Milliseconds that this process's threads have run.
fn cpu_ms() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let ns = |task: std::fs::DirEntry| -> Option<f64> {
        std::fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    threads.filter_map(ns).sum::<f64>() / 1e6
}

fn prove<E>(name: &str, log_height: usize, groups: usize)
where
    E: StarkEngine<SC = BabyBearPoseidon2Config>,
    E::PB: openvm_stark_backend::prover::ProverBackend<Matrix = RowMajorMatrix<F>, Val = F>,
{
    let times = CpuTimes::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(times.clone()));
    let engine = E::new(test_system_params_small(4, log_height.saturating_sub(4), 4));
    let (pk, vk) = engine.keygen(&[Arc::new(Chip { groups }) as AirRef<_>]);
    let device_pk = engine.device().transport_pk_to_device(&pk);
    let trace = ColMajorMatrix::from_row_major(&trace(log_height, groups));
    for time in ["first", "second"] {
        let main = engine.device().transport_matrix_to_device(&trace);
        let ctx = ProvingContext::new(vec![(0, AirProvingContext::simple_no_pis(main))]);
        times.0.lock().expect("no panic").total.clear();
        let start = cpu_ms();
        let proof = match engine.prove(&device_pk, ctx) {
            Ok(proof) => proof,
            Err(error) => panic!("{error}"),
        };
        println!("{name}, the {time} proof: {:.0} ms", cpu_ms() - start);
        engine.verify(&vk, &proof).expect("a valid proof");
    }
    for (span, spent) in &times.0.lock().expect("no panic").total {
        if *spent > 1.0 {
            println!("  {spent:8.1} ms  {span}");
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default| args.get(i).and_then(|arg| arg.parse().ok()).unwrap_or(default);
    let (log_height, groups) = (number(0, 14), number(1, 10));
    let which = args.get(2).map(String::as_str);
    if which != Some("upstream") {
        prove::<SwirlEngine>("swirl", log_height, groups);
    }
    if which != Some("swirl") {
        prove::<BabyBearPoseidon2CpuEngine>("upstream", log_height, groups);
    }
}
