//! `ram`: whether a run stays within `--ram`, and how well the peak of each task is predicted.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

use super::{
    lab::{Item, Job, Lab, numbers},
    machine::Machine,
    process::{Ran, json, unless_refused, with_settings},
    section::{Section, Table},
    stats::{gib, largest, percent, seconds},
    tasks::{TaskRun, tasks_run},
};

/// 2.8 million cycles.
const NUMBERS: u32 = 8_000;
/// Part of the measured peak by which a prediction may be off.
const DEVIATION_MAX: f64 = 0.15;
/// Long enough to be typical, short enough for any machine.
const SEGMENT_CYCLES_ALONE: &str = "500000";

/// The budgets, then the predictions.
pub fn run(lab: &Lab) -> Result<Section> {
    let mut section = Section::default();
    let mut tasks = Vec::new();
    budgets(lab, &mut section, &mut tasks)?;
    let jobs = [
        lab.mergesort(5_000)?,
        lab.job("sha256-chain-ext", "2000", &[Item::File("guests/inputs/message.txt"), rounds(2_000)])?,
        lab.job("json", "", &[Item::File("guests/inputs/rivers.json"), Item::File("guests/inputs/field.txt")])?,
    ];
    for job in &jobs {
        let (ran, command) = proven_alone(lab, job)?;
        tasks.extend(tasks_run(&ran)?);
        section.commands.push(command);
    }
    predictions(&mut section, &tasks)?;
    Ok(section)
}

/// A number of rounds as the chains of hashes read it.
pub fn rounds(rounds: u32) -> Item {
    Item::Bytes(rounds.to_le_bytes().to_vec())
}

/// Proves one task at a time after the execution, so that every task can be measured.
fn proven_alone(lab: &Lab, job: &Job) -> Result<(Ran, String)> {
    let options = ["--segment-cycles", SEGMENT_CYCLES_ALONE];
    lab.fresh_store()?;
    json(&mut lab.execute(job, &options))?;
    let mut prove = lab.prove(job, &[&options[..], &["--jobs", "1"]].concat());
    Ok((json(&mut prove)?, with_settings(&prove)))
}

fn budgets(lab: &Lab, section: &mut Section, tasks: &mut Vec<TaskRun>) -> Result<()> {
    let job = lab.mergesort(NUMBERS)?;
    let mut rows = Vec::new();
    let mut worst = 0.0_f64;
    for ram in &lab.ram {
        let budget = bytes(ram)?;
        if budget > Machine::ram_free_bytes() as f64 {
            println!("skipping --ram {ram}: so much is not free");
            continue;
        }
        let mut runs = Vec::new();
        for _ in 0..lab.rounds {
            lab.fresh_store()?;
            let mut prove = lab.prove(&job, &["--ram", ram]);
            println!("$ {}", with_settings(&prove));
            runs.extend(unless_refused(&mut prove)?);
        }
        section.commands.push(with_settings(&lab.prove(&job, &["--ram", ram])));
        if runs.is_empty() {
            rows.push(vec![ram.clone(), "refused".into(), "-".into(), "-".into(), "-".into()]);
            continue;
        }
        ensure!(runs.len() == lab.rounds, "--ram {ram} was refused in some rounds only");
        for ran in &runs {
            tasks.extend(tasks_run(ran)?);
        }
        let peak = largest(numbers(&runs, "peak_rss_bytes")?);
        worst = worst.max(peak / budget);
        let segments = largest(numbers(&runs, "segments")?);
        let share = format!("{:.0} %", 100.0 * peak / budget);
        rows.push(vec![ram.clone(), segments.to_string(), gib(peak), share, seconds(&numbers(&runs, "wall_ms")?)]);
    }
    ensure!(worst > 0.0, "no budget could be measured: choose others with --ram");
    section
        .tables
        .push(Table { columns: vec!["--ram", "segments", "highest peak RSS", "of the budget", "wall"], rows });
    section.at_most("highest peak RSS / budget", worst, 1.0, |share| format!("{:.0} %", 100.0 * share));
    Ok(())
}

