//! `prover` and `prover-many`: swirl against OpenVM's own prover. All else is the same, and so are the proofs.

mod compared;

use std::{
    cell::RefCell,
    fs::{self, File},
    process::Command,
    slice,
};

use anyhow::{Context, Result, anyhow, ensure};

use self::compared::{Compared, Runs, compared_tasks};

use super::{
    lab::{Job, Lab, numbers, same},
    phases,
    process::{Attempt, Ran, attempt, json, printed, unless_refused, with_settings},
    receipt::equal_cut,
    section::{Section, Table},
    stats::{counts, gibs, largest, seconds, thousands},
    tasks::{TaskRun, tasks_run},
};
use crate::command::command;

const UPSTREAM: &str = "upstream";
const SWIRL: &str = "swirl";

/// Additions of Fibonacci numbers: 1.05 million cycles.
const SMALL: u64 = 70_000;
/// 4.0 million cycles.
const LARGE: u64 = 266_653;
/// More than what is predicted for the large one by its cycles; what it takes is less.
const LARGE_RAM: &str = "48G";
/// What the large one must fit in: an option and bytes.
const LARGE_FITS: (&str, f64) = ("16GB", 16e9);
/// Numbers to sort: 3.4 million cycles.
const MANY: u32 = 10_000;
const MANY_SEGMENTS: u64 = 8;

const RECEIPT_RATIO_MIN: f64 = 3.0;
const PROOF_RATIO_MIN: f64 = 3.0;
const FOLD_RATIO_MIN: f64 = 2.5;
const PEAK_PART_MAX: f64 = 1.0;
const FAULTS_PART_MAX: f64 = 0.1;

/// One segment, small and large; then swirl's phases, and what this machine's cores do at most.
pub fn one(lab: &Lab) -> Result<Section> {
    let mut section = Section::default();
    let mut rows = Vec::new();
    let small = lab.fibonacci(SMALL)?;
    let cycles = lab.cycles(&small)?.to_string();
    let small_options = ["--segment-cycles", cycles.as_str(), "--jobs", "1"];
    let runs = in_turns(lab, &small, &small_options, 1, &mut section)?;
    one_segment(&small, &runs, &mut section, &mut rows)?;
    sdk_faults(lab, &small, runs.swirl, &mut section, &mut rows)?;

    let large = lab.fibonacci(LARGE)?;
    let cycles = lab.cycles(&large)?.to_string();
    let cut = ["--segment-cycles", cycles.as_str(), "--jobs", "1"];
    let runs = in_turns(lab, &large, &[&cut[..], &["--ram", LARGE_RAM]].concat(), 1, &mut section)?;
    one_segment(&large, &runs, &mut section, &mut rows)?;
    fits(lab, &large, &cut, &runs.swirl, &mut section)?;

    section.tables.push(Table { columns: columns(), rows });
    phases_of(lab, &small, &small_options, &mut section)?;
    limits(lab, &mut section)?;
    Ok(section)
}

/// Eight segments, as many at once as phalanx sees fit.
pub fn many(lab: &Lab) -> Result<Section> {
    let mut section = Section::default();
    let job = lab.mergesort(MANY)?;
    let cut = equal_cut(lab.cycles(&job)?, MANY_SEGMENTS).to_string();
    let runs = in_turns(lab, &job, &["--segment-cycles", &cut], MANY_SEGMENTS, &mut section)?;
    let mut rows = Vec::new();
    many_segments(&job, &runs, &mut section, &mut rows)?;
    section.tables.push(Table { columns: columns(), rows });
    Ok(section)
}

fn columns() -> Vec<&'static str> {
    vec!["program", "what", UPSTREAM, SWIRL, "upstream / swirl"]
}

/// A command that proves with one of the provers.
fn prove(lab: &Lab, job: &Job, prover: &str, options: &[&str]) -> Command {
    lab.prove(job, &[&["--prover", prover], options].concat())
}

