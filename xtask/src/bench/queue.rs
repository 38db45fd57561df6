//! `queue`: how many tasks a second the queue gives out and takes back, on both databases, beside a plain table.
//!
//! The queue's example `throughput` starts its own PostgreSQL, lets the three take turns and prints every round.

use anyhow::{Context, Result};

use super::{
    lab::Lab,
    process::{json, with_settings},
    section::{Section, Table},
    stats::{counts, median, thousands},
};
use crate::command::command;

/// Of what a plain table with `SKIP LOCKED` does on the same server.
const POSTGRES_MIN: f64 = 0.8;
/// Tasks a second.
const SQLITE_MIN: f64 = 5_000.0;

/// Both numbers.
pub fn run(lab: &Lab) -> Result<Section> {
    let rounds = lab.rounds.to_string();
    let mut throughput = command(&lab.throughput, &["--rounds", &rounds]);
    let ran = json(&mut throughput)?;
    let rates = |name: &str| -> Result<Vec<f64>> {
        let rates = ran.json[name].as_array().with_context(|| format!("{name} is no list"))?;
        rates.iter().map(|rate| rate.as_f64().with_context(|| format!("{name} holds {rate}"))).collect()
    };
    let (sqlite, postgres, plain) = (rates("sqlite_per_s")?, rates("postgres_per_s")?, rates("plain_per_s")?);
    let mut section = Section { commands: vec![with_settings(&throughput)], ..Section::default() };
    let row = |what: &str, rates: &[f64]| vec![what.to_owned(), counts(rates)];
    section.tables.push(Table {
        columns: vec!["queue", "tasks/s"],
        rows: vec![
            row("a plain table on PostgreSQL", &plain),
            row("Phalanx on PostgreSQL", &postgres),
            row("Phalanx on SQLite", &sqlite),
        ],
    });
    // Each round against the one beside it: a machine that gets slower meets both alike.
    let ratios = postgres.iter().zip(&plain).map(|(postgres, plain)| postgres / plain);
    section
        .at_least("PostgreSQL: Phalanx / plain table", median(ratios), POSTGRES_MIN, |ratio| format!("{ratio:.2} ×"));
    section.at_least("SQLite, tasks/s", median(sqlite), SQLITE_MIN, thousands);
    section.notes.push(format!(
        "{} tasks of one job, a binary fold tree and its seal, claimed and completed one by one by {} claimers. The plain \
         table is claimed with `SKIP LOCKED` and knows neither edges nor attempts; its commits wait for the disk, as \
         those of results do. Those of claims do not: a claim that a crash forgets leaves its task ready.",
        ran.count("tasks")?,
        ran.count("claimers")?,
    ));
    Ok(section)
}
