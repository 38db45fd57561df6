//! `service`: what the service adds to proving on one machine, and what a second worker brings.
//!
//! A gateway and its workers are started for each run, on SQLite and a store that are new; a job is submitted and waited for.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{
    lab::{Job, Lab},
    process::{Ran, json, with_settings},
    section::{Section, Table},
    stats::{median, seconds},
};
use crate::command::{command, shown};

/// About 555,000 cycles, eight segments of them.
const NUMBERS: u32 = 2_000;
const SEGMENT: [&str; 2] = ["--segment-cycles", "70000"];
/// RAM for each worker.
const RAM: [&str; 2] = ["--ram", "9G"];
const OVERHEAD_MAX: f64 = 1.03;
const SPEEDUP_MIN: f64 = 1.9;
/// How long a server may take to answer.
const START_MAX: Duration = Duration::from_secs(60);

/// A process that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both numbers.
pub fn run(lab: &Lab) -> Result<Section> {
    let job = lab.mergesort(NUMBERS)?;
    let mut section = Section::default();
    overhead(lab, &job, &mut section)?;
    second_worker(lab, &job, &mut section)?;
    Ok(section)
}

fn overhead(lab: &Lab, job: &Job, section: &mut Section) -> Result<()> {
    let options = [SEGMENT, RAM, ["--jobs", "1"]].concat();
    let alone = || lab.proven_anew(job, &options);
    let served = || with_service(lab, job, &[&["--jobs", "1"]], None);
    let runs = lab.take_turns(1, &[&alone, &served])?;
    section.commands.push(with_settings(&lab.prove(job, &options)));
    section.commands.push(format!("phalanx serve {} --jobs 1 & phalanx submit --wait …", RAM.join(" ")));
    let walls: Vec<Vec<f64>> = runs.iter().map(|runs| runs.iter().map(|ran| ran.wall_ms).collect()).collect();
    let rows = [("prove", &walls[0]), ("serve, submit --wait", &walls[1])];
    let rows = rows.map(|(name, walls)| vec![name.to_owned(), seconds(walls)]).to_vec();
    section.tables.push(Table { columns: vec!["way", "whole command"], rows });
    section.at_most(
        "serve and submit against prove",
        median(walls[1].clone()) / median(walls[0].clone()),
        OVERHEAD_MAX,
        |ratio| format!("{ratio:.3}"),
    );
    Ok(())
}

fn second_worker(lab: &Lab, job: &Job, section: &mut Section) -> Result<()> {
    let one = || with_service(lab, job, &[], Some(&["0"]));
    let two = || with_service(lab, job, &[], Some(&["0", "1"]));
    let runs = lab.take_turns(1, &[&one, &two])?;
    section.commands.push(format!("taskset --cpu-list 0 phalanx worker {} --jobs 1 …", RAM.join(" ")));
    let walls: Vec<Vec<f64>> = runs.iter().map(|runs| runs.iter().map(|ran| ran.wall_ms).collect()).collect();
    let rows = [("one, on core 0", &walls[0]), ("two, on cores 0 and 1", &walls[1])];
    let rows = rows.map(|(name, walls)| vec![name.to_owned(), seconds(walls)]).to_vec();
    section.tables.push(Table { columns: vec!["workers", "submit --wait"], rows });
    section.at_least(
        "two workers against one",
        median(walls[0].clone()) / median(walls[1].clone()),
        SPEEDUP_MIN,
        |ratio| format!("{ratio:.2}"),
    );
    section.notes.push("The gateway and the command that waits share the cores with the workers.".to_owned());
    Ok(())
}

/// Submits the job to a service that is new: with a worker beside the gateway, or workers pinned to these cores.
fn with_service(lab: &Lab, job: &Job, options: &[&[&str]], cores: Option<&[&str]>) -> Result<Ran> {
    lab.fresh_store()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let (address, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let data = lab.store();
    let roles = if cores.is_some() { "gateway" } else { "gateway,worker" };
    let mut serve = command(&lab.phalanx, &["serve", "--listen", &address, "--roles", roles, "--quiet"]);
    serve.args(RAM).args(options.concat()).arg("--data").arg(&data);
    let _gateway = start(&mut serve)?;
    let mut workers = Vec::new();
    for core in cores.unwrap_or_default() {
        let mut worker = command("taskset", &["--cpu-list", core]);
        worker.arg(&lab.phalanx).args(["worker", "--server", &url, "--name", core, "--jobs", "1", "--quiet"]).args(RAM);
        worker.arg("--cache").arg(data.join("cache").join(core));
        workers.push(start(&mut worker)?);
    }
    until_ready(&lab.phalanx, &url, cores.map_or(1, <[&str]>::len))?;
    let mut submit = lab.on_job(&["submit"], job);
    submit.args(SEGMENT).args(["--server", &url, "--wait", "--json", "--quiet", "-o"]).arg(receipt(lab));
    json(&mut submit)
}

fn receipt(lab: &Lab) -> PathBuf {
    lab.folder.join("bench.receipt")
}

fn start(command: &mut Command) -> Result<Running> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    child.map(Running).with_context(|| format!("cannot run `{}`", shown(command)))
}

/// Waits until the gateway answers and knows so many workers.
fn until_ready(phalanx: &Path, url: &str, workers: usize) -> Result<()> {
    let end = Instant::now() + START_MAX;
    loop {
        let output = command(phalanx, &["workers", "--server", url, "--json", "--quiet"]).output()?;
        let known = serde_json::from_slice::<serde_json::Value>(&output.stdout).ok();
        let known = known.as_ref().and_then(|known| known.as_array().or(known["workers"].as_array()));
        if known.is_some_and(|known| known.len() == workers) {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("the service at {url} has no {workers} workers: {}", String::from_utf8_lossy(&output.stdout));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
