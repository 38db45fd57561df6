//! One AIR with its trace, as the batch sumcheck sees it.

use openvm_cpu_backend::CpuBackend;
use openvm_stark_backend::{
    interaction::Interaction,
    prover::{AirProvingContext, DeviceStarkProvingKey},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
use p3_field::{Field, PrimeCharacteristicRing};
use p3_util::log2_strict_usize;

use crate::{
    air::{Combination, Parts, Program},
    packing::{EF, F},
};

type PB = CpuBackend<BabyBearPoseidon2Config>;

pub struct Air<'a> {
    pub parts: Parts<'a>,
    pub needs_next: bool,
    /// The greatest degree of constraints and interactions.
    pub degree: usize,
    /// `log(height) - l_skip`, of the trace and of its lift.
    pub n: isize,
    pub n_lift: usize,
    pk: &'a DeviceStarkProvingKey<PB>,
    public_values: &'a [F],
}

/// What is asked of an AIR at a point.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Constraints,
    Interactions,
    Both,
}

impl Asked {
    pub fn of(constraints: bool, interactions: bool) -> Option<Self> {
        match (constraints, interactions) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::Constraints),
            (false, true) => Some(Self::Interactions),
            (false, false) => None,
        }
    }
}

/// Challenges that batch constraints and interactions into three values: constraints, numerators, denominators.
pub struct Batching<'a> {
    pub lambda_powers: &'a [EF],
    pub beta_powers: &'a [EF],
    /// `eq(ξ, b)` of where each interaction stands in the stack of the leaves.
    pub eq_of_interactions: &'a [EF],
}

/// A program with the combinations of its outputs; what was not asked for has no terms.
pub struct Evaluation {
    pub program: Program,
    pub combinations: [Combination; 3],
}

impl<'a> Air<'a> {
    pub fn new(pk: &'a DeviceStarkProvingKey<PB>, trace: &'a AirProvingContext<PB>, l_skip: usize) -> Self {
        let parts = Parts::new(pk, trace);
        let n = log2_strict_usize(parts.height) as isize - l_skip as isize;
        Self {
            parts,
            needs_next: pk.vk.params.need_rot,
            degree: usize::from(pk.vk.max_constraint_degree),
            n,
            n_lift: n.max(0) as usize,
            pk,
            public_values: &trace.public_values,
        }
    }

    pub fn interactions(&self) -> &'a [Interaction<usize>] {
        &self.pk.vk.symbolic_constraints.interactions
    }

    pub fn constraints_len(&self) -> usize {
        self.constraints().len()
    }

    fn constraints(&self) -> &'a [usize] {
        &self.pk.vk.symbolic_constraints.constraints.constraint_idx
    }

    /// The factor that a numerator has for each time that a short trace is repeated in its lift.
    pub fn numerator_factor(&self) -> F {
        F::from_usize(1 << (-self.n).max(0)).inverse()
    }

    pub fn program(&self, asked: Asked) -> Program {
        let constraints = self.constraints().iter().filter(|_| asked != Asked::Interactions);
        let interactions = self.interactions().iter().filter(|_| asked != Asked::Constraints);
        let of_interactions = interactions.flat_map(|it| std::iter::once(&it.count).chain(&it.message));
        let outputs: Vec<usize> = constraints.chain(of_interactions).copied().collect();
        let nodes = &self.pk.vk.symbolic_constraints.constraints.nodes;
        Program::new(nodes, &outputs, self.public_values, usize::from(self.parts.has_preprocessed))
    }

    pub fn evaluation(&self, asked: Asked, batching: &Batching<'_>) -> Evaluation {
        let program = self.program(asked);
        let constraints = if asked == Asked::Interactions { 0 } else { self.constraints().len() };
        let (of_constraints, of_interactions) = program.outputs.split_at(constraints);
        let zerocheck = of_constraints.iter().copied().zip(batching.lambda_powers.iter().copied());
        let (mut numerator, mut denominator, mut constant) = (Vec::new(), Vec::new(), EF::ZERO);
        if asked != Asked::Constraints {
            let mut rest = of_interactions;
            for (interaction, eq) in self.interactions().iter().zip(batching.eq_of_interactions) {
                let (count, others) = rest.split_first().expect("a register for each output");
                let (message, others) = others.split_at(interaction.message.len());
                numerator.push((*count, *eq));
                denominator.extend(message.iter().zip(batching.beta_powers).map(|(at, beta)| (*at, *eq * *beta)));
                constant += *eq * bus(interaction, batching.beta_powers);
                rest = others;
            }
        }
        let combinations = [
            Combination::new(EF::ZERO, zerocheck),
            Combination::new(EF::ZERO, numerator),
            Combination::new(constant, denominator),
        ];
        Evaluation { program, combinations }
    }
}

/// What the bus adds to a message's denominator.
pub fn bus(interaction: &Interaction<usize>, beta_powers: &[EF]) -> EF {
    beta_powers[interaction.message.len()] * F::from_u32(u32::from(interaction.bus_index) + 1)
}