/// Runs both in turn and says what was run.
fn in_turns(lab: &Lab, job: &Job, options: &[&str], segments: u64, section: &mut Section) -> Result<Runs> {
    let run = |prover: &str| {
        lab.fresh_store()?;
        let mut prove = prove(lab, job, prover, options);
        println!("$ {}", with_settings(&prove));
        attempt(&mut prove)
    };
    let (runs, failure) = turns(lab, run)?;
    section.commands.extend([UPSTREAM, SWIRL].map(|prover| with_settings(&prove(lab, job, prover, options))));
    section.notes.push(format!("{}: {} cycles.", job.name, thousands(same(&runs.swirl, "cycles")? as f64)));
    if let Some(failure) = failure {
        section.notes.push(format!(
            "Upstream's prover could not prove {} on this machine: {failure}. So swirl stands alone.",
            job.name
        ));
    }
    for (name, runs) in [(UPSTREAM, &runs.upstream), (SWIRL, &runs.swirl)] {
        let cut = runs.iter().map(|ran| ran.count("segments")).collect::<Result<Vec<_>>>()?;
        ensure!(cut.iter().all(|cut| *cut == segments), "{}, {name}: {cut:?} segments, not {segments}", job.name);
    }
    Ok(runs)
}

/// The runs of both in turn. If upstream fails for want of RAM it does not run again, and why is given.
fn turns(lab: &Lab, run: impl Fn(&str) -> Result<Attempt>) -> Result<(Runs, Option<String>)> {
    let failure = RefCell::new(None);
    let upstream = || {
        if failure.borrow().is_some() {
            return Ok(None);
        }
        let ran = done(run(UPSTREAM)?);
        Ok(ran.map_err(|why| failure.replace(Some(why))).ok())
    };
    let swirl = || done(run(SWIRL)?).map(Some).map_err(|why| anyhow!("swirl did not prove it: {why}"));
    let mut runs =
        lab.take_turns(1, &[&upstream, &swirl])?.into_iter().map(|runs| runs.into_iter().flatten().collect());
    let mut runs = Runs { upstream: runs.next().unwrap_or_default(), swirl: runs.next().unwrap_or_default() };
    let failure = failure.into_inner();
    if failure.is_some() {
        // Some rounds are not all rounds.
        runs.upstream.clear();
    }
    Ok((runs, failure))
}

/// The run, or in words why there is none.
fn done(attempt: Attempt) -> Result<Ran, String> {
    match attempt {
        Attempt::Done(ran) => Ok(ran),
        Attempt::Refused => Err("phalanx refused it".to_owned()),
        Attempt::Killed(status) => Err(format!("it ended with {status}, as processes do when RAM runs out")),
    }
}

/// Each task, then the whole receipt.
fn one_segment(job: &Job, runs: &Runs, section: &mut Section, rows: &mut Vec<Vec<String>>) -> Result<()> {
    let name = |task: &TaskRun| if task.kind == "prove" { "segment proof".to_owned() } else { task.sort() };
    for task in compared_tasks(runs, name, |task| task.wall_ms)? {
        let limit = if task.what == "segment proof" { PROOF_RATIO_MIN } else { FOLD_RATIO_MIN };
        task.at_least(job, section, limit);
        rows.push(task.row(job, seconds));
    }
    whole_receipt(job, runs, section, rows)
}

/// Page faults beside those of the plain SDK, whose allocator gives back what it frees. Both provers of phalanx share an
/// allocator that does not.
fn sdk_faults(lab: &Lab, job: &Job, swirl: Vec<Ran>, section: &mut Section, rows: &mut Vec<Vec<String>>) -> Result<()> {
    let mut sdk = lab.sdk(job, None);
    println!("$ {}", with_settings(&sdk));
    let runs = (0..lab.rounds).map(|_| json(&mut sdk)).collect::<Result<_>>()?;
    section.commands.push(with_settings(&sdk));
    judge_faults(job, &Runs { upstream: runs, swirl }, section, rows)
}

