//! What one calibration run measured, from the reports of `phalanx execute` and `phalanx prove`.

use anyhow::{Context, Result, ensure};

use crate::bench::{
    process::Ran,
    stats::median,
    tasks::{TaskRun, tasks_run},
};

/// How many proofs one fold of each layer takes; the last repeats. The engine's fold shape, checked against every run.
pub const ARITIES: [u32; 3] = [4, 3, 3];

/// Size of a job: what predictions are made from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Size {
    pub cycles: f64,
    pub segments: u32,
    /// Cells of all traces of all segments, padding included.
    pub main_cells: f64,
    /// Leaves of the fraction trees of LogUp-GKR: rows times interactions, padded to a power of two for each segment.
    pub gkr_leaves: f64,
    /// Columns that the proof of a segment opens; of all chips that the job uses.
    pub columns: f64,
}

/// One fold.
#[derive(Clone, PartialEq, Debug)]
pub struct FoldSample {
    pub layer: u32,
    pub children: u32,
    /// Columns of all segments below each child, on average.
    pub columns_per_child: f64,
    pub peak_bytes: f64,
    pub cpu_ms: f64,
}

/// One job, its tasks run one at a time.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    pub name: String,
    pub size: Size,
    /// Sum of the peaks of all segment proofs.
    pub prove_bytes: f64,
    pub prove_cpu_ms: f64,
    pub folds: Vec<FoldSample>,
    pub seal_bytes: f64,
    pub seal_cpu_ms: f64,
    /// Of each longer task: wall time over CPU time.
    pub wall_per_cpu: Vec<f64>,
}

/// Tasks shorter than this say nothing about how well they use the cores.
const PARALLEL_WALL_MS_MIN: f64 = 500.0;

impl Size {
    /// From the report of `phalanx execute`.
    pub fn of(executed: &Ran) -> Result<Self> {
        let chips = executed.json["chips"].as_array().context("`phalanx execute` printed no `chips`")?;
        let sum = |name: &str| -> Result<f64> {
            let cells = chips.iter().map(|chip| {
                chip[name].as_f64().with_context(|| format!("`phalanx execute` printed a chip without `{name}`"))
            });
            cells.sum()
        };
        Ok(Self {
            cycles: executed.number("cycles")?,
            segments: u32::try_from(executed.count("segments")?).context("too many segments")?,
            main_cells: sum("cells")?,
            gkr_leaves: padded(sum("interaction_cells")?, executed.number("segments")?),
            columns: sum("columns")?,
        })
    }
}

/// The segments are taken to be of equal size.
fn padded(cells: f64, segments: f64) -> f64 {
    segments * (cells / segments).log2().ceil().exp2()
}

impl Sample {
    /// From several runs of the same job: of each number the median.
    pub fn of(name: &str, size: Size, runs: &[Ran]) -> Result<Self> {
        let tasks = runs.iter().map(tasks_run).collect::<Result<Vec<_>>>()?;
        for tasks in &tasks {
            check(tasks, size.segments).with_context(|| format!("calibration run {name}"))?;
        }
        let sum = |kind: &'static str, number: fn(&TaskRun) -> f64| {
            let of_kind = |tasks: &Vec<TaskRun>| tasks.iter().filter(|task| task.kind == kind).map(number).sum::<f64>();
            median(tasks.iter().map(of_kind))
        };
        let peak_bytes = |task: &TaskRun| task.measured_bytes.unwrap_or(0.0);
        let long = |task: &&TaskRun| task.wall_ms >= PARALLEL_WALL_MS_MIN && task.cpu_ms > 0.0;
        Ok(Self {
            name: name.to_owned(),
            size,
            prove_bytes: sum("prove", peak_bytes),
            prove_cpu_ms: sum("prove", |task| task.cpu_ms),
            folds: folds(&tasks, &size),
            seal_bytes: sum("seal", peak_bytes),
            seal_cpu_ms: sum("seal", |task| task.cpu_ms),
            wall_per_cpu: tasks.iter().flatten().filter(long).map(|task| task.wall_ms / task.cpu_ms).collect(),
        })
    }
}

/// How many nodes each layer has, from layer 0 to the root's.
fn widths(segments: u32) -> Vec<u32> {
    let (mut widths, mut below) = (Vec::new(), segments);
    while below > 1 || widths.len() < ARITIES.len() {
        below = below.div_ceil(arity(widths.len()));
        widths.push(below);
    }
    widths
}

fn arity(layer: usize) -> u32 {
    ARITIES[layer.min(ARITIES.len() - 1)]
}

/// Nodes are filled from the left.
fn children(layer: u32, index: u32, segments: u32) -> u32 {
    let layer = layer as usize;
    let below = if layer == 0 { segments } else { widths(segments)[layer - 1] };
    below.saturating_sub(index * arity(layer)).min(arity(layer))
}

/// How many segments are below a node.
fn segments_below(layer: u32, index: u32, segments: u32) -> u32 {
    let span = (0..=layer as usize).map(arity).product::<u32>();
    segments.saturating_sub(index * span).min(span)
}

