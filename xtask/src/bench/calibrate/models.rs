//! From samples to the models' constants, each with how well it fits. Pure.

use anyhow::{Context, Result, ensure};

use super::{
    constants::{Affine, Constants, FoldCost, Kept, SealCost, SizingProve},
    fit::{Fit, Row, deviation, fit},
    sample::{ARITIES, FoldSample, Sample, Size},
};
use crate::bench::stats::median;

const MCYCLE: f64 = 1e6;
/// From how many columns for each child a fold is wide, by layer: Keccak's chips make 4,903 of a segment, all others less
/// than 2,000, and layer 1 notices only four of those below one child.
const WIDE_COLUMNS_MIN: [Option<u64>; 3] = [Some(3_000), Some(15_000), None];
/// How much more than the fixed part of a proof's memory the shortest segments are taken to need.
const FIXED_HEADROOM: f64 = 1.15;

/// What was measured.
pub struct Measured<'a> {
    pub samples: &'a [Sample],
    /// Whether the model in cycles is fitted to the sample.
    pub is_typical: &'a [bool],
    pub execute_cycles_per_ms: f64,
    pub execute_bytes: Option<f64>,
    pub cores: usize,
    pub measured_on: String,
}

/// One model and how it fits.
pub struct Model {
    pub name: String,
    pub fit: Fit,
    /// How many measurements it was fitted to.
    pub rows: usize,
    /// The measurement it is farthest from.
    pub worst_at: String,
}

