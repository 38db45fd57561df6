//! `receipt-1` and `receipt-many`: a whole receipt by Phalanx against the plain SDK, with keys on disk on both sides.
//!
//! The SDK's time is what its `prove` takes once keys and provers are in memory; Phalanx's is `wall_ms` of its report,
//! which reads the keys and writes the store. Time of the whole process is shown beside it.

use anyhow::{Result, ensure};

use super::{
    lab::{Job, Lab, numbers, same},
    process::{Ran, json, with_settings},
    section::{Section, Table},
    stats::{gib, largest, median, percent, seconds, thousands},
};

/// 1.7 million cycles.
const NUMBERS_ONE: u32 = 5_000;
/// 2.8 million cycles.
const NUMBERS_MANY: u32 = 8_000;
const RATIO_MAX_ONE: f64 = 1.00;
const RATIO_MAX_MANY: f64 = 0.90;
const SEGMENTS_MIN: u64 = 4;
/// Where the search for the SDK's limit begins: halved until it cuts enough segments.
const SEGMENT_BYTES_FIRST: u64 = 2 << 30;
const SEGMENT_BYTES_LEAST: u64 = 64 << 20;

/// One segment on both sides.
pub fn one(lab: &Lab) -> Result<Section> {
    let job = lab.mergesort(NUMBERS_ONE)?;
    let cycles = lab.cycles(&job)?.to_string();
    let options = ["--segment-cycles", cycles.as_str()];
    let runs = lab.take_turns(1, &[&|| json(&mut lab.sdk(&job, None)), &|| lab.proven_anew(&job, &options)])?;
    for runs in &runs {
        let segments = same(runs, "segments")?;
        ensure!(segments == 1, "{} should be one segment of {cycles} cycles, it was cut into {segments}", job.name);
    }
    let mut section = compared(&job, &["SDK", "Phalanx"], &runs, RATIO_MAX_ONE)?;
    section.commands = vec![with_settings(&lab.sdk(&job, None)), with_settings(&lab.prove(&job, &options))];
    Ok(section)
}

/// Four segments and more: cut alike, and cut as Phalanx sees fit.
pub fn many(lab: &Lab) -> Result<Section> {
    let job = lab.mergesort(NUMBERS_MANY)?;
    let (segment_bytes, probe) = bytes_for_segments(|bytes| json(&mut lab.sdk(&job, Some(bytes))))?;
    let alike = equal_cut(probe.count("cycles")?, probe.count("segments")?).to_string();
    let options = ["--segment-cycles", alike.as_str()];
    let runs = lab.take_turns(
        1,
        &[&|| json(&mut lab.sdk(&job, Some(segment_bytes))), &|| lab.proven_anew(&job, &options), &|| {
            lab.proven_anew(&job, &[])
        }],
    )?;
    let mut section = compared(&job, &["SDK", "Phalanx, cut alike", "Phalanx, its own cut"], &runs, RATIO_MAX_MANY)?;
    section.commands = vec![
        with_settings(&lab.sdk(&job, Some(segment_bytes))),
        with_settings(&lab.prove(&job, &options)),
        with_settings(&lab.prove(&job, &[])),
    ];
    Ok(section)
}

/// The largest of the halved limits with which the SDK cuts enough segments, and its run.
fn bytes_for_segments(run: impl Fn(u64) -> Result<Ran>) -> Result<(u64, Ran)> {
    let mut bytes = SEGMENT_BYTES_FIRST;
    loop {
        let ran = run(bytes)?;
        if ran.count("segments")? >= SEGMENTS_MIN {
            return Ok((bytes, ran));
        }
        bytes /= 2;
        ensure!(bytes >= SEGMENT_BYTES_LEAST, "the SDK does not cut {SEGMENTS_MIN} segments whatever the limit");
    }
}

/// Phalanx ends segments up to so many cycles early; without slack that would pile up to one more, tiny segment.
const CUT_EARLY_MAX: u64 = 4096;

/// The segment length that gives so many segments.
pub fn equal_cut(cycles: u64, segments: u64) -> u64 {
    cycles.div_ceil(segments.max(1)) + CUT_EARLY_MAX
}

/// A row for each variant, the first being what the others are measured against.
fn compared(job: &Job, names: &[&'static str], runs: &[Vec<Ran>], ratio_max: f64) -> Result<Section> {
    let mut section = Section::default();
    let mut rows = Vec::new();
    let mut base = None;
    for (name, runs) in names.iter().zip(runs) {
        let wall_ms = numbers(runs, "wall_ms")?;
        let middle = median(wall_ms.iter().copied());
        let ratio = middle / *base.get_or_insert(middle);
        if rows.is_empty() {
            section.notes.push(format!("{}: {} cycles.", job.name, thousands(same(runs, "cycles")? as f64)));
        } else {
            let what = format!("{name} / {}", names[0]);
            section.at_most(what, ratio, ratio_max, |ratio| format!("{ratio:.2} ×"));
        }
        rows.push(vec![
            (*name).to_owned(),
            same(runs, "segments")?.to_string(),
            seconds(&wall_ms),
            percent(ratio - 1.0),
            seconds(&runs.iter().map(|ran| ran.wall_ms).collect::<Vec<_>>()),
            seconds(&numbers(runs, "cpu_ms")?),
            gib(largest(numbers(runs, "peak_rss_bytes")?)),
        ]);
    }
    let columns = vec!["prover", "segments", "wall", "against the first", "whole process", "CPU", "peak RSS"];
    section.tables.push(Table { columns, rows });
    section.notes.push(
        "Wall is the time of proving; the SDK's has keys and provers in memory already, Phalanx's reads the keys and \
         writes to a new store. The SDK's whole process also executes once before and verifies after."
            .to_owned(),
    );
    Ok(section)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bench::lab::tests::{lab, ran};

    #[test]
    fn the_limit_is_halved_until_there_are_enough_segments() {
        let cut = |bytes: u64| Ok(ran(json!({ "segments": (3 << 30) / bytes })));
        assert_eq!(bytes_for_segments(cut).unwrap().0, 512 << 20);
        assert!(bytes_for_segments(|_| Ok(ran(json!({ "segments": 1 })))).is_err());
    }

    #[test]
    fn an_equal_cut_gives_the_same_number_of_segments() {
        for (cycles, segments) in [(3_000_001_u64, 5), (12_000_000, 4), (7_000_000, 7)] {
            assert_eq!(cycles.div_ceil(equal_cut(cycles, segments)), segments);
        }
    }

    #[test]
    fn the_ratio_is_that_of_the_medians() {
        let run = |wall_ms: u64, segments: u64| {
            ran(json!({"cycles": 9, "segments": segments, "wall_ms": wall_ms, "cpu_ms": 1, "peak_rss_bytes": 1}))
        };
        let folder = tempfile::tempdir().unwrap();
        let job = lab(folder.path()).fibonacci(1).unwrap();
        let sdk = vec![run(100_000, 4), run(110_000, 4), run(900_000, 4)];
        let ours = vec![run(88_000, 5), run(87_000, 5), run(99_000, 5)];
        let section = compared(&job, &["SDK", "Phalanx"], &[sdk, ours], RATIO_MAX_MANY).unwrap();
        assert_eq!(section.numbers[0].measured, "0.80 ×");
        assert!(section.numbers[0].is_met);
        assert_eq!(section.tables[0].rows[1][1], "5");
    }
}
