//! How an engine folds proofs, and how many nodes that gives each layer.

use crate::FoldError;

/// Most segments that one execution may have; bounds every table that a plan allocates.
pub const SEGMENTS_MAX: u32 = 1 << 20;

/// Most layers that a shape may list. No engine comes near it; it bounds the work a hostile shape can cause.
pub const LISTED_LAYERS_MAX: usize = 32;

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

impl FoldShape {
    /// Whether the shape can fold any number of proofs into one.
    pub fn check(&self) -> Result<(), FoldError> {
        if self.arities.is_empty() {
            return Err(FoldError::NoLayers);
        }
        if self.arities.len() > LISTED_LAYERS_MAX {
            return Err(FoldError::TooManyLayers { layers: self.arities.len() });
        }
        match self.arities.iter().position(|arity| *arity < 2) {
            Some(layer) => Err(FoldError::ArityTooSmall { layer, arity: self.arities[layer] }),
            None => Ok(()),
        }
    }

    /// Most proofs that one node of `layer` folds. Only meaningful for a shape that passes [`check`](Self::check).
    pub fn arity(&self, layer: u32) -> u32 {
        let listed = usize::try_from(layer).ok().and_then(|layer| self.arities.get(layer));
        listed.or(self.arities.last()).copied().unwrap_or(2)
    }

    /// How many nodes each layer has over `segments` segment proofs, from layer 0 to the root's. The last count is 1.
    pub fn widths(&self, segments: u32) -> Result<Vec<u32>, FoldError> {
        self.check()?;
        if segments == 0 {
            return Err(FoldError::NoSegments);
        }
        if segments > SEGMENTS_MAX {
            return Err(FoldError::TooManySegments { segments: segments.into() });
        }
        let mut widths = Vec::new();
        let mut below = segments;
        for layer in 0.. {
            if below == 1 && widths.len() >= self.arities.len() {
                break;
            }
            below = below.div_ceil(self.arity(layer));
            widths.push(below);
        }
        Ok(widths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(arities: &[u32]) -> FoldShape {
        FoldShape { arities: arities.to_vec() }
    }

    #[test]
    fn a_shape_that_cannot_fold_is_refused_by_name() {
        assert_eq!(shape(&[]).check(), Err(FoldError::NoLayers));
        assert_eq!(shape(&[4, 1]).check(), Err(FoldError::ArityTooSmall { layer: 1, arity: 1 }));
        assert_eq!(shape(&[0]).check(), Err(FoldError::ArityTooSmall { layer: 0, arity: 0 }));
        assert_eq!(shape(&[2; 33]).check(), Err(FoldError::TooManyLayers { layers: 33 }));
    }

    #[test]
    fn every_listed_layer_runs_even_on_one_proof() {
        assert_eq!(shape(&[4, 3, 3]).widths(1), Ok(vec![1, 1, 1]));
    }

    #[test]
    fn the_last_arity_repeats_until_one_proof_is_left() {
        // 36 segments are the most that three layers take; one more needs a fourth.
        assert_eq!(shape(&[4, 3, 3]).widths(36), Ok(vec![9, 3, 1]));
        assert_eq!(shape(&[4, 3, 3]).widths(37), Ok(vec![10, 4, 2, 1]));
    }

    #[test]
    fn the_number_of_segments_is_bounded() {
        assert_eq!(shape(&[2]).widths(0), Err(FoldError::NoSegments));
        assert_eq!(
            shape(&[2]).widths(SEGMENTS_MAX + 1),
            Err(FoldError::TooManySegments { segments: u64::from(SEGMENTS_MAX) + 1 })
        );
        assert_eq!(shape(&[2]).widths(SEGMENTS_MAX).map(|widths| widths.len()), Ok(20));
        assert_eq!(shape(&[u32::MAX]).widths(SEGMENTS_MAX), Ok(vec![1]));
    }
}