/// All constants, and the models they come from. `kept` are those that are not measured.
pub fn constants(measured: &Measured<'_>, kept: &Kept) -> Result<(Constants, Vec<Model>)> {
    let mut models = Vec::new();
    let mut model = |name: String, rows: Vec<(String, Row)>| {
        let (names, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let fit = fit(&rows).with_context(|| format!("nothing was measured for the model of {name}"))?;
        let off = rows.iter().map(|row| deviation(&fit.coefficients, row).abs());
        let worst = names.iter().zip(off).max_by(|a, b| a.1.total_cmp(&b.1));
        let worst_at = worst.map(|(name, _)| name.clone()).unwrap_or_default();
        let coefficients = fit.coefficients.clone();
        models.push(Model { name, fit, rows: rows.len(), worst_at });
        Ok::<_, anyhow::Error>(coefficients)
    };
    let samples = measured.samples;
    let typical: Vec<&Sample> =
        samples.iter().zip(measured.is_typical).filter(|(_, is_typical)| **is_typical).map(|pair| pair.0).collect();
    ensure!(!typical.is_empty(), "no typical job was measured, so there is no model in cycles");

    // The last feature, if there is one, is what happens once in a process.
    let in_cells = |sample: &Sample, value: f64, once: Option<f64>| {
        let size = &sample.size;
        let features = [f64::from(size.segments), size.main_cells, size.gkr_leaves].into_iter().chain(once).collect();
        (sample.name.clone(), Row { features, value })
    };
    let in_cycles = |sample: &Sample, value: f64, once: Option<f64>| {
        let features = [f64::from(sample.size.segments), sample.size.cycles / MCYCLE].into_iter().chain(once).collect();
        (sample.name.clone(), Row { features, value })
    };
    let [gkr, others] = by_peak(samples);
    let mut segment_bytes = Vec::new();
    for (name, samples, with_leaves) in [("in LogUp-GKR", gkr, true), ("around it", others, false)] {
        let rows = samples.into_iter().map(|sample| {
            let (name, mut row) = in_cells(sample, sample.prove_bytes, None);
            row.features[2] *= f64::from(u8::from(with_leaves));
            (name, row)
        });
        segment_bytes.push(Affine::of(&model(format!("prove, peak bytes {name}, by cells"), rows.collect())?));
    }
    let rows = samples.iter().map(|sample| in_cells(sample, sample.prove_cpu_ms, Some(1.0))).collect();
    let prove_cpu = model("prove, CPU ms by cells".into(), rows)?;
    let rows = typical.iter().map(|sample| in_cycles(sample, sample.prove_bytes, None)).collect();
    let sizing_bytes = model("prove, peak bytes by million cycles".into(), rows)?;
    let rows = typical.iter().map(|sample| in_cycles(sample, sample.prove_cpu_ms, Some(1.0))).collect();
    let sizing_cpu = model("prove, CPU ms by million cycles".into(), rows)?;

    let mut folds = Vec::new();
    for (layer, arity) in (0..).zip(ARITIES) {
        let of_layer = || samples.iter().flat_map(move |sample| folds_of(sample, layer));
        let columns_min = WIDE_COLUMNS_MIN[layer as usize];
        let is_wide = |fold: &FoldSample| columns_min.is_some_and(|min| fold.columns_per_child >= min as f64);
        let mut by_children = |name: String, wide: bool| {
            let rows = of_layer().filter(|(_, fold)| is_wide(fold) == wide);
            let features = |fold: &FoldSample| one_of(fold.children, arity);
            let rows = rows.map(|(name, fold)| (name, Row { features: features(fold), value: fold.peak_bytes }));
            let rows: Vec<_> = rows.collect();
            if rows.is_empty() { Ok(None) } else { model(name, rows).map(Some) }
        };
        let name = format!("fold, layer {layer}, peak bytes with 1, 2, … children");
        let wide = by_children(format!("{name} of many columns"), true)?;
        let narrow = by_children(name, false)?.with_context(|| format!("no fold of layer {layer} was measured"))?;
        let narrow = filled(&narrow);
        let wide = columns_min.zip(wide).map(|(min, wide)| (min, filled_like(&wide, &narrow)));
        let in_children = |fold: &FoldSample| Row { features: vec![1.0, f64::from(fold.children)], value: fold.cpu_ms };
        let rows = of_layer().map(|(name, fold)| (name, in_children(fold)));
        let cpu = model(format!("fold, layer {layer}, CPU ms by children"), rows.collect())?;
        folds.push(FoldCost { peak_bytes: narrow, wide, fixed_cpu_ms: cpu[0], cpu_ms_per_child: cpu[1] });
    }
    let seal = SealCost {
        peak_bytes: median(samples.iter().map(|sample| sample.seal_bytes)),
        cpu_ms: median(samples.iter().map(|sample| sample.seal_cpu_ms)),
    };
    let constants = Constants {
        measured_on: measured.measured_on.clone(),
        resident_bytes: kept.resident_bytes,
        execute_bytes: measured.execute_bytes.unwrap_or(kept.execute_bytes),
        execute_cycles_per_ms: measured.execute_cycles_per_ms.max(1.0).floor(),
        segment_bytes: [segment_bytes[0], segment_bytes[1]],
        segment_cpu_ms: Affine::of(&prove_cpu),
        folds,
        seal,
        segment_cycles_min: kept.segment_cycles_min,
        segment_cycles_max: kept.segment_cycles_max,
        serial_fraction: serial_fraction(samples, measured.cores).unwrap_or(kept.serial_fraction),
        prove: SizingProve {
            // Limits on segments follow from it: they must not cut where the model in cells sees nothing but what is fixed.
            fixed_peak_bytes: sizing_bytes[0].max(segment_bytes[1].fixed * FIXED_HEADROOM),
            peak_bytes_per_mcycle: sizing_bytes[1],
            fixed_cpu_ms: sizing_cpu[0],
            cpu_ms_per_mcycle: sizing_cpu[1],
        },
    };
    Ok((constants, models))
}

/// The folds of a layer, with names for people.
fn folds_of(sample: &Sample, layer: u32) -> impl Iterator<Item = (String, &FoldSample)> {
    let of_layer = sample.folds.iter().filter(move |fold| fold.layer == layer);
    of_layer.map(|fold| (format!("{}, {} children", sample.name, fold.children), fold))
}

/// A feature for each number of children, so that each gets its own coefficient.
fn one_of(children: u32, arity: u32) -> Vec<f64> {
    (1..=arity).map(|count| f64::from(u8::from(count == children))).collect()
}

/// A number of children that was not measured (0) is taken to lie between its neighbours, or to go on as they do.
fn filled(by_children: &[f64]) -> Vec<f64> {
    let known: Vec<(f64, f64)> =
        (1..).zip(by_children).filter(|(_, value)| **value > 0.0).map(|(n, value)| (f64::from(n), *value)).collect();
    let at = |n: f64| match known.as_slice() {
        [] => 0.0,
        [(_, only)] => *only,
        [first, rest @ ..] => {
            let right = rest.iter().position(|(count, _)| *count >= n).unwrap_or(rest.len() - 1);
            let (left, right) = (if right == 0 { first } else { &rest[right - 1] }, &rest[right]);
            left.1 + (n - left.0) * (right.1 - left.1) / (right.0 - left.0)
        }
    };
    (1..=by_children.len() as u32).map(|n| at(f64::from(n))).collect()
}

/// As [`filled`], but what lies between is the factor over `like`.
fn filled_like(by_children: &[f64], like: &[f64]) -> Vec<f64> {
    let factors: Vec<f64> = by_children.iter().zip(like).map(|(value, like)| value / like).collect();
    filled(&factors).into_iter().zip(like).map(|(factor, like)| factor * like).collect()
}

/// The samples with their peak in LogUp-GKR, and the others: told apart by what either takes at least, which is some 178
/// bytes for a leaf of a segment, or a good gigabyte and 20 bytes for a cell.
fn by_peak(samples: &[Sample]) -> [Vec<&Sample>; 2] {
    let in_gkr = |sample: &&Sample| {
        let Size { segments, main_cells, gkr_leaves, .. } = sample.size;
        178.0 * gkr_leaves > 1.3e9 * f64::from(segments) + 20.0 * main_cells
    };
    let (gkr, others) = samples.iter().partition(in_gkr);
    [gkr, others]
}

/// The part of CPU time that keeps one core busy while the others idle, from Amdahl's law. One core cannot tell.
fn serial_fraction(samples: &[Sample], cores: usize) -> Option<f64> {
    let wall_per_cpu: Vec<f64> = samples.iter().flat_map(|sample| sample.wall_per_cpu.iter().copied()).collect();
    let all_busy = 1.0 / cores as f64;
    let is_known = cores > 1 && !wall_per_cpu.is_empty();
    is_known.then(|| ((median(wall_per_cpu) - all_busy) / (1.0 - all_busy)).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: [(u32, f64); 7] = [(1, 2e7), (1, 4e7), (7, 1.5e8), (1, 1e8), (2, 9e7), (6, 4e8), (1, 5e7)];
    const KEPT: Kept = Kept {
        resident_bytes: 7e8,
        execute_bytes: 3e8,
        segment_cycles_min: 65_536,
        segment_cycles_max: 4_194_304,
        serial_fraction: 0.2,
    };

    /// A machine whose costs are exactly affine: for proofs 0.5 GB and 200 bytes a leaf, or 2 GB and 25 bytes
    /// a cell; 2 GB and 0.3 GB a child for folds; 4 GB for the seal.
    fn sample(segments: u32, cells: f64) -> Sample {
        let n = f64::from(segments);
        let fold = |layer, children: u32| FoldSample {
            layer,
            children,
            columns_per_child: 1e3,
            peak_bytes: 2e9 + 0.3e9 * f64::from(children),
            cpu_ms: 9_000.0 + 1_000.0 * f64::from(children),
        };
        let mut folds = vec![fold(0, segments.min(4)), fold(1, 1), fold(2, 1)];
        if segments > 4 {
            folds.extend([fold(0, segments - 4), fold(1, 2), fold(2, 3)]);
        }
        // As many leaves as cells in the large ones, hardly any in the small ones.
        let gkr_leaves = if cells / n > 4e7 { cells } else { cells / 16.0 };
        let prove_bytes = (n * 5e8 + 200.0 * gkr_leaves).max(n * 2e9 + 25.0 * cells);
        Sample {
            name: format!("{segments} segments, {cells} cells"),
            size: Size { cycles: cells / 100.0, segments, main_cells: cells, gkr_leaves, columns: 1e3 },
            prove_bytes,
            prove_cpu_ms: n * 2e3 + cells / 1e5,
            folds,
            seal_bytes: 4e9,
            seal_cpu_ms: 7e3,
            wall_per_cpu: vec![0.6],
        }
    }

    fn measured(samples: &[Sample]) -> (Constants, Vec<Model>) {
        let is_typical = vec![true; samples.len()];
        let measured = Measured {
            samples,
            is_typical: &is_typical,
            execute_cycles_per_ms: 25_000.7,
            execute_bytes: None,
            cores: 2,
            measured_on: "here".into(),
        };
        constants(&measured, &KEPT).unwrap()
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-3 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn a_machine_with_affine_costs_is_recovered() {
        let samples = SAMPLES.map(|(segments, cells)| sample(segments, cells));
        let (constants, models) = measured(&samples);
        near(constants.segment_bytes[0].fixed, 5e8);
        near(constants.segment_bytes[0].per_main_cell + constants.segment_bytes[0].per_gkr_leaf, 200.0);
        near(constants.segment_bytes[1].fixed, 2e9);
        near(constants.segment_bytes[1].per_main_cell, 25.0);
        near(constants.segment_cpu_ms.fixed, 2e3);
        for (layer, arity) in [(0, 4), (1, 3), (2, 3)] {
            assert_eq!(constants.folds[layer].peak_bytes.len(), arity);
            for (children, bytes) in (1..).zip(&constants.folds[layer].peak_bytes) {
                near(*bytes, 2e9 + 0.3e9 * f64::from(children));
            }
        }
        near(constants.folds[2].cpu_ms_per_child, 1e3);
        near(constants.seal.peak_bytes, 4e9);
        near(constants.resident_bytes, 7e8);
        near(constants.serial_fraction, 0.2);
        assert_eq!((constants.execute_cycles_per_ms, constants.execute_bytes), (25_000.0, 3e8));
        let off = |model: &&Model| model.fit.worst > 1e-3 && !model.name.contains("million cycles");
        assert_eq!(models.iter().find(off).map(|model| &model.name), None);
    }

    #[test]
    fn what_was_not_measured_is_filled_in() {
        assert_eq!(filled(&[2.0, 0.0, 4.0, 0.0]), [2.0, 3.0, 4.0, 5.0]);
        assert_eq!(filled(&[0.0, 3.0, 5.0]), [1.0, 3.0, 5.0]);
        assert_eq!(filled(&[0.0, 7.0]), [7.0, 7.0]);
        assert_eq!(filled_like(&[6.0, 0.0, 0.0], &[2.0, 3.0, 4.0]), [6.0, 9.0, 12.0]);
    }

    #[test]
    fn one_core_says_nothing_about_serial_stretches() {
        assert_eq!(serial_fraction(&[sample(1, 1e7)], 1), None);
        near(serial_fraction(&[sample(1, 1e7)], 16).unwrap(), (0.6 - 1.0 / 16.0) / (15.0 / 16.0));
    }
}
