//! Two provers side by side: what each took in every round, and how many times as fast one is.

use anyhow::Result;

use crate::bench::{
    lab::Job,
    process::Ran,
    section::Section,
    stats::median,
    tasks::{TaskRun, tasks_run},
};

/// The runs of both provers.
#[derive(Default)]
pub struct Runs {
    /// None if it could not prove the job every time.
    pub upstream: Vec<Ran>,
    /// One for each round.
    pub swirl: Vec<Ran>,
}

/// One quantity of both provers in all rounds.
pub struct Compared {
    /// What it is.
    pub what: String,
    upstream: Vec<f64>,
    swirl: Vec<f64>,
}

impl Compared {
    /// Reads the quantity from the runs.
    pub fn new(what: impl Into<String>, runs: &Runs, of: impl Fn(&[Ran]) -> Result<Vec<f64>>) -> Result<Self> {
        Ok(Self { what: what.into(), upstream: of(&runs.upstream)?, swirl: of(&runs.swirl)? })
    }

    /// Upstream's median by swirl's. None if upstream has none.
    fn ratio(&self) -> Option<f64> {
        let middle = |values: &[f64]| median(values.iter().copied());
        (!self.upstream.is_empty()).then(|| middle(&self.upstream) / middle(&self.swirl))
    }

    /// Program, quantity, upstream, swirl, ratio.
    pub fn row(&self, job: &Job, show: impl Fn(&[f64]) -> String) -> Vec<String> {
        let shown = |values: &[f64]| if values.is_empty() { "-".to_owned() } else { show(values) };
        let ratio = self.ratio().map_or("-".to_owned(), times);
        vec![job.name.clone(), self.what.clone(), shown(&self.upstream), shown(&self.swirl), ratio]
    }

    /// Upstream must take so many times what swirl takes.
    pub fn at_least(&self, job: &Job, section: &mut Section, limit: f64) {
        if let Some(ratio) = self.ratio() {
            section.at_least(format!("{}: {}, upstream / swirl", job.name, self.what), ratio, limit, times);
        }
    }

    /// Swirl may take such a part of what upstream takes.
    pub fn at_most(&self, job: &Job, section: &mut Section, limit: f64) {
        if let Some(ratio) = self.ratio() {
            section.at_most(format!("{}: {}, swirl / upstream", job.name, self.what), 1.0 / ratio, limit, times);
        }
    }
}

fn times(ratio: f64) -> String {
    format!("{ratio:.2} ×")
}

/// Sums over the tasks of each name, in the order in which the first of them started. The execution is left out.
pub fn compared_tasks(
    runs: &Runs,
    name: impl Fn(&TaskRun) -> String,
    of: impl Fn(&TaskRun) -> f64,
) -> Result<Vec<Compared>> {
    let mut names: Vec<String> = Vec::new();
    for task in proving(&runs.swirl)?.iter().flatten() {
        let name = name(task);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let sum = |tasks: &Vec<TaskRun>, what: &str| tasks.iter().filter(|task| name(task) == what).map(&of).sum();
    let sums = |what: &str, runs: &[Ran]| Ok(proving(runs)?.iter().map(|tasks| sum(tasks, what)).collect());
    names.into_iter().map(|what| Compared::new(what.clone(), runs, |runs| sums(&what, runs))).collect()
}

/// The tasks of each run that proved something.
fn proving(runs: &[Ran]) -> Result<Vec<Vec<TaskRun>>> {
    let proving = |tasks: Vec<TaskRun>| tasks.into_iter().filter(|task| task.kind != "execute").collect();
    runs.iter().map(|ran| tasks_run(ran).map(proving)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bench::lab::tests::{lab, ran};

    fn runs(upstream: &[u64], swirl: &[u64]) -> Runs {
        let runs = |walls: &[u64]| walls.iter().map(|wall_ms| ran(json!({"wall_ms": wall_ms}))).collect();
        Runs { upstream: runs(upstream), swirl: runs(swirl) }
    }

    fn walls(runs: &[Ran]) -> Result<Vec<f64>> {
        runs.iter().map(|ran| ran.number("wall_ms")).collect()
    }

    #[test]
    fn the_ratio_is_that_of_the_medians() {
        let folder = tempfile::tempdir().unwrap();
        let job = lab(folder.path()).fibonacci(1).unwrap();
        let wall = Compared::new("wall", &runs(&[60, 90, 30], &[20, 19, 900]), walls).unwrap();
        let mut section = Section::default();
        wall.at_least(&job, &mut section, 3.0);
        wall.at_most(&job, &mut section, 0.3);
        let verdicts: Vec<_> = section.numbers.iter().map(|number| (&*number.measured, number.is_met)).collect();
        assert_eq!(verdicts, [("3.00 ×", true), ("0.33 ×", false)]);
    }

    #[test]
    fn tasks_of_one_name_are_added_in_each_run() {
        let task = |kind: &str, layer: u32, start_ms: u32, wall_ms: u32| {
            json!({"kind": kind, "layer": layer, "index": 0, "start_ms": start_ms, "wall_ms": wall_ms, "cpu_ms": 1,
                "predicted_peak_bytes": 1})
        };
        let run = |fold_ms| {
            let tasks =
                [task("fold", 1, 5, 7), task("prove", 0, 1, 1), task("prove", 0, 2, 2), task("execute", 0, 0, 9)];
            let tasks = [&tasks[..], &[task("fold", 0, 3, fold_ms)]].concat();
            ran(json!({ "tasks": tasks }))
        };
        let runs = Runs { upstream: vec![run(40)], swirl: vec![run(10), run(20)] };
        let tasks = compared_tasks(&runs, TaskRun::sort, |task| task.wall_ms).unwrap();
        let read: Vec<_> = tasks.iter().map(|task| (&*task.what, &*task.upstream, &*task.swirl)).collect();
        let expected = [
            ("prove", &[3.0][..], &[3.0, 3.0][..]),
            ("fold, layer 0", &[40.0], &[10.0, 20.0]),
            ("fold, layer 1", &[7.0], &[7.0, 7.0]),
        ];
        assert_eq!(read, expected);
    }
}
