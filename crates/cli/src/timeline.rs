//! The picture of a job: which task ran when, on which slot, with its cycles and RAM.
//!
//! In: the records of a finished job. Out: one HTML page with its drawing inside; it loads nothing, works without a
//! script, with the keyboard, in light and dark, and says everything again in a table. Pure.

mod chart;

use std::{fmt::Write, time::Duration};

use phalanx_worker::TaskRecord;

use crate::{
    size,
    text::{count, duration, thousands},
};

const PAGE: &str = include_str!("timeline/page.html");

/// A finished job, to be drawn.
pub struct Timeline<'a> {
    /// What was proven: the program's file name.
    pub title: &'a str,
    /// Name and value, shown above the picture.
    pub facts: Vec<(&'static str, String)>,
    /// Every task of the report.
    pub tasks: &'a [TaskRecord],
    /// From the start to the end of the job.
    pub wall_ms: u64,
    /// What the engine holds besides running tasks.
    pub resident_bytes: u64,
    /// What the job was allowed.
    pub ram_bytes: u64,
}

impl Timeline<'_> {
    /// The page.
    pub fn page(&self) -> String {
        fill(PAGE, |name| match name {
            "title" => escape(self.title),
            "facts" => self.facts(),
            "lanes" => chart::lanes(self).labels(),
            "chart" => chart::svg(self),
            "count" => count(self.tasks.len() as u64, "task"),
            "rows" => self.rows(),
            _ => String::new(),
        })
    }

    fn facts(&self) -> String {
        let fact = |(name, value): &(_, String)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value));
        self.facts.iter().map(fact).collect()
    }

    fn rows(&self) -> String {
        let mut rows = String::new();
        for (at, task) in self.tasks.iter().enumerate() {
            let slot = if task.reused { "–".to_owned() } else { task.slot.to_string() };
            let cells = [
                slot,
                seconds(task.start_ms),
                seconds(task.end_ms.saturating_sub(task.start_ms)),
                seconds(task.cpu_ms),
                task.cores.to_string(),
                if task.cycles == 0 { "–".to_owned() } else { thousands(task.cycles) },
                ram(Some(task.predicted_peak_bytes)),
                if task.reused { ram(Some(0)) } else { ram(task.measured_peak_bytes) },
                if task.reused { "reused" } else { "ran" }.to_owned(),
            ];
            let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(rows, r#"<tr id="t{at}"><th scope="row">{}</th>{cells}</tr>"#, task.name);
        }
        rows
    }
}

/// Everything about one task in a sentence: the tooltip, and what a screen reader says.
fn sentence(task: &TaskRecord) -> String {
    let mut parts = vec![task.name.to_string()];
    if task.reused {
        parts.push("reused from the store".to_owned());
    } else {
        let wall = task.end_ms.saturating_sub(task.start_ms);
        let (wall, cpu) = (shown(wall), shown(task.cpu_ms));
        parts.push(format!("slot {}, from {} to {}", task.slot, shown(task.start_ms), shown(task.end_ms)));
        parts.push(format!("{wall}, CPU {cpu} on {}", count(task.cores as u64, "core")));
    }
    if task.cycles > 0 {
        parts.push(count(task.cycles, "cycle"));
    }
    if task.predicted_peak_bytes > 0 {
        parts.push(format!(
            "RAM predicted {}, measured {}",
            ram(Some(task.predicted_peak_bytes)),
            ram(task.measured_peak_bytes)
        ));
    }
    if task.attempt > 1 {
        parts.push(format!("attempt {}", task.attempt));
    }
    parts.join("; ")
}

fn shown(ms: u64) -> String {
    duration(Duration::from_millis(ms))
}

fn seconds(ms: u64) -> String {
    format!("{}.{:02}", ms / 1000, ms % 1000 / 10)
}

fn ram(bytes: Option<u64>) -> String {
    match bytes {
        Some(0) => "–".to_owned(),
        Some(bytes) => size::show(bytes),
        None => "not known".to_owned(),
    }
}

/// Replaces each `{{name}}` of the template. What is put in is not looked at again, so a file name cannot name a place.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut page = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, tail)| Some((before, tail.split_once("}}")?)))
    {
        page.push_str(before);
        page.push_str(&value(name));
        rest = after;
    }
    page + rest
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
