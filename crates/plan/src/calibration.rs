//! The cost model: what each task takes in bytes and CPU time, from constants that a benchmark measured.
//!
//! In: the size of a task. Out: predicted peak bytes and CPU milliseconds. The constants are data (serde), so that the
//! engine can commit the measured ones as a file.

use serde::{Deserialize, Serialize};

use crate::{FoldError, FoldShape};

/// Constants of one engine on one kind of machine.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Which machine and which guest; for people.
    pub measured_on: String,
    /// What the engine holds besides running tasks, in bytes.
    pub base_bytes: u64,
    /// How many instructions an execution passes in a millisecond.
    pub execute_cycles_per_ms: u64,
    /// The shortest segment worth cutting, in cycles: below it the fixed cost is nearly all of the cost.
    pub segment_cycles_min: u64,
    /// The longest segment the proof system takes, in cycles.
    pub segment_cycles_max: u64,
    /// The part of a task's CPU time that keeps only one core busy, 0 to 1.
    pub serial_fraction: f64,
    /// What proving a segment takes.
    pub prove: ProveCost,
    /// What a fold takes, for each layer of the fold shape; the last one repeats. Not empty.
    pub folds: Vec<FoldCost>,
    /// What sealing takes.
    pub seal: SealCost,
}

/// Proving a segment: affine in its cycles.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProveCost {
    /// Peak bytes of a segment without cycles.
    pub fixed_peak_bytes: u64,
    /// Peak bytes that each million cycles adds.
    pub peak_bytes_per_mcycle: u64,
    /// CPU milliseconds of a segment without cycles.
    pub fixed_cpu_ms: u64,
    /// CPU milliseconds that each million cycles adds.
    pub cpu_ms_per_mcycle: u64,
}

/// One fold of a layer. Its CPU time is affine in its children; its memory is not, because traces are padded to powers of
/// two.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldCost {
    /// Peak bytes with 1, 2, … children; the last repeats. Not empty.
    pub peak_bytes: Vec<u64>,
    /// What it takes instead when its children open many columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wide: Option<WideFold>,
    /// CPU milliseconds without children.
    pub fixed_cpu_ms: u64,
    /// CPU milliseconds that each child adds.
    pub cpu_ms_per_child: u64,
}

/// A fold of proofs that open many columns: its verifier circuit needs larger traces.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WideFold {
    /// From so many columns for each child; a proof of folds counts those of all segments below it.
    pub columns_min: u64,
    /// Peak bytes with 1, 2, … children; the last repeats. Not empty.
    pub peak_bytes: Vec<u64>,
}

/// Making the receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealCost {
    /// Peak bytes.
    pub peak_bytes: u64,
    /// CPU milliseconds.
    pub cpu_ms: u64,
}

/// Why constants cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// No such part of a whole.
    #[error("serial_fraction is {0}, but must lie between 0 and 1")]
    SerialFraction(f64),
    /// No layer.
    #[error("folds is empty, but must describe at least one layer")]
    NoFolds,
    /// A layer of which nothing is known.
    #[error("folds[{layer}] has an empty list of peak_bytes, but must say what one child takes")]
    NoFoldBytes {
        /// Its position in `folds`.
        layer: usize,
    },
    /// A rate that never ends.
    #[error("execute_cycles_per_ms is 0, so no execution would ever end")]
    NoExecutionRate,
    /// No segment length lies between.
    #[error("segment_cycles_min is {min} and segment_cycles_max {max}, but 1 <= min <= max must hold")]
    SegmentCycles {
        /// The shortest.
        min: u64,
        /// The longest.
        max: u64,
    },
}

impl Calibration {
    /// Whether the constants make sense together.
    pub fn check(&self) -> Result<(), CalibrationError> {
        if !(0.0..=1.0).contains(&self.serial_fraction) {
            return Err(CalibrationError::SerialFraction(self.serial_fraction));
        }
        if self.folds.is_empty() {
            return Err(CalibrationError::NoFolds);
        }
        if let Some(layer) = self.folds.iter().position(FoldCost::is_unknown) {
            return Err(CalibrationError::NoFoldBytes { layer });
        }
        if self.execute_cycles_per_ms == 0 {
            return Err(CalibrationError::NoExecutionRate);
        }
        let (min, max) = (self.segment_cycles_min, self.segment_cycles_max);
        if min == 0 || min > max {
            return Err(CalibrationError::SegmentCycles { min, max });
        }
        Ok(())
    }

    /// Predicted peak of proving a segment of `cycles`, beyond [`base_bytes`](Self::base_bytes).
    pub fn prove_peak_bytes(&self, cycles: u64) -> u64 {
        self.prove.fixed_peak_bytes.saturating_add(per_mcycle(self.prove.peak_bytes_per_mcycle, cycles))
    }

    /// Predicted CPU time of proving a segment of `cycles`.
    pub fn prove_cpu_ms(&self, cycles: u64) -> u64 {
        self.prove.fixed_cpu_ms.saturating_add(per_mcycle(self.prove.cpu_ms_per_mcycle, cycles))
    }

    /// Predicted peak of folding `children` proofs of common width in `layer`, beyond [`base_bytes`](Self::base_bytes).
    pub fn fold_peak_bytes(&self, layer: u32, children: u32) -> u64 {
        self.fold(layer).map_or(0, |fold| fold.peak_bytes(children, 0))
    }

    /// Predicted CPU time of folding `children` proofs in `layer`.
    pub fn fold_cpu_ms(&self, layer: u32, children: u32) -> u64 {
        self.fold(layer).map_or(0, |fold| fold.cpu_ms(children))
    }

    /// The most that a fold over so many segments, or the seal, needs, beyond [`base_bytes`](Self::base_bytes).
    pub fn join_peak_bytes(&self, shape: &FoldShape, segments: u32) -> Result<u64, FoldError> {
        let (mut peak_bytes, mut below) = (self.seal.peak_bytes, segments);
        for (layer, width) in (0..).zip(shape.widths(segments)?) {
            peak_bytes = peak_bytes.max(self.fold_peak_bytes(layer, shape.arity(layer).min(below)));
            below = width;
        }
        Ok(peak_bytes)
    }

    fn fold(&self, layer: u32) -> Option<&FoldCost> {
        usize::try_from(layer).ok().and_then(|layer| self.folds.get(layer)).or(self.folds.last())
    }
}

impl FoldCost {
    fn is_unknown(&self) -> bool {
        self.peak_bytes.is_empty() || self.wide.as_ref().is_some_and(|wide| wide.peak_bytes.is_empty())
    }

    /// Peak bytes of a fold of `children` proofs that open so many columns together.
    pub fn peak_bytes(&self, children: u32, columns: u64) -> u64 {
        let per_child = columns / u64::from(children.max(1));
        let wide = self.wide.as_ref().filter(|wide| per_child >= wide.columns_min);
        let table = wide.map_or(&self.peak_bytes, |wide| &wide.peak_bytes);
        let known = usize::try_from(children.saturating_sub(1)).ok().and_then(|index| table.get(index));
        known.or(table.last()).copied().unwrap_or(0)
    }

    /// CPU milliseconds of a fold of `children` proofs.
    pub fn cpu_ms(&self, children: u32) -> u64 {
        self.fixed_cpu_ms.saturating_add(self.cpu_ms_per_child.saturating_mul(children.into()))
    }
}

/// `rate` per million cycles, rounded up.
fn per_mcycle(rate: u64, cycles: u64) -> u64 {
    let product = u128::from(rate) * u128::from(cycles);
    u64::try_from(product.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
