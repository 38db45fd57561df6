//! How an engine folds proofs.

/// How many proofs one fold of each layer takes.
///
/// Layer `i` folds at most `arities[i]` adjacent proofs of layer `i - 1` (layer 0 folds segment proofs). Every listed
/// layer runs, even on a single proof; after the last one its arity repeats until one proof is left. So all children of
/// a node have the same depth, which recursive verifiers demand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoldShape {
    /// One arity per layer, each at least 2; not empty.
    pub arities: Vec<u32>,
}
