//! `allocator`: one proof with jemalloc as Phalanx sets it and as it comes.

use anyhow::Result;

use super::{
    lab::{Lab, numbers, same},
    process::{json, with_settings},
    section::{Section, Table},
    stats::{gib, largest, median, percent, seconds, thousands},
};

/// 0.6 million cycles.
const NUMBERS: u32 = 2_000;
/// jemalloc reads this last, so it overrides what is compiled in.
const VARIABLE: &str = "_RJEM_MALLOC_CONF";
/// What jemalloc does unless told otherwise.
const AS_IT_COMES: &str = "dirty_decay_ms:10000,muzzy_decay_ms:0,thp:default,metadata_thp:disabled";

/// Both settings in turn.
pub fn run(lab: &Lab) -> Result<Section> {
    let job = lab.mergesort(NUMBERS)?;
    let cycles = lab.cycles(&job)?.to_string();
    let prove = |setting: Option<&str>| {
        let mut prove = lab.prove(&job, &["--segment-cycles", &cycles]);
        prove.envs(setting.map(|setting| (VARIABLE, setting)));
        prove
    };
    let measure = |setting| {
        lab.fresh_store()?;
        json(&mut prove(setting))
    };
    let runs = lab.take_turns(1, &[&|| measure(Some(AS_IT_COMES)), &|| measure(None)])?;
    let mut rows = Vec::new();
    let mut base = None;
    for (name, runs) in ["as it comes", "as Phalanx sets it"].into_iter().zip(&runs) {
        let wall_ms = numbers(runs, "wall_ms")?;
        let middle = median(wall_ms.iter().copied());
        rows.push(vec![
            name.to_owned(),
            same(runs, "segments")?.to_string(),
            seconds(&wall_ms),
            percent(middle / *base.get_or_insert(middle) - 1.0),
            seconds(&numbers(runs, "cpu_ms")?),
            gib(largest(numbers(runs, "peak_rss_bytes")?)),
            thousands(median(runs.iter().map(|ran| ran.minor_faults as f64))),
        ]);
    }
    let columns = vec!["jemalloc", "segments", "wall", "against the first", "CPU", "peak RSS", "minor page faults"];
    Ok(Section {
        commands: vec![with_settings(&prove(Some(AS_IT_COMES))), with_settings(&prove(None))],
        tables: vec![Table { columns, rows }],
        ..Section::default()
    })
}
