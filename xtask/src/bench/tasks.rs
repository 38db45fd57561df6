//! The tasks of a run, from the report of `phalanx prove --json`: what each was predicted to take and what it took.

use anyhow::{Context, Result};
use serde_json::Value;

use super::process::Ran;

/// One task that ran.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskRun {
    /// `execute`, `prove`, `fold` or `seal`.
    pub kind: String,
    /// Layer of a fold; 0 for the others.
    pub layer: u32,
    /// Its place in the layer or in the execution.
    pub index: u32,
    /// Whether it was the first of its kind and layer in its process, which loads keys and makes what its like share.
    pub is_first: bool,
    /// From its start to its end.
    pub wall_ms: f64,
    /// Over all its threads.
    pub cpu_ms: f64,
    /// Peak bytes as predicted.
    pub predicted_bytes: f64,
    /// Peak bytes beyond what the process held when it started; none if it did not run alone.
    pub measured_bytes: Option<f64>,
}

impl TaskRun {
    /// `fold, layer 1`
    pub fn sort(&self) -> String {
        if self.kind == "fold" { format!("fold, layer {}", self.layer) } else { self.kind.clone() }
    }
}

/// The tasks that ran, in the order they started.
pub fn tasks_run(ran: &Ran) -> Result<Vec<TaskRun>> {
    let tasks = ran.json["tasks"].as_array().context("`tasks` is not among what `phalanx prove` printed")?;
    let mut tasks = tasks.iter().filter(|task| task["reused"] != Value::Bool(true)).collect::<Vec<_>>();
    tasks.sort_by_key(|task| task["start_ms"].as_u64());
    let mut runs: Vec<TaskRun> = Vec::new();
    for task in tasks {
        let number = |name: &str| task[name].as_f64().with_context(|| format!("a task without `{name}`: {task}"));
        let kind = task["kind"].as_str().with_context(|| format!("a task without `kind`: {task}"))?.to_owned();
        let (layer, index) = (number("layer")? as u32, number("index")? as u32);
        runs.push(TaskRun {
            is_first: runs.iter().all(|run| (&run.kind, run.layer) != (&kind, layer)),
            kind,
            layer,
            index,
            wall_ms: number("wall_ms")?,
            cpu_ms: number("cpu_ms")?,
            predicted_bytes: number("predicted_peak_bytes")?,
            measured_bytes: task["measured_peak_bytes"].as_f64(),
        });
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::lab::tests::ran;

    /// The report that the command line's own test pins.
    const REPORT: &str = include_str!("../../../crates/cli/tests/json/prove.json");

    #[test]
    fn tasks_are_read_from_the_report_that_the_command_line_writes() {
        let tasks = tasks_run(&ran(serde_json::from_str(REPORT).unwrap())).unwrap();
        let sorts: Vec<_> = tasks.iter().map(|task| (task.sort(), task.index, task.is_first)).collect();
        let expected = [("prove", 0, true), ("prove", 1, false), ("fold, layer 0", 0, true), ("seal", 0, true)];
        assert_eq!(sorts, expected.map(|(sort, index, first)| (sort.to_owned(), index, first)));
        assert_eq!(tasks[3].measured_bytes, Some(3.9e9));
        assert_eq!(tasks[0].measured_bytes, None);
    }

    #[test]
    fn a_report_without_tasks_is_refused_by_name() {
        let error = tasks_run(&ran(serde_json::json!({}))).unwrap_err().to_string();
        assert!(error.contains("`tasks`"), "{error}");
    }
}
