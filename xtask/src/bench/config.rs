//! `config`: what deferral awareness and unused extensions cost, by the plain SDK under four VM configurations.
//!
//! The programs use RV32IM and nothing else, so all that the larger configurations add is waste: decision 0001.

use anyhow::Result;

use super::{
    lab::{Job, Lab, numbers, same},
    process::{json, with_settings},
    section::{Section, Table},
    stats::{gib, largest, median, percent, seconds, thousands},
};

/// What `sdk_baseline --vm` calls them, and what they are.
const CONFIGURATIONS: [[&str; 2]; 4] = [
    ["riscv32", "RV32IM and I/O"],
    ["hashes", "and Keccak, SHA-2"],
    ["unaware", "and 256-bit integers"],
    ["phalanx", "and deferral"],
];

/// A program of a few thousand cycles, whose proof is all fixed cost, and one of 0.6 million.
pub fn run(lab: &Lab) -> Result<Section> {
    let mut section = Section::default();
    let mut rows = Vec::new();
    for job in [lab.fibonacci(100)?, lab.fibonacci(40_000)?] {
        compare(lab, &job, &mut section, &mut rows)?;
    }
    let columns = vec!["program", "VM", "segments", "wall", "against the first", "CPU", "peak RSS", "proof bytes"];
    section.tables.push(Table { columns, rows });
    Ok(section)
}

fn compare(lab: &Lab, job: &Job, section: &mut Section, rows: &mut Vec<Vec<String>>) -> Result<()> {
    let prove = |vm: &str| {
        let mut prove = lab.sdk(job, None);
        prove.args(["--vm", vm]);
        prove
    };
    let variants = CONFIGURATIONS.map(|[vm, _]| move || json(&mut prove(vm)));
    let [a, b, c, d] = &variants;
    let runs = lab.take_turns(1, &[a, b, c, d])?;
    let base = median(numbers(&runs[0], "wall_ms")?);
    for ([vm, what], runs) in CONFIGURATIONS.into_iter().zip(&runs) {
        let wall_ms = numbers(runs, "wall_ms")?;
        rows.push(vec![
            job.name.clone(),
            what.to_owned(),
            same(runs, "segments")?.to_string(),
            seconds(&wall_ms),
            percent(median(wall_ms) / base - 1.0),
            seconds(&numbers(runs, "cpu_ms")?),
            gib(largest(numbers(runs, "peak_rss_bytes")?)),
            thousands(same(runs, "proof_bytes")? as f64),
        ]);
        section.commands.push(with_settings(&prove(vm)));
    }
    Ok(())
}
