//! The multilinear equality polynomial, its factors kept apart.
//!
//! Dao and Thaler, "More optimizations to sum-check proving" (2024): with `eq(ξ, y) = eq(ξ_in, y_in) · eq(ξ_out, y_out)` a
//! sum over `y` needs two tables of about the root of its length, and all but one product per inner index moves outwards.

use openvm_stark_backend::poly_common::evals_eq_hypercube_serial;

use crate::packing::{EF, F, LOG_WIDTH, Multiplier, PackedEF, weighted_lanes};

/// Inner tables stay in the first-level cache beside what they weigh.
const LOG_INNER_MAX: usize = 8;

/// `eq(ξ, ·)` over packed points: the lowest variables inner, the next outer, the lanes the highest. With fewer points than
/// lanes, those beyond weigh nothing.
pub struct SplitEq {
    pub inner: Vec<Multiplier<F>>,
    pub outer: Vec<Multiplier<F>>,
    lanes: Vec<EF>,
}

impl SplitEq {
    pub fn new(xi: &[EF]) -> Self {
        Self::with_inner(xi, LOG_INNER_MAX)
    }

    pub fn with_inner(xi: &[EF], log_inner_max: usize) -> Self {
        let (vectors, lanes) = xi.split_at(xi.len().saturating_sub(LOG_WIDTH));
        let (inner, outer) = vectors.split_at(vectors.len().min(log_inner_max));
        let multipliers = |xi| evals_eq_hypercube_serial(xi).into_iter().map(Multiplier::new).collect();
        Self { inner: multipliers(inner), outer: multipliers(outer), lanes: evals_eq_hypercube_serial(lanes) }
    }

    /// The sum over all lanes, each with its weight.
    pub fn over_lanes(&self, vector: &PackedEF) -> EF {
        weighted_lanes(vector, &self.lanes)
    }
}