fn judge_faults(job: &Job, runs: &Runs, section: &mut Section, rows: &mut Vec<Vec<String>>) -> Result<()> {
    let faults = Compared::new("minor page faults, with the plain SDK as upstream", runs, minor_faults)?;
    rows.push(faults.row(job, counts));
    faults.at_most(job, section, FAULTS_PART_MAX);
    Ok(())
}

fn minor_faults(runs: &[Ran]) -> Result<Vec<f64>> {
    Ok(runs.iter().map(|ran| ran.minor_faults as f64).collect())
}

/// CPU time of each kind of task, then the whole receipt.
fn many_segments(job: &Job, runs: &Runs, section: &mut Section, rows: &mut Vec<Vec<String>>) -> Result<()> {
    for task in compared_tasks(runs, |task| format!("CPU, all of {}", task.kind), |task| task.cpu_ms)? {
        rows.push(task.row(job, seconds));
    }
    whole_receipt(job, runs, section, rows)
}

/// What the process took.
fn whole_receipt(job: &Job, runs: &Runs, section: &mut Section, rows: &mut Vec<Vec<String>>) -> Result<()> {
    let wall = Compared::new("whole receipt", runs, |runs| numbers(runs, "wall_ms"))?;
    let cpu = Compared::new("whole receipt, CPU", runs, |runs| numbers(runs, "cpu_ms"))?;
    let peak = Compared::new("peak RSS", runs, |runs| numbers(runs, "peak_rss_bytes"))?;
    let faults = Compared::new("minor page faults", runs, minor_faults)?;
    rows.extend([wall.row(job, seconds), cpu.row(job, seconds), peak.row(job, gibs), faults.row(job, counts)]);
    wall.at_least(job, section, RECEIPT_RATIO_MIN);
    peak.at_most(job, section, PEAK_PART_MAX);
    Ok(())
}

/// Whether swirl proves the job in one segment with no more RAM than it must fit in.
fn fits(lab: &Lab, job: &Job, cut: &[&str], runs: &[Ran], section: &mut Section) -> Result<()> {
    let mut prove = prove(lab, job, SWIRL, &[cut, &["--ram", LARGE_FITS.0]].concat());
    lab.fresh_store()?;
    println!("$ {}", with_settings(&prove));
    let ran = unless_refused(&mut prove)?;
    section.commands.push(with_settings(&prove));
    judge_fit(job, ran, runs, section)
}

/// Judges the run with little RAM, or those with more if phalanx refused it or cut the job.
fn judge_fit(job: &Job, ran: Option<Ran>, runs: &[Ran], section: &mut Section) -> Result<()> {
    let (ram, bytes) = LARGE_FITS;
    let whole = ran.filter(|ran| ran.count("segments").is_ok_and(|segments| segments == 1));
    let (with, runs) = match &whole {
        Some(ran) => (ram, slice::from_ref(ran)),
        None => {
            section.notes.push(format!(
                "With `--ram {ram}` phalanx does not prove {} in one segment, because the cost model predicts more. \
                 Its peak is judged with `--ram {LARGE_RAM}`, where the allocator keeps what is freed.",
                job.name
            ));
            (LARGE_RAM, runs)
        }
    };
    let what = format!("{}: highest peak RSS of swirl with --ram {with}", job.name);
    let peak = largest(numbers(runs, "peak_rss_bytes")?);
    section.at_most(what, peak, bytes, |bytes| format!("{:.2} GB", bytes / 1e9));
    Ok(())
}

