//! `execute`: how fast an execution is, what its checkpoints cost and what they store.
//!
//! There is no execution without checkpoints to compare with, so two numbers of checkpoints are: the difference in time
//! over the difference in checkpoints is what one costs.

use anyhow::{Context, Result, ensure};

use super::{
    lab::{Job, Lab, numbers, same},
    process::{Ran, json, unless_refused, with_settings},
    section::{Section, Table},
    stats::{median, percent, seconds, thousands},
};

/// 100 million instructions: 15 for each, and 208 around them.
const FIBONACCI_N: u64 = 6_666_653;
/// A program that writes to much of its memory.
const NUMBERS: u32 = 100_000;
/// A common length of segments.
const SEGMENT_CYCLES_COMMON: u64 = 1_000_000;
/// Halved until a segment of so many cycles fits in this machine's RAM.
const SEGMENT_CYCLES_LONG: u64 = 1 << 26;
/// An execution takes a fraction of a second, so it is timed this many times in each round.
const TURNS: usize = 10;
const RATE_MIN: f64 = 10e6;
const OVERHEAD_MAX: f64 = 0.02;

/// The long program, then the one with much memory.
pub fn run(lab: &Lab) -> Result<Section> {
    let mut section = Section::default();
    let mut rows = Vec::new();
    let common = SEGMENT_CYCLES_COMMON.to_string();
    for (job, is_judged) in [(lab.fibonacci(FIBONACCI_N)?, true), (lab.mergesort(NUMBERS)?, false)] {
        let long = longest(lab, &job)?.to_string();
        let cut = |cycles: &str| {
            lab.fresh_store()?;
            json(&mut lab.execute(&job, &["--segment-cycles", cycles]))
        };
        let runs = lab.take_turns(TURNS, &[&|| cut(&long), &|| cut(&common)])?;
        // The store is that of the last run, which had the common length.
        let pages = stored_bytes(&json(&mut lab.look("ls"))?, "pages")?;
        for (runs, cycles) in runs.iter().zip([long.as_str(), common.as_str()]) {
            rows.push(row(&job, cycles, runs)?);
            section.commands.push(with_settings(&lab.execute(&job, &["--segment-cycles", cycles])));
        }
        let overhead = overhead(&runs[1], &runs[0])?;
        section.notes.push(format!(
            "{}: checkpoints take {} of the execution and store {} bytes of memory pages ({} on disk).",
            job.name,
            overhead.map_or("an unknown part".to_owned(), percent),
            thousands(pages.0),
            thousands(pages.1),
        ));
        if is_judged {
            section.at_least("instructions per second", rate(&runs[1])?, RATE_MIN, |rate| {
                format!("{:.1} M/s", rate / 1e6)
            });
            section.at_most("checkpoints, part of the execution", overhead.unwrap_or(f64::NAN), OVERHEAD_MAX, percent);
        }
    }
    let columns = vec!["program", "cycles", "--segment-cycles", "segments", "wall", "rate"];
    section.tables.push(Table { columns, rows });
    Ok(section)
}

/// The longest segments that this machine's RAM allows.
fn longest(lab: &Lab, job: &Job) -> Result<u64> {
    let mut cycles = SEGMENT_CYCLES_LONG;
    loop {
        lab.fresh_store()?;
        let mut execute = lab.execute(job, &["--segment-cycles", &cycles.to_string()]);
        println!("$ {}", with_settings(&execute));
        if unless_refused(&mut execute)?.is_some() {
            return Ok(cycles);
        }
        cycles /= 2;
        ensure!(cycles > SEGMENT_CYCLES_COMMON, "not even a segment of {SEGMENT_CYCLES_COMMON} cycles fits in RAM");
    }
}

fn row(job: &Job, segment_cycles: &str, runs: &[Ran]) -> Result<Vec<String>> {
    Ok(vec![
        job.name.clone(),
        thousands(same(runs, "cycles")? as f64),
        segment_cycles.to_owned(),
        same(runs, "segments")?.to_string(),
        seconds(&numbers(runs, "wall_ms")?),
        format!("{:.1} M/s", rate(runs)? / 1e6),
    ])
}

/// Instructions per second.
fn rate(runs: &[Ran]) -> Result<f64> {
    Ok(same(runs, "cycles")? as f64 * 1e3 / median(numbers(runs, "wall_ms")?))
}

/// What the checkpoints of `often` take of it, from `rarely`, which has fewer. None if both have as many.
fn overhead(often: &[Ran], rarely: &[Ran]) -> Result<Option<f64>> {
    let (many, few) = (same(often, "segments")? as f64, same(rarely, "segments")? as f64);
    let (wall, wall_few) = (median(numbers(often, "wall_ms")?), median(numbers(rarely, "wall_ms")?));
    Ok((many > few).then(|| (wall - wall_few) / (many - few) * many / wall))
}

/// Bytes of all artifacts of a kind, as they are and as they are stored.
fn stored_bytes(listed: &Ran, kind: &str) -> Result<(f64, f64)> {
    let artifacts = listed.json["artifacts"].as_array().context("`phalanx store ls` printed no `artifacts`")?;
    let of_kind = artifacts.iter().filter(|artifact| artifact["kind"] == kind);
    let bytes = of_kind.map(|artifact| (artifact["bytes"].as_f64(), artifact["stored_bytes"].as_f64()));
    Ok(bytes.fold((0.0, 0.0), |(raw, stored), (a, b)| (raw + a.unwrap_or(0.0), stored + b.unwrap_or(0.0))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bench::lab::tests::ran;

    fn runs(wall_ms: u64, segments: u64) -> Vec<Ran> {
        vec![ran(json!({"cycles": 100_000_000, "wall_ms": wall_ms, "segments": segments}))]
    }

    #[test]
    fn the_cost_of_checkpoints_is_that_of_all_of_them() {
        // 80 checkpoints more take 80 ms more, so 100 take 100 of the 5,000 ms.
        assert_eq!(overhead(&runs(5_000, 100), &runs(4_920, 20)).unwrap(), Some(0.02));
        assert_eq!(overhead(&runs(5_000, 20), &runs(4_920, 20)).unwrap(), None);
        assert_eq!(rate(&runs(5_000, 100)).unwrap(), 20e6);
    }

    #[test]
    fn only_artifacts_of_the_kind_are_counted() {
        let listed = ran(json!({"artifacts": [
            {"kind": "pages", "bytes": 4096, "stored_bytes": 100}, {"kind": "proof", "bytes": 9, "stored_bytes": 9},
            {"kind": null, "bytes": 1, "stored_bytes": 1}, {"kind": "pages", "bytes": 4, "stored_bytes": 5},
        ]}));
        assert_eq!(stored_bytes(&listed, "pages").unwrap(), (4100.0, 105.0));
    }
}
