//! `service`: what the service adds to proving on one machine, and what a second worker brings.
//!
//! A gateway and its workers are started for each run, on SQLite and a store that are new; jobs are submitted and waited for.

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
/// What second workers are measured on: so many jobs of about this many numbers, four segments each.
const JOBS: u32 = 4;
const JOB_NUMBERS: u32 = 1_000;
const CORES: [&str; 2] = ["0", "1"];
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
    second_worker(lab, &mut section)?;
    Ok(section)
}

fn overhead(lab: &Lab, job: &Job, section: &mut Section) -> Result<()> {
    let options = [SEGMENT, RAM, ["--jobs", "1"]].concat();
    let alone = || lab.proven_anew(job, &options);
    let served = || served(lab, job);
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

/// Several jobs at once: of a single one the last tasks follow each other, whoever runs them.
fn second_worker(lab: &Lab, section: &mut Section) -> Result<()> {
    let jobs = (0..JOBS).map(|job| lab.mergesort(JOB_NUMBERS + job)).collect::<Result<Vec<Job>>>()?;
    let one = || with_workers(lab, &jobs, &CORES[..1]);
    let two = || with_workers(lab, &jobs, &CORES);
    // What the cores themselves allow: they share caches, memory and perhaps more.
    let core = || apart(lab, &jobs, &CORES[..1]);
    let cores = || apart(lab, &jobs, &CORES);
    let walls = lab.take_turns(1, &[&one, &two, &core, &cores])?;
    section.commands.push(format!("taskset --cpu-list 0 phalanx worker {} --jobs 1 …", RAM.join(" ")));
    let names = [
        "one worker, on core 0",
        "two workers, on cores 0 and 1",
        "prove alone, on core 0",
        "two at once, each on its core",
    ];
    let rows = names.iter().zip(&walls).map(|(name, walls)| vec![(*name).to_owned(), seconds(walls)]).collect();
    section.tables.push(Table { columns: vec!["on cores", "until all is proven"], rows });
    let [one, two, core, cores] = [0, 1, 2, 3].map(|at| median(walls[at].clone()));
    section.at_least("two workers against one", one / two, SPEEDUP_MIN, |ratio| format!("{ratio:.2}"));
    section.notes.push(format!(
        "Second workers prove {JOBS} jobs of four segments, submitted at once; the gateway and the commands that wait share the \
         cores with the workers. Two `phalanx prove` of one such job each, which share nothing but the machine, do {:.2} times \
         the work of one alone: more than that no second worker can bring.",
        2.0 * core / cores,
    ));
    Ok(())
}

/// How long a service that is new takes for jobs that come at once, with a worker on each of these cores, in milliseconds.
fn with_workers(lab: &Lab, jobs: &[Job], cores: &[&str]) -> Result<f64> {
    let service = Service::start(lab, &[], cores)?;
    let submit = |(number, job)| service.submit(lab, job, number);
    at_once(jobs.iter().enumerate().map(submit).collect())
}

/// How long a process on each of these cores takes for a job of its own, in milliseconds.
fn apart(lab: &Lab, jobs: &[Job], cores: &[&str]) -> Result<f64> {
    lab.fresh_store()?;
    let prove = |(number, core): (usize, &&str)| {
        let mut prove = lab.on_core(core, "prove", &jobs[number]);
        prove.args(SEGMENT).args(RAM).args(["--jobs", "1", "--json", "--quiet", "-o"]).arg(receipt(lab, number));
        prove.arg("--store").arg(lab.store().join(core));
        prove
    };
    at_once(cores.iter().enumerate().map(prove).collect())
}

/// Until all of these commands have ended, in milliseconds.
fn at_once(commands: Vec<Command>) -> Result<f64> {
    let begin = Instant::now();
    let running = commands.into_iter().map(|mut command| start(&mut command).map(|child| (shown(&command), child)));
    for (text, mut child) in running.collect::<Result<Vec<(String, Running)>>>()? {
        let status = child.0.wait().with_context(|| format!("cannot wait for `{text}`"))?;
        if !status.success() {
            bail!("`{text}` failed: {status}");
        }
    }
    Ok(begin.elapsed().as_secs_f64() * 1e3)
}

/// A gateway on a database and a store that are new, and its workers.
struct Service {
    url: String,
    _processes: Vec<Running>,
}

impl Service {
    /// With a worker on each of these cores; if there is none, with one beside the gateway.
    fn start(lab: &Lab, options: &[&str], cores: &[&str]) -> Result<Self> {
        lab.fresh_store()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (address, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
        let data = lab.store();
        let roles = if cores.is_empty() { "gateway,worker" } else { "gateway" };
        let mut serve = command(&lab.phalanx, &["serve", "--listen", &address, "--roles", roles, "--quiet"]);
        serve.args(RAM).args(options).arg("--data").arg(&data);
        let mut processes = vec![start(&mut serve)?];
        for core in cores {
            let mut worker = command("taskset", &["--cpu-list", core]);
            worker
                .arg(&lab.phalanx)
                .args(["worker", "--server", &url, "--name", core, "--jobs", "1", "--quiet"])
                .args(RAM);
            worker.arg("--cache").arg(data.join("cache").join(core));
            processes.push(start(&mut worker)?);
        }
        until_ready(&lab.phalanx, &url, cores.len().max(1))?;
        Ok(Self { url, _processes: processes })
    }

    /// Submits a job and waits for it.
    fn submit(&self, lab: &Lab, job: &Job, number: usize) -> Command {
        let mut submit = lab.on_job(&["submit"], job);
        submit
            .args(SEGMENT)
            .args(["--server", &self.url, "--wait", "--json", "--quiet", "-o"])
            .arg(receipt(lab, number));
        submit
    }
}

/// Submits the job to a service that is new, with a worker beside the gateway.
fn served(lab: &Lab, job: &Job) -> Result<Ran> {
    let service = Service::start(lab, &["--jobs", "1"], &[])?;
    json(&mut service.submit(lab, job, 0))
}

fn receipt(lab: &Lab, number: usize) -> PathBuf {
    lab.folder.join(format!("bench-{number}.receipt"))
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
