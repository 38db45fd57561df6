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

/// One fold of a layer: affine in its children.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldCost {
    /// Peak bytes without children.
    pub fixed_peak_bytes: u64,
    /// Peak bytes that each child adds.
    pub peak_bytes_per_child: u64,
    /// CPU milliseconds without children.
    pub fixed_cpu_ms: u64,
    /// CPU milliseconds that each child adds.
    pub cpu_ms_per_child: u64,
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

    /// Predicted peak of folding `children` proofs in `layer`, beyond [`base_bytes`](Self::base_bytes).
    pub fn fold_peak_bytes(&self, layer: u32, children: u32) -> u64 {
        self.fold(layer).map_or(0, |fold| affine(fold.fixed_peak_bytes, fold.peak_bytes_per_child, children))
    }

    /// Predicted CPU time of folding `children` proofs in `layer`.
    pub fn fold_cpu_ms(&self, layer: u32, children: u32) -> u64 {
        self.fold(layer).map_or(0, |fold| affine(fold.fixed_cpu_ms, fold.cpu_ms_per_child, children))
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

fn affine(fixed: u64, per_child: u64, children: u32) -> u64 {
    fixed.saturating_add(per_child.saturating_mul(children.into()))
}

/// `rate` per million cycles, rounded up.
fn per_mcycle(rate: u64, cycles: u64) -> u64 {
    let product = u128::from(rate) * u128::from(cycles);
    u64::try_from(product.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
