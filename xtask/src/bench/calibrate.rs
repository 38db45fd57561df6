//! `--calibrate`: measures what tasks take on this machine and writes the constants of the engine's cost model.
//!
//! Each job is executed first, then proven one task at a time, so that nothing overlaps and the peak of every task is its
//! own. A run with several segments is one measurement of their sum.

mod cases;
mod constants;
mod fit;
mod models;
mod sample;

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use self::{
    cases::{Case, cases},
    constants::{Kept, changes},
    models::{Measured, Model, constants},
    sample::{Sample, Size},
};
use super::{
    lab::{Job, Lab, numbers},
    machine::Machine,
    process::{json, with_settings},
    section::{Section, Table},
    stats::{largest, median, percent, thousands},
};
use crate::command::root;

/// More than any machine has: the constants that would say what fits are what is measured here.
const RAM: &str = "1024G";
/// 30 million instructions.
const EXECUTED_FIBONACCI_N: u64 = 2_000_000;
/// Slower than additions, because it goes through memory.
const EXECUTED_NUMBERS: u32 = 40_000;

/// Measures, fits, writes the file and says what changed.
pub fn run(lab: &Lab, machine: &Machine, prover: &str) -> Result<Section> {
    let file = format!("crates/engine/src/openvm/calibration/{prover}.json");
    let path = root().join(&file);
    let read = |text: &str| serde_json::from_str::<Value>(text).with_context(|| format!("{file} is not JSON"));
    let before = read(&fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?)?;
    let kept = Kept::of(&before).with_context(|| format!("cannot take over what is not measured from {file}"))?;
    let (execute_cycles_per_ms, execute_bytes) = execution(lab)?;
    let mut section = Section::default();
    let (mut samples, mut is_typical) = (Vec::new(), Vec::new());
    for case in cases(lab)? {
        if let Some((sample, command)) = measured(lab, &case, prover)? {
            samples.push(sample);
            is_typical.push(case.is_typical);
            section.commands.push(command);
        }
    }
    let measured_on = format!("{}; sizes in cycles on mergesort", machine.hardware());
    let measured = Measured {
        samples: &samples,
        is_typical: &is_typical,
        execute_cycles_per_ms,
        execute_bytes,
        cores: machine.cores,
        measured_on,
    };
    let (constants, models) = constants(&measured, &kept)?;
    section.tables = vec![jobs(&samples, &models), fits(&models)];
    let text = constants.text();
    fs::write(&path, &text).with_context(|| format!("cannot write {file}"))?;
    for [constant, old, new] in changes(&before, &read(&text)?) {
        println!("{constant:<42} {old:>20} -> {new}");
    }
    println!("wrote {file}: build again to use it, and prove with a new store, because segments may end elsewhere");
    section.notes.push(
        "Peaks and CPU times of proofs are sums over the segments of a run. The last coefficient of CPU times of proofs is \
         what happens once in a process, such as building provers; predictions leave it out."
            .to_owned(),
    );
    Ok(section)
}

/// Runs a case; nothing if it has more segments than are worth proving.
fn measured(lab: &Lab, case: &Case, prover: &str) -> Result<Option<(Sample, String)>> {
    let Case { job, segment_cycles, segments_max, .. } = case;
    let segment_cycles = segment_cycles.to_string();
    let cut = ["--segment-cycles", segment_cycles.as_str()];
    let alone = [&cut[..], &["--prover", prover, "--jobs", "1", "--ram", RAM]].concat();
    let name = format!("{}, cut at {segment_cycles}", job.name);
    let mut runs = Vec::new();
    let mut size = None;
    for _ in 0..lab.rounds {
        lab.fresh_store()?;
        let found = Size::of(&json(&mut lab.execute(job, &cut))?)?;
        if found.segments > *segments_max {
            println!("skipping {name}: {} segments are more than {segments_max}", found.segments);
            return Ok(None);
        }
        size = Some(found);
        runs.push(json(&mut lab.prove(job, &alone))?);
    }
    let size = size.context("no rounds")?;
    Ok(Some((Sample::of(&name, size, &runs)?, with_settings(&lab.prove(job, &alone)))))
}

/// Instructions per millisecond of the slower of two long executions, and peak bytes of the larger if they are reported.
fn execution(lab: &Lab) -> Result<(f64, Option<f64>)> {
    let (mut slowest, mut bytes) = (f64::INFINITY, None);
    let once = |job: &Job| {
        lab.fresh_store()?;
        json(&mut lab.execute(job, &[]))
    };
    for job in [lab.fibonacci(EXECUTED_FIBONACCI_N)?, lab.mergesort(EXECUTED_NUMBERS)?] {
        let runs = (0..lab.rounds).map(|_| once(&job)).collect::<Result<Vec<_>>>()?;
        slowest = slowest.min(median(numbers(&runs, "cycles")?) / median(numbers(&runs, "wall_ms")?).max(1.0));
        let peaks: Vec<f64> = runs.iter().filter_map(|ran| ran.json["measured_peak_bytes"].as_f64()).collect();
        if !peaks.is_empty() {
            bytes = Some(largest(peaks).max(bytes.unwrap_or(0.0)));
        }
    }
    Ok((slowest, bytes))
}

/// A row for each job: its size, and what the first three models say about it.
fn jobs(samples: &[Sample], models: &[Model]) -> Table {
    let columns = vec!["job", "segments", "cycles", "main cells", "GKR leaves", "peak bytes", "off", "CPU ms", "off"];
    let row = |sample: &Sample| {
        let size = &sample.size;
        let features = [f64::from(size.segments), size.main_cells, size.gkr_leaves, 1.0];
        // The larger of two peaks counts.
        let off = |models: &[Model], value: f64| {
            let predicted = models.iter().map(|model| fit::predict(&model.fit.coefficients, &features));
            percent(largest(predicted) / value - 1.0)
        };
        vec![
            sample.name.clone(),
            size.segments.to_string(),
            thousands(size.cycles),
            thousands(size.main_cells),
            thousands(size.gkr_leaves),
            thousands(sample.prove_bytes),
            off(&models[..2], sample.prove_bytes),
            thousands(sample.prove_cpu_ms),
            off(&models[2..3], sample.prove_cpu_ms),
        ]
    };
    Table { columns, rows: samples.iter().map(row).collect() }
}

fn fits(models: &[Model]) -> Table {
    let columns = vec!["model", "coefficients", "measurements", "R²", "worst", "at"];
    let row = |model: &Model| {
        let coefficients: Vec<String> = model.fit.coefficients.iter().map(|value| format!("{value:.4e}")).collect();
        vec![
            model.name.clone(),
            coefficients.join(", "),
            model.rows.to_string(),
            format!("{:.4}", model.fit.r2),
            format!("{:.1} %", 100.0 * model.fit.worst),
            model.worst_at.clone(),
        ]
    };
    Table { columns, rows: models.iter().map(row).collect() }
}
