//! Sizing: how large segments should be and how many tasks should run at once.
//!
//! In: measured constants, the fold shape and a [`SizingRequest`]. Out: the [`Sizing`] whose simulated job ends first.
//! Few large segments fold cheaply; many small ones fit in RAM beside each other and overlap.
//!
//! The limits go into the execution's task key, so they must not wobble with the bytes that happen to be free: candidate
//! sizes come from a fixed grid and the byte limit of a segment follows from its cycles. RAM decides only which
//! candidates fit.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    Calibration, CalibrationError, FoldError, FoldShape, SEGMENTS_MAX, SLOTS_MAX, Scenario, TaskTooLarge, simulate,
    simulate::speeds,
};

/// Assumed length of an execution whose cycles nobody knows yet: long enough that throughput decides, not the tail.
pub const UNKNOWN_RUN_CYCLES: u64 = 100_000_000;

/// Most segments that a candidate is simulated with; what a longer run takes is scaled up from its beginning.
pub const SIMULATED_SEGMENTS_MAX: u64 = 512;

/// A segment's byte limit is the predicted peak of its cycle limit plus this many percent. Chips cost differently, so a
/// guest may need more bytes per cycle than the one the constants were measured on; one that needs much more gets
/// shorter segments.
pub const SEGMENT_BYTES_HEADROOM_PERCENT: u64 = 15;

/// A size that the user asks for is only refused when even a guest that takes so much less memory per cycle than usual would
/// not fit; one that takes more has segments that end earlier.
const LEAN_PERCENT: u64 = 15;

/// A known number of cycles is also cut into up to this many equal segments.
const EQUAL_SEGMENTS_MAX: u64 = 32;

/// Engines look for the end of a segment only every so many cycles and cut a little early. Equal segments get this much
/// slack, or what each lost would pile up to one more, tiny segment.
const EQUAL_SEGMENTS_GRAIN: u64 = 4096;

/// A limit may be so many times as long as a known run. More changes nothing, and what the largest one is that fits would
/// depend on free RAM; a little more lets a guest that takes more bytes per cycle than most stay in one segment.
const LONGER_THAN_THE_RUN: u64 = 2;

/// What is known and what is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SizingRequest {
    /// RAM for the engine and all running tasks.
    pub ram_bytes: u64,
    /// Cores that they share.
    pub cores: u32,
    /// Instructions of the execution, if known.
    pub cycles: Option<u64>,
    /// The user's segment size.
    pub segment_cycles: Option<u64>,
    /// The user's number of slots.
    pub slots: Option<u32>,
}

/// How to cut and how many tasks to run at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sizing {
    /// For [`ExecuteParams`](crate::ExecuteParams).
    pub segment_cycles_max: u64,
    /// For [`ExecuteParams`](crate::ExecuteParams). So many segments as there are slots fit in RAM at once.
    pub segment_bytes_max: u64,
    /// Tasks to run at once at most.
    pub slots: u32,
    /// How long the job takes by the cost model; for [`UNKNOWN_RUN_CYCLES`] when its cycles are unknown.
    pub predicted_wall_ms: u64,
}