/// All tasks of the tree ran here, and each one alone.
fn check(tasks: &[TaskRun], segments: u32) -> Result<()> {
    let count = |kind: &str, layer| tasks.iter().filter(|task| task.kind == kind && task.layer == layer).count();
    let proven = count("prove", 0);
    ensure!(proven == segments as usize, "{proven} of {segments} segments were proven here: the store was not new");
    let folds = tasks.iter().filter(|task| task.kind == "fold").count();
    let widths = widths(segments);
    let as_expected = widths.iter().zip(0..).all(|(width, layer)| count("fold", layer) == *width as usize);
    ensure!(
        as_expected && folds == widths.iter().sum::<u32>() as usize,
        "{segments} segments should fold in layers of {widths:?}: has the engine's fold shape changed?"
    );
    ensure!(count("seal", 0) == 1, "the receipt was not sealed here: the store was not new");
    for task in tasks.iter().filter(|task| task.kind != "execute") {
        ensure!(task.measured_bytes.is_some(), "{} {} did not run alone", task.sort(), task.index);
    }
    Ok(())
}

/// The folds of the tree, each with the medians over the runs.
fn folds(runs: &[Vec<TaskRun>], size: &Size) -> Vec<FoldSample> {
    let segments = size.segments;
    let Some(first) = runs.first() else { return Vec::new() };
    let folds = first.iter().filter(|task| task.kind == "fold");
    let sample = |fold: &TaskRun| {
        let same = |task: &&TaskRun| task.kind == "fold" && (task.layer, task.index) == (fold.layer, fold.index);
        let over = |number: fn(&TaskRun) -> f64| median(runs.iter().flatten().filter(same).map(number));
        let children = children(fold.layer, fold.index, segments);
        let below = segments_below(fold.layer, fold.index, segments);
        FoldSample {
            layer: fold.layer,
            children,
            columns_per_child: size.columns * f64::from(below) / f64::from(children),
            peak_bytes: over(|task| task.measured_bytes.unwrap_or(0.0)),
            cpu_ms: over(|task| task.cpu_ms),
        }
    };
    folds.map(sample).collect()
}

#[cfg(test)]
pub mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::bench::lab::tests::ran;

    fn task(kind: &str, layer: u32, index: u32, start_ms: u64, peak: Option<u64>) -> Value {
        json!({"kind": kind, "layer": layer, "index": index, "start_ms": start_ms, "wall_ms": 600, "cpu_ms": 1000,
            "predicted_peak_bytes": 1, "measured_peak_bytes": peak, "reused": false})
    }

    /// Five segments: leaves of four and one, one node in each layer above.
    fn five(prove_bytes: u64) -> Ran {
        let mut tasks: Vec<Value> = (0..5).map(|i| task("prove", 0, i, u64::from(i), Some(prove_bytes))).collect();
        tasks.push(task("fold", 0, 0, 10, Some(40)));
        tasks.push(task("fold", 0, 1, 11, Some(10)));
        tasks.push(task("fold", 1, 0, 12, Some(20)));
        tasks.push(task("fold", 2, 0, 13, Some(30)));
        tasks.push(task("seal", 0, 0, 14, Some(7)));
        ran(json!({ "tasks": tasks }))
    }

    const FIVE: Size = Size { cycles: 9.0, segments: 5, main_cells: 1.0, gkr_leaves: 1.0, columns: 10.0 };

    #[test]
    fn layers_are_as_wide_as_the_planner_makes_them() {
        // The expected values are those of the planner's own tests.
        assert_eq!(widths(1), [1, 1, 1]);
        assert_eq!(widths(36), [9, 3, 1]);
        assert_eq!(widths(37), [10, 4, 2, 1]);
        assert_eq!([children(0, 6, 25), children(1, 1, 25), children(1, 2, 25), children(2, 0, 25)], [1, 3, 1, 3]);
    }

    #[test]
    fn a_sample_is_the_median_of_its_runs() {
        let sample = Sample::of("five", FIVE, &[five(100), five(900), five(110)]).unwrap();
        assert_eq!((sample.prove_bytes, sample.prove_cpu_ms), (550.0, 5000.0));
        let folds: Vec<_> =
            sample.folds.iter().map(|fold| (fold.layer, fold.children, fold.columns_per_child)).collect();
        assert_eq!(folds, [(0, 4, 10.0), (0, 1, 10.0), (1, 2, 25.0), (2, 1, 50.0)]);
        assert_eq!(sample.wall_per_cpu[0], 0.6);
    }

    #[test]
    fn tasks_that_overlapped_or_were_found_are_no_samples() {
        let mut overlapped = five(100);
        overlapped.json["tasks"][1]["measured_peak_bytes"] = Value::Null;
        assert!(format!("{:#}", Sample::of("five", FIVE, &[overlapped]).unwrap_err()).contains("prove 1"));
        let mut found = five(100);
        found.json["tasks"][1]["reused"] = json!(true);
        assert!(Sample::of("five", FIVE, &[found]).is_err());
        let other = Size { segments: 6, ..FIVE };
        assert!(Sample::of("five", other, &[five(100)]).is_err());
    }

    #[test]
    fn cells_are_summed_over_chips() {
        let chips = json!([
            {"cells": 3, "interaction_cells": 1, "columns": 2}, {"cells": 4, "interaction_cells": 4, "columns": 5}
        ]);
        let size = Size::of(&ran(json!({"cycles": 9, "segments": 1, "chips": chips}))).unwrap();
        assert_eq!((size.main_cells, size.gkr_leaves, size.columns), (7.0, 8.0, 7.0));
        let old = ran(json!({"cycles": 9, "segments": 5, "chips": [{"cells": 3}]}));
        assert!(Size::of(&old).unwrap_err().to_string().contains("interaction_cells"));
    }
}