/// A row for each sort of task, and the worst of all.
fn predictions(section: &mut Section, tasks: &[TaskRun]) -> Result<()> {
    let mut sorts: BTreeMap<(String, bool), Vec<f64>> = BTreeMap::new();
    for task in tasks {
        if let Some(measured) = task.measured_bytes.filter(|bytes| *bytes > 0.0) {
            let off = task.predicted_bytes / measured - 1.0;
            sorts.entry((task.sort(), !task.is_first)).or_default().push(off);
        }
    }
    ensure!(!sorts.is_empty(), "no task ran alone, so none was measured");
    let within = |off: &&f64| off.abs() <= DEVIATION_MAX;
    let farthest = |off: &[f64]| off.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
    let row = |((sort, is_later), off): (&(String, bool), &Vec<f64>)| {
        let which = if *is_later { "later" } else { "first of its process" };
        let share = format!("{} of {}", off.iter().filter(within).count(), off.len());
        vec![sort.clone(), which.to_owned(), share, percent(farthest(off))]
    };
    let rows = sorts.iter().map(row).collect();
    section.tables.push(Table { columns: vec!["task", "which", "within ±15 %", "worst prediction"], rows });
    let all: Vec<f64> = sorts.into_values().flatten().collect();
    let share = all.iter().filter(within).count() as f64 / all.len() as f64;
    section.at_least("tasks whose peak is within ±15 % of the prediction", share, 1.0, |share| {
        format!("{:.0} %", 100.0 * share)
    });
    section.at_most("worst prediction", farthest(&all).abs(), DEVIATION_MAX, |off| format!("{:.1} %", 100.0 * off));
    section.notes.push(
        "A task is measured when nothing else ran from its start to its end and it took longer than some samples. Its peak \
         leaves out what stays after it, such as keys, which the budget counts once for the process."
            .to_owned(),
    );
    Ok(())
}

/// Binary units only, which is what the budgets here are written in.
fn bytes(text: &str) -> Result<f64> {
    let (number, factor) = match text.as_bytes().last() {
        Some(b'G') => (&text[..text.len() - 1], f64::from(1 << 30)),
        Some(b'M') => (&text[..text.len() - 1], f64::from(1 << 20)),
        _ => (text, 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number * factor),
        _ => bail!("`{text}` is no budget: write 8G, 512M or bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(layer: u32, predicted_bytes: f64, measured_bytes: Option<f64>) -> TaskRun {
        let (kind, is_first) = ("fold".to_owned(), false);
        TaskRun { kind, layer, index: 0, is_first, wall_ms: 1.0, cpu_ms: 1.0, predicted_bytes, measured_bytes }
    }

    #[test]
    fn budgets_are_in_binary_units() {
        assert_eq!(bytes("6G").unwrap(), 6.0 * 1024.0 * 1024.0 * 1024.0);
        assert_eq!(bytes("1.5M").unwrap(), 1.5 * 1024.0 * 1024.0);
        assert_eq!(bytes("7").unwrap(), 7.0);
        for bad in ["", "G", "-1G", "6GB", "infG"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_prediction_is_judged_against_what_was_measured() {
        let mut section = Section::default();
        let tasks = [task(0, 110.0, Some(100.0)), task(0, 80.0, Some(100.0)), task(1, 5.0, None)];
        predictions(&mut section, &tasks).unwrap();
        assert_eq!(section.tables[0].rows, [["fold, layer 0", "later", "1 of 2", "-20.0 %"]]);
        assert_eq!(
            section.numbers.iter().map(|number| number.measured.as_str()).collect::<Vec<_>>(),
            ["50 %", "20.0 %"]
        );
        assert!(section.numbers.iter().all(|number| !number.is_met));
    }

    #[test]
    fn predictions_of_nothing_are_not_called_good() {
        assert!(predictions(&mut Section::default(), &[task(0, 1.0, None)]).is_err());
    }
}
