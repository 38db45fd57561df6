//! The tree of fraction additions, built from the leaves up and taken apart from the root down.

use openvm_stark_backend::{FiatShamirTranscript, prover::fractional_sumcheck_gkr::Frac};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;

use super::{
    Leaves,
    layer::{LOG_LEN_MIN, Layer, parents},
    quads::Quad,
    rounds::Rounds,
    sumcheck::{self, Workspace},
};
use crate::packing::{EF, WIDTH, lane};

type SC = BabyBearPoseidon2Config;

/// The fractions of one level of the tree.
pub enum Level {
    Leaves(Leaves),
    Packed(Layer),
    Scalar(Vec<Frac<EF>>),
}

impl Level {
    /// The quad of this level's halves at the point that the rounds draw.
    pub fn sumcheck<TS: FiatShamirTranscript<SC>>(
        self,
        rounds: &mut Rounds<'_, TS>,
        lambda: EF,
        workspace: &mut Workspace,
    ) -> Quad<EF> {
        match self {
            Self::Leaves(leaves) => sumcheck::packed(leaves, rounds, lambda, workspace),
            Self::Packed(layer) => sumcheck::packed(layer, rounds, lambda, workspace),
            Self::Scalar(nodes) => {
                let quad = |[left, right]: &[Frac<EF>; 2]| [left.p, left.q, right.p + lambda * right.q, right.q];
                sumcheck::scalar(nodes.as_chunks().0.iter().map(quad).collect(), rounds)
            }
        }
    }

    /// Nodes of a level near the root.
    fn scalars(&self) -> &[Frac<EF>] {
        match self {
            Self::Scalar(nodes) => nodes,
            Self::Leaves(_) | Self::Packed(_) => &[],
        }
    }
}

/// From so many leaves on, as a logarithm, their parents are computed again when their turn comes: while the rest of the
/// tree is there as well they would take a third of its memory.
const LOG_LEN_FORGOTTEN: usize = 13;

/// Levels from the leaves to the root.
pub struct Tree {
    levels: Vec<Level>,
    /// Whether the level above the leaves is missing.
    has_forgotten: bool,
}

impl Tree {
    pub fn over(leaves: Leaves) -> Self {
        let mut levels = Vec::with_capacity(leaves.log_len + 1);
        let has_forgotten = leaves.log_len >= LOG_LEN_FORGOTTEN;
        if leaves.log_len < LOG_LEN_MIN {
            let nodes = (0..1 << leaves.log_len).map(|i| leaves.get(i)).map(|(p, q)| Frac::new(p.into(), q));
            levels.push(Level::Scalar(nodes.collect()));
        } else {
            let mut layer = parents(&leaves);
            levels.push(Level::Leaves(leaves));
            if has_forgotten {
                layer = parents(&layer);
            }
            while layer.0.len() * WIDTH >= 1 << LOG_LEN_MIN {
                let above = parents(&layer);
                levels.push(Level::Packed(layer));
                layer = above;
            }
            levels.push(Level::Scalar(unpacked(&layer)));
        }
        while let Some(nodes) = levels.last().map(Level::scalars).filter(|nodes| nodes.len() > 1) {
            let parents = nodes.as_chunks::<2>().0.iter().map(|[left, right]| *left + *right).collect();
            levels.push(Level::Scalar(parents));
        }
        Self { levels, has_forgotten }
    }

    /// Levels that are left.
    pub fn height(&self) -> usize {
        self.levels.len() + usize::from(self.has_forgotten)
    }

    /// The nodes of the highest level that is left, where they are few.
    pub fn top(&self) -> &[Frac<EF>] {
        self.levels.last().map_or(&[], Level::scalars)
    }

    pub fn pop(&mut self) -> Option<Level> {
        if let ([Level::Leaves(leaves)], true) = (&self.levels[..], self.has_forgotten) {
            self.has_forgotten = false;
            return Some(Level::Packed(parents(leaves)));
        }
        self.levels.pop()
    }
}

/// A small layer's nodes in the order of their indices.
fn unpacked(Layer(nodes): &Layer) -> Vec<Frac<EF>> {
    let of_lane = |l: usize| nodes.iter().map(move |node| Frac::new(lane(&node.p, l), lane(&node.q, l)));
    (0..WIDTH).flat_map(of_lane).collect()
}