/// A run of swirl that says how long its phases took.
fn phases_of(lab: &Lab, job: &Job, options: &[&str], section: &mut Section) -> Result<()> {
    let path = lab.folder.join("phases.log");
    let log = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut prove = prove(lab, job, SWIRL, options);
    prove.env(phases::SETTING.0, phases::SETTING.1).stderr(log);
    lab.fresh_store()?;
    let ran = json(&mut prove).with_context(|| format!("what it said is in {}", path.display()))?;
    let log = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let tasks = tasks_run(&ran)?;
    let task = tasks.iter().find(|task| task.kind == "prove").context("no segment was proven")?;
    let phases = phases::of_first_proof(&String::from_utf8_lossy(&log));
    let table = phases::table(&phases, task.wall_ms).with_context(|| format!("in {}", path.display()))?;
    section.tables.push(table);
    section.commands.push(with_settings(&prove));
    section.notes.push(format!(
        "The phases are those of swirl's segment proof of {} in one run more. A phase with two names is part of the \
         one named first. All else of the task is loading keys, committing to the program, making traces and checking \
         the proof.",
        job.name
    ));
    Ok(())
}

/// What this machine's cores do at most, as the example prints it.
fn limits(lab: &Lab, section: &mut Section) -> Result<()> {
    let mut limits = command(&lab.limits, &[]);
    let text = printed(&mut limits)?;
    section.commands.push(with_settings(&limits));
    section.notes.push(format!("What this machine does at most:\n\n```text\n{}\n```", text.trim_end()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

    use serde_json::json;

    use super::*;
    use crate::bench::lab::tests::{lab, ran};

    /// A run of three tasks that took so long all in all, with a tenth of it in the segment proof.
    fn run(wall_ms: u64, peak_gb: f64, minor_faults: u64) -> Ran {
        let task = |kind: &str, wall_ms: u64, start_ms: u64| {
            json!({"kind": kind, "layer": 0, "index": 0, "start_ms": start_ms, "wall_ms": wall_ms,
                "cpu_ms": 2 * wall_ms, "predicted_peak_bytes": 1})
        };
        let tasks = [task("fold", wall_ms / 2, 9), task("prove", wall_ms / 10, 1), task("execute", 1, 0)];
        let json = json!({"cycles": 9, "segments": 1, "wall_ms": wall_ms, "cpu_ms": 1, "tasks": tasks,
            "peak_rss_bytes": peak_gb * 1e9});
        Ran { minor_faults, ..ran(json) }
    }

    fn job() -> Job {
        let folder = tempfile::tempdir().unwrap();
        lab(folder.path()).fibonacci(7).unwrap()
    }

    fn verdicts(section: &Section) -> Vec<(&str, &str, bool)> {
        section.numbers.iter().map(|number| (&*number.what, &*number.measured, number.is_met)).collect()
    }

    #[test]
    fn each_task_and_the_receipt_are_judged_by_their_own_limits() {
        let runs = Runs { upstream: vec![run(290_000, 10.0, 1_000)], swirl: vec![run(100_000, 11.0, 100)] };
        let (mut section, mut rows) = (Section::default(), Vec::new());
        one_segment(&job(), &runs, &mut section, &mut rows).unwrap();
        judge_faults(&job(), &runs, &mut section, &mut rows).unwrap();
        let expected = [
            ("fibonacci 7: segment proof, upstream / swirl", "2.90 ×", false),
            ("fibonacci 7: fold, layer 0, upstream / swirl", "2.90 ×", true),
            ("fibonacci 7: whole receipt, upstream / swirl", "2.90 ×", false),
            ("fibonacci 7: peak RSS, swirl / upstream", "1.10 ×", false),
            ("fibonacci 7: minor page faults, with the plain SDK as upstream, swirl / upstream", "0.10 ×", true),
        ];
        assert_eq!(verdicts(&section), expected);
        assert_eq!(rows[0], ["fibonacci 7", "segment proof", "29.0 s", "10.0 s", "2.90 ×"]);
        assert!(rows.iter().all(|row| row.len() == columns().len()));
    }

    #[test]
    fn swirl_alone_has_its_rows_and_no_verdicts() {
        let runs = Runs { upstream: Vec::new(), swirl: vec![run(100_000, 11.0, 100)] };
        let (mut section, mut rows) = (Section::default(), Vec::new());
        one_segment(&job(), &runs, &mut section, &mut rows).unwrap();
        assert_eq!(rows[1], ["fibonacci 7", "fold, layer 0", "-", "50.0 s", "-"]);
        assert_eq!(verdicts(&section), []);
    }

    #[test]
    fn many_segments_are_judged_as_a_whole() {
        let runs = Runs { upstream: vec![run(330_000, 10.0, 1)], swirl: vec![run(100_000, 10.0, 1)] };
        let (mut section, mut rows) = (Section::default(), Vec::new());
        many_segments(&job(), &runs, &mut section, &mut rows).unwrap();
        assert_eq!(rows[1], ["fibonacci 7", "CPU, all of fold", "330.0 s", "100.0 s", "3.30 ×"]);
        let met: Vec<_> = section.numbers.iter().map(|number| (number.measured.as_str(), number.is_met)).collect();
        assert_eq!(met, [("3.30 ×", true), ("1.00 ×", true)]);
    }

    #[test]
    fn upstream_may_run_out_of_ram_and_swirl_may_not() {
        let folder = tempfile::tempdir().unwrap();
        let killed = || Ok(Attempt::Killed(ExitStatus::from_raw(9)));
        let order = RefCell::new(Vec::new());
        let upstream_fails_in_round = |round: usize| {
            let (order, lab) = (&order, lab(folder.path()));
            turns(&lab, move |prover| {
                order.borrow_mut().push(prover.to_owned());
                let rounds = order.borrow().iter().filter(|name| *name == UPSTREAM).count();
                if prover == UPSTREAM && rounds == round { killed() } else { Ok(Attempt::Done(run(1, 1.0, 1))) }
            })
        };
        let (runs, failure) = upstream_fails_in_round(1).unwrap();
        assert_eq!((runs.upstream.len(), runs.swirl.len()), (0, 2));
        assert!(failure.unwrap().contains("signal: 9"));
        assert_eq!(order.take(), [UPSTREAM, SWIRL, SWIRL], "what fails once would fail again");
        let (runs, failure) = upstream_fails_in_round(2).unwrap();
        assert!(runs.upstream.is_empty() && failure.is_some());
        assert_eq!(order.take(), [UPSTREAM, SWIRL, UPSTREAM, SWIRL]);
        let (runs, failure) = upstream_fails_in_round(3).unwrap();
        assert_eq!((runs.upstream.len(), runs.swirl.len(), failure), (2, 2, None));
        assert!(turns(&lab(folder.path()), |_| killed()).is_err());
    }

    #[test]
    fn the_fit_is_judged_with_little_ram_if_that_is_one_segment() {
        let cut = Ran { json: json!({"segments": 2, "peak_rss_bytes": 1e9}), ..run(1, 1.0, 1) };
        for (ran, with, measured) in [
            (Some(run(1, 12.0, 1)), "16GB", "12.00 GB"),
            (Some(cut), LARGE_RAM, "17.00 GB"),
            (None, LARGE_RAM, "17.00 GB"),
        ] {
            let mut section = Section::default();
            judge_fit(&job(), ran, &[run(1, 15.0, 1), run(1, 17.0, 1)], &mut section).unwrap();
            let number = &section.numbers[0];
            assert_eq!((number.measured.as_str(), number.is_met), (measured, measured == "12.00 GB"));
            assert!(number.what.ends_with(with) && section.notes.is_empty() == (with == "16GB"), "{section:?}");
        }
    }

    #[test]
    fn the_prover_is_all_that_differs() {
        let folder = tempfile::tempdir().unwrap();
        let (lab, job) = (lab(folder.path()), job());
        let [upstream, swirl] = [UPSTREAM, SWIRL].map(|name| with_settings(&prove(&lab, &job, name, &["--jobs", "1"])));
        assert!(upstream.contains("--prover upstream --jobs 1"), "{upstream}");
        assert_eq!(upstream.replace(UPSTREAM, SWIRL), swirl);
    }
}
