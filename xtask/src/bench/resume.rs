//! `again` and `kill`: a job that is done runs nothing, and one that was killed runs only what is left.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use anyhow::Result;

use super::{
    lab::Lab,
    process::{Ran, json, kill_after, with_settings},
    section::{Section, Table},
    stats::{largest, seconds},
};

/// About 270,000 cycles.
const NUMBERS: u32 = 1_000;
/// Four segments of it and a tree of folds above.
const OPTIONS: [&str; 2] = ["--segment-cycles", "70000"];
const AGAIN_MS_MAX: f64 = 2_000.0;

/// The same command twice and more.
pub fn again(lab: &Lab) -> Result<Section> {
    let job = lab.mergesort(NUMBERS)?;
    let first = lab.proven_anew(&job, &OPTIONS)?;
    let mut section = Section { commands: vec![with_settings(&lab.prove(&job, &OPTIONS))], ..Section::default() };
    let mut rows = vec![row("first", &first)?];
    let (mut walls, mut most_run) = (Vec::new(), 0.0_f64);
    for _ in 0..lab.rounds {
        let ran = json(&mut lab.prove(&job, &OPTIONS))?;
        rows.push(row("again", &ran)?);
        walls.push(ran.wall_ms);
        most_run = most_run.max(ran.number("tasks_run")?);
    }
    let columns = vec!["run", "tasks run", "tasks reused", "whole process"];
    section.tables.push(Table { columns, rows });
    section.at_most("tasks that run again", most_run, 0.0, |tasks| format!("{tasks}"));
    section.at_most("slowest repetition, whole process", largest(walls), AGAIN_MS_MAX, |ms| seconds(&[ms]));
    Ok(section)
}

fn row(which: &str, ran: &Ran) -> Result<Vec<String>> {
    let count = |name| Ok::<_, anyhow::Error>(ran.count(name)?.to_string());
    Ok(vec![which.to_owned(), count("tasks_run")?, count("tasks_reused")?, seconds(&[ran.wall_ms])])
}

/// What a run found after the one before was killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Resumed {
    /// Results on record when the kill came.
    recorded: u64,
    run: u64,
    reused: u64,
}

impl Resumed {
    /// Whether it ran each unfinished task once and no other.
    fn ran_only_the_rest(&self, total: u64) -> bool {
        // A finished job has one record more, that of the job itself.
        self.reused == self.recorded.min(total) && self.run + self.reused == total
    }
}

/// Kills at random moments and goes on.
pub fn kill(lab: &Lab) -> Result<Section> {
    let job = lab.mergesort(NUMBERS)?;
    let whole = lab.proven_anew(&job, &OPTIONS)?;
    let total = whole.count("tasks_run")?;
    let mut section = Section { commands: vec![with_settings(&lab.prove(&job, &OPTIONS))], ..Section::default() };
    let mut rows = Vec::new();
    let mut wrong = 0_u32;
    for _ in 0..lab.rounds {
        lab.fresh_store()?;
        let wait = Duration::from_secs_f64(random() * whole.wall_ms / 1e3);
        let was_running = kill_after(&mut lab.prove(&job, &OPTIONS), wait)?;
        // A kill before the store was made leaves nothing to look at.
        let recorded = match lab.store().exists() {
            true => json(&mut lab.look("verify"))?.count("intact_keys")?,
            false => 0,
        };
        let ran = json(&mut lab.prove(&job, &OPTIONS))?;
        let resumed = Resumed { recorded, run: ran.count("tasks_run")?, reused: ran.count("tasks_reused")? };
        wrong += u32::from(!resumed.ran_only_the_rest(total));
        let after = format!("{:.1} s{}", wait.as_secs_f64(), if was_running { "" } else { " (was done)" });
        let Resumed { recorded, run, reused } = resumed;
        rows.push(vec![after, recorded.to_string(), run.to_string(), reused.to_string(), (run + reused).to_string()]);
    }
    let columns = vec!["killed after", "results on record", "then tasks run", "then tasks reused", "together"];
    section.tables.push(Table { columns, rows });
    section.at_most(
        format!("kills after which not exactly the rest of {total} tasks ran"),
        f64::from(wrong),
        0.0,
        |kills| format!("{kills}"),
    );
    Ok(section)
}

/// A random number from 0 to 1. The seeds of the standard library's hash maps are random, and that is all it takes here.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_task_that_runs_again_is_noticed() {
        let resumed = |recorded, run, reused| Resumed { recorded, run, reused }.ran_only_the_rest(9);
        assert!(resumed(4, 5, 4) && resumed(0, 9, 0) && resumed(10, 0, 9));
        assert!(!resumed(4, 6, 3), "a recorded task ran again");
        assert!(!resumed(4, 4, 4), "a task is missing");
        assert!(!resumed(4, 6, 4), "a task ran twice");
    }

    #[test]
    fn random_numbers_differ_and_lie_between_0_and_1() {
        let numbers: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)));
        assert!(numbers.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
