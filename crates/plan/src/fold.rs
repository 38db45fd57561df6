//! The fold tree: which proofs each node folds.
//!
//! In: a [`FoldShape`] and the number of segments. Out: the nodes of every layer. Chunks are left-full: node `i` of a
//! layer takes children `i·arity .. (i+1)·arity`, and only the last node of a layer may have fewer.
//!
//! Why left-full. The equal-depth rule fixes the number of layers, so every segment is the same number of folds away
//! from the root whatever the chunks; what is left to choose is how many children sit in each fold. Left-full nodes are
//! known before the execution ends, so folding starts while segments are still being cut, and the known tree equals the
//! streamed one, so a resumed job finds its folds by key. Each layer has the fewest nodes possible, which matters
//! because most of a fold's cost does not depend on its children. And the segment that is proven last sits under the
//! smallest node of each layer, so the tail after it is as short as it can be. Balanced chunks would win only when all
//! segments finish at once, and then by at most a child or two per layer.

use std::ops::Range;

use crate::{FoldShape, shape::SEGMENTS_MAX};

/// Why a fold tree cannot be built, or an event does not belong to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The shape lists nothing.
    #[error("the fold shape lists no layers")]
    NoLayers,
    /// The shape lists too much.
    #[error("the fold shape lists {layers} layers, at most {} are allowed", crate::LISTED_LAYERS_MAX)]
    TooManyLayers {
        /// How many it lists.
        layers: usize,
    },
    /// A node that folds fewer than two proofs makes no progress.
    #[error("layer {layer} of the fold shape has arity {arity}, but a fold must take at least 2 proofs")]
    ArityTooSmall {
        /// Which layer.
        layer: usize,
        /// Its arity.
        arity: u32,
    },
    /// There is nothing to fold.
    #[error("an execution without segments has nothing to fold")]
    NoSegments,
    /// The execution has more segments than a job may have.
    #[error("{segments} segments are more than the {SEGMENTS_MAX} that one execution may have")]
    TooManySegments {
        /// How many it would have.
        segments: u64,
    },
    /// An event names a segment that the execution does not have.
    #[error("segment {index} does not exist, the execution has {segments}")]
    NoSuchSegment {
        /// The segment.
        index: u32,
        /// How many there are.
        segments: u32,
    },
    /// The execution is said to be shorter than what was already proven.
    #[error("the execution is said to have {segments} segments, but segment {proven} is already proven")]
    SegmentsTooFew {
        /// How many it is said to have.
        segments: u32,
        /// The highest proven segment.
        proven: u32,
    },
    /// Two different totals.
    #[error("the execution is said to have {segments} segments, but it had {before} before")]
    TotalChanged {
        /// The new total.
        segments: u32,
        /// The one before.
        before: u32,
    },
    /// A fold is reported that was never handed out.
    #[error("fold {index} of layer {layer} is reported done but was never handed out")]
    NotHandedOut {
        /// Its layer.
        layer: u32,
        /// Its place in the layer.
        index: u32,
    },
}

/// One fold.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FoldNode {
    /// Its layer; layer 0 folds segment proofs.
    pub layer: u32,
    /// Its place in the layer, from 0.
    pub index: u32,
    /// What it folds: nodes of the layer below, or segments if this is layer 0. Never empty.
    pub children: Range<u32>,
}

impl FoldNode {
    /// Node `index` of `layer` over a layer of `below` proofs.
    pub(crate) fn new(shape: &FoldShape, layer: u32, index: u32, below: u32) -> Self {
        let first = index.saturating_mul(shape.arity(layer));
        let end = first.saturating_add(shape.arity(layer)).min(below);
        Self { layer, index, children: first..end }
    }
}

/// The whole tree over a known number of segments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoldTree {
    segments: u32,
    layers: Vec<Vec<FoldNode>>,
}

impl FoldTree {
    /// The tree that folds `segments` segment proofs into one.
    pub fn new(shape: &FoldShape, segments: u32) -> Result<Self, FoldError> {
        let mut below = segments;
        let mut layers = Vec::new();
        for (layer, width) in (0..).zip(shape.widths(segments)?) {
            layers.push((0..width).map(|index| FoldNode::new(shape, layer, index, below)).collect());
            below = width;
        }
        Ok(Self { segments, layers })
    }

    /// How many segment proofs it folds.
    pub fn segments(&self) -> u32 {
        self.segments
    }

    /// The nodes of each layer, from the segment proofs up. The last layer has one node, the root.
    pub fn layers(&self) -> &[Vec<FoldNode>] {
        &self.layers
    }

    /// All nodes, children before parents.
    pub fn nodes(&self) -> impl Iterator<Item = &FoldNode> {
        self.layers.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_left_full() {
        let tree = FoldTree::new(&FoldShape { arities: vec![4, 3, 3] }, 9).unwrap();
        let nodes: Vec<(u32, u32, Range<u32>)> =
            tree.nodes().map(|node| (node.layer, node.index, node.children.clone())).collect();
        assert_eq!(nodes, [(0, 0, 0..4), (0, 1, 4..8), (0, 2, 8..9), (1, 0, 0..3), (2, 0, 0..1)]);
        assert_eq!(tree.segments(), 9);
    }
}