/// Why there is no sizing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SizingError {
    /// Even the smallest segments do not fit.
    #[error(
        "a job that proves {slots} segment(s) of {segment_cycles} cycles at once needs {needed_bytes} bytes of RAM, \
         more than the {ram_bytes} allowed"
    )]
    RamTooSmall {
        /// The smallest segment that may be cut, or the one the user asked for.
        segment_cycles: u64,
        /// 1, or what the user asked for.
        slots: u32,
        /// What the engine and these tasks need.
        needed_bytes: u64,
        /// What there is.
        ram_bytes: u64,
    },
    /// One task does not fit.
    #[error(transparent)]
    TaskTooLarge(#[from] TaskTooLarge),
    /// Nothing to run on.
    #[error("a machine without cores proves nothing")]
    NoCores,
    /// Too few or too many.
    #[error("{slots} slots were asked for, between 1 and {SLOTS_MAX} are possible")]
    Slots {
        /// How many were asked for.
        slots: u32,
    },
    /// Such segments would never end the execution.
    #[error("a segment of 0 cycles was asked for")]
    NoSegmentCycles,
    /// The constants are wrong.
    #[error("calibration: {0}")]
    Calibration(#[from] CalibrationError),
    /// The fold tree is impossible.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

impl Sizing {
    /// The sizing with the least predicted wall time; among equals the one with the fewest and largest segments, then
    /// with the fewest slots.
    pub fn choose(calibration: &Calibration, shape: &FoldShape, request: &SizingRequest) -> Result<Self, SizingError> {
        calibration.check()?;
        shape.check()?;
        check(request)?;
        let choose = |cycles| choose_for(calibration, shape, request, cycles);
        match request.cycles {
            Some(cycles) => choose(cycles.max(1)),
            // A short run may fit where the folds of a long one do not.
            None => choose(UNKNOWN_RUN_CYCLES).or_else(|error| match error {
                SizingError::RamTooSmall { .. } => choose(1),
                error => Err(error),
            }),
        }
    }
}

/// The best sizing for a run of so many cycles.
fn choose_for(
    calibration: &Calibration,
    shape: &FoldShape,
    request: &SizingRequest,
    cycles: u64,
) -> Result<Sizing, SizingError> {
    let ram_bytes = request.ram_bytes;
    let slot_counts = match request.slots {
        Some(slots) => slots..=slots,
        None => 1..=useful_slots(calibration.serial_fraction, request.cores),
    };
    let mut best: Option<Sizing> = None;
    // What the least demanding candidate needs: bytes, cycles, slots.
    let mut least: Option<(u64, u64, u32)> = None;
    let mut too_many = None;
    for segment_cycles in candidates(calibration, request).into_iter().rev() {
        let segments = cycles.div_ceil(segment_cycles);
        let Some(count) = u32::try_from(segments).ok().filter(|count| *count <= SEGMENTS_MAX) else {
            // Candidates only get smaller.
            too_many = Some(FoldError::TooManySegments { segments });
            break;
        };
        let join_bytes = calibration.join_peak_bytes(shape, count)?;
        for slots in slot_counts.clone() {
            // Slots without a segment only idle.
            if request.slots.is_none() && slots > 1 && slots > count {
                break;
            }
            let proof_bytes = match request.segment_cycles {
                Some(_) => lean_bytes(calibration, segment_cycles),
                None => segment_bytes_max(calibration, segment_cycles),
            };
            let proofs_bytes = proof_bytes.saturating_mul(slots.into());
            let needed_bytes = proofs_bytes.max(join_bytes).saturating_add(calibration.base_bytes);
            if needed_bytes > ram_bytes {
                if least.is_none_or(|(least_bytes, ..)| needed_bytes <= least_bytes) {
                    least = Some((needed_bytes, segment_cycles, slots));
                }
                break;
            }
            let typical_bytes = calibration.prove_peak_bytes(segment_cycles).saturating_mul(slots.into());
            let simulated_ram_bytes = ram_bytes.max(typical_bytes.saturating_add(calibration.base_bytes));
            let scenario =
                Scenario { cycles, segment_cycles, slots, cores: request.cores, ram_bytes: simulated_ram_bytes };
            let predicted_wall_ms = predicted_wall_ms(calibration, shape, scenario)?;
            if best.is_none_or(|best| predicted_wall_ms < best.predicted_wall_ms) {
                best = Some(Sizing {
                    segment_cycles_max: segment_cycles,
                    segment_bytes_max: segment_bytes_max(calibration, segment_cycles)
                        .min((ram_bytes - calibration.base_bytes) / u64::from(slots)),
                    slots,
                    predicted_wall_ms,
                });
            }
        }
    }
    match (best, least, too_many) {
        (Some(best), ..) => Ok(best),
        (None, Some((needed_bytes, segment_cycles, slots)), _) => {
            Err(SizingError::RamTooSmall { segment_cycles, slots, needed_bytes, ram_bytes })
        }
        (None, None, Some(too_many)) => Err(too_many.into()),
        (None, None, None) => Err(SizingError::NoSegmentCycles),
    }
}

/// The byte limit of a segment of so many cycles.
pub fn segment_bytes_max(calibration: &Calibration, segment_cycles: u64) -> u64 {
    let peak_bytes = calibration.prove_peak_bytes(segment_cycles);
    peak_bytes.saturating_add(peak_bytes / 100 * SEGMENT_BYTES_HEADROOM_PERCENT)
}

fn check(request: &SizingRequest) -> Result<(), SizingError> {
    if request.cores == 0 {
        return Err(SizingError::NoCores);
    }
    if let Some(slots) = request.slots.filter(|slots| !(1..=SLOTS_MAX).contains(slots)) {
        return Err(SizingError::Slots { slots });
    }
    if request.segment_cycles == Some(0) {
        return Err(SizingError::NoSegmentCycles);
    }
    Ok(())
}

/// What a segment of so many cycles takes of a guest that takes little.
fn lean_bytes(calibration: &Calibration, segment_cycles: u64) -> u64 {
    let peak_bytes = calibration.prove_peak_bytes(segment_cycles);
    peak_bytes - peak_bytes / 100 * LEAN_PERCENT
}

/// Slots past the first count that keeps all cores busy cannot make anything end earlier.
fn useful_slots(serial_fraction: f64, cores: u32) -> u32 {
    let most = cores.min(SLOTS_MAX);
    let speeds = speeds(serial_fraction, cores, most);
    let busy = |(tasks, speed): (u32, f64)| f64::from(tasks) * speed > f64::from(cores) * 0.999;
    (1..).zip(speeds).find_map(|pair| busy(pair).then_some(pair.0)).unwrap_or(most)
}

/// Segment sizes to try: the user's, or quarter steps between powers of two, both ends, and equal cuts of a known run.
fn candidates(calibration: &Calibration, request: &SizingRequest) -> BTreeSet<u64> {
    if let Some(cycles) = request.segment_cycles {
        return [cycles].into();
    }
    let (min, max) = (calibration.segment_cycles_min, calibration.segment_cycles_max);
    let grid = (2..64).flat_map(|power| [4, 5, 6, 7].map(|quarters: u64| quarters << (power - 2)));
    let equal = request.cycles.into_iter().flat_map(|cycles| {
        let slack = move |cycles: u64| cycles.saturating_add(EQUAL_SEGMENTS_GRAIN);
        (1..=EQUAL_SEGMENTS_MAX)
            .map(move |segments| slack(cycles.div_ceil(segments)).div_ceil(EQUAL_SEGMENTS_GRAIN))
            .map(|grains| grains.saturating_mul(EQUAL_SEGMENTS_GRAIN))
    });
    let useful = request.cycles.map_or(u64::MAX, |cycles| cycles.saturating_mul(LONGER_THAN_THE_RUN)).max(min);
    grid.chain(equal).chain([min, max]).filter(|cycles| (min..=max.min(useful)).contains(cycles)).collect()
}

/// Simulates at most [`SIMULATED_SEGMENTS_MAX`] segments and scales.
fn predicted_wall_ms(calibration: &Calibration, shape: &FoldShape, scenario: Scenario) -> Result<u64, SizingError> {
    let simulated = scenario.cycles.min(scenario.segment_cycles.saturating_mul(SIMULATED_SEGMENTS_MAX));
    let wall_ms = simulate(calibration, shape, &Scenario { cycles: simulated, ..scenario })?.wall_ms;
    let scaled = u128::from(wall_ms) * u128::from(scenario.cycles) / u128::from(simulated);
    Ok(u64::try_from(scaled).unwrap_or(u64::MAX))
}
