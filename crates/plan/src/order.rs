//! Scheduling order: which of the ready tasks of a job runs first.

use std::{
    cmp::{Ordering, Reverse},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::TaskKind;

/// Where a task stands in its job. Less means: runs first.
///
/// Joins come before proves: a fold frees its children's proofs, and every fold done early is one fewer in the tail
/// after the last segment, where most slots idle. Among folds the higher layer is nearer to the receipt. Among equals
/// the lowest index completes the leftmost node soonest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Position {
    /// The job's execution.
    Execute,
    /// The proof of one segment.
    Prove {
        /// The segment, from 0.
        index: u32,
    },
    /// One node of the fold tree.
    Fold {
        /// Its layer, counted from the segment proofs.
        layer: u32,
        /// Its place in the layer, from 0.
        index: u32,
    },
    /// The receipt.
    Seal,
}

impl Position {
    /// The kind of the task that stands here.
    pub const fn kind(self) -> TaskKind {
        match self {
            Self::Execute => TaskKind::Execute,
            Self::Prove { .. } => TaskKind::Prove,
            Self::Fold { .. } => TaskKind::Fold,
            Self::Seal => TaskKind::Seal,
        }
    }

    /// An execution comes before any proof: it is short, and work for the other slots comes out of it.
    const fn key(self) -> (u8, Reverse<u32>, u32) {
        match self {
            Self::Seal => (0, Reverse(0), 0),
            Self::Fold { layer, index } => (1, Reverse(layer), index),
            Self::Execute => (2, Reverse(0), 0),
            Self::Prove { index } => (3, Reverse(0), index),
        }
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Execute | Self::Seal => f.write_str(self.kind().name()),
            Self::Prove { index } => write!(f, "prove {index}"),
            Self::Fold { layer, index } => write!(f, "fold {layer}.{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_first_then_higher_layers_then_lower_indexes() {
        let order = [
            Position::Seal,
            Position::Fold { layer: 2, index: 9 },
            Position::Fold { layer: 1, index: 0 },
            Position::Fold { layer: 1, index: 5 },
            Position::Execute,
            Position::Prove { index: 0 },
            Position::Prove { index: 3 },
        ];
        let mut sorted = order;
        sorted.reverse();
        sorted.sort_unstable();
        assert_eq!(sorted, order);
    }
}
