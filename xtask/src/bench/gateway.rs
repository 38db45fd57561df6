//! `gateway`: how soon an idle worker has a task, what the gateway holds and how fast it answers when its database is full, how
//! many requests a second it takes. In: the examples `claim_latency` and `crowd`, and `wrk`. Out: one section.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{
    lab::Lab,
    process::{json, printed, with_settings},
    section::{Section, Table},
    stats::{largest, median, thousands},
};
use crate::command::{command, root};

/// Where jobs wait and where the worker does, as `claim_latency` names it and for people.
const CASES: [(&str, &str); 3] = [
    ("sqlite", "SQLite"),
    ("postgres", "PostgreSQL"),
    ("postgres_other_gateway", "PostgreSQL, the worker at another gateway"),
];
const CLAIM_P50_MS_MAX: f64 = 10.0;
const CLAIM_P99_MS_MAX: f64 = 50.0;
/// As `crowd` names them and for people.
const DATABASES: [(&str, &str); 2] = [("sqlite", "SQLite"), ("postgres", "PostgreSQL")];
const MEMORY_BYTES_MAX: f64 = 200e6;
const PAGE_MS_MAX: f64 = 100.0;
/// How often each page is asked for.
const LOOKS: usize = 50;
const REQUESTS_PER_SECOND_MIN: f64 = 5_000.0;
const CONNECTIONS: &str = "64";
const LOAD_TIME: &str = "10s";

/// All of it.
pub fn run(lab: &Lab) -> Result<Section> {
    let mut section = Section::default();
    claims(lab, &mut section)?;
    crowds(lab, &mut section)?;
    section.notes.push(
        "A task is ready when the transaction of its job's submission has ended, so before the submission's answer arrives: the \
         second pair of columns counts from that answer, and is what is judged. The first pair counts from before the \
         submission, so with its transaction and the disk. `wrk`, the gateway and the database share the cores; reads are \
         in turn the jobs page, one job, its tasks, the queue and `/healthz`."
            .to_owned(),
    );
    Ok(section)
}

fn claims(lab: &Lab, section: &mut Section) -> Result<()> {
    let mut latency = command(&lab.claim_latency, &[]);
    section.commands.push(with_settings(&latency));
    let ran = json(&mut latency)?;
    let at = |case: &str, from: &str, share: &str| {
        ran.json[case][from][share].as_f64().with_context(|| format!("`{case}.{from}.{share}` is not there"))
    };
    let (mut rows, mut p50s, mut p99s) = (Vec::new(), Vec::new(), Vec::new());
    for (case, name) in CASES {
        let times = [at(case, "whole", "p50_ms")?, at(case, "whole", "p99_ms")?];
        let after = [at(case, "added", "p50_ms")?, at(case, "added", "p99_ms")?];
        rows.push([name.to_owned()].into_iter().chain(times.into_iter().chain(after).map(millis)).collect());
        p50s.push(after[0]);
        p99s.push(after[1]);
    }
    let columns = vec!["claim by an idle worker", "p50 with submission", "p99 with submission", "p50", "p99"];
    section.tables.push(Table { columns, rows });
    section.at_most("ready task to idle worker, p50, slowest case", largest(p50s), CLAIM_P50_MS_MAX, millis);
    section.at_most("ready task to idle worker, p99, slowest case", largest(p99s), CLAIM_P99_MS_MAX, millis);
    Ok(())
}

fn crowds(lab: &Lab, section: &mut Section) -> Result<()> {
    let (mut rows, mut held, mut slowest, mut rates, mut failures) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0.0);
    for (database, name) in DATABASES {
        let crowd = Crowd::start(&lab.crowd, database)?;
        let (status, page) = (crowd.look(&format!("/v1/jobs/{}", crowd.newest()?))?, crowd.look("/v1/jobs?limit=50")?);
        let (mut load, mut p99s) = (Vec::new(), Vec::new());
        for _ in 0..lab.rounds {
            let run = crowd.load()?;
            load.push(run.per_second);
            p99s.push(run.p99_ms);
            failures += run.failed;
        }
        let (rate, bytes) = (median(load), crowd.peak_bytes()?);
        rows.push(vec![
            name.to_owned(),
            crowd.count("jobs")?,
            crowd.count("tasks")?,
            megabytes(bytes),
            status.shown(),
            page.shown(),
            thousands(rate),
            millis(median(p99s)),
        ]);
        held.push(bytes);
        slowest.extend([status.worst_ms, page.worst_ms]);
        rates.push(rate);
        section.commands.push(with_settings(&command(&lab.crowd, &[database])));
    }
    section.commands.push(format!("wrk {} -s xtask/src/bench/gateway.lua URL -- JOB…", LOAD.join(" ")));
    let columns = vec![
        "gateway on",
        "jobs",
        "tasks",
        "most RAM",
        "one job, median (worst)",
        "jobs page, median (worst)",
        "requests/s",
        "p99 under load",
    ];
    section.tables.push(Table { columns, rows });
    section.at_most("RAM of a gateway, at most", largest(held), MEMORY_BYTES_MAX, megabytes);
    section.at_most("one job or the jobs page, slowest look", largest(slowest), PAGE_MS_MAX, millis);
    let rate = rates.into_iter().fold(f64::INFINITY, f64::min);
    section.at_least("requests a second, slower database", rate, REQUESTS_PER_SECOND_MIN, thousands);
    section.at_most("requests that failed", failures, 0.0, thousands);
    Ok(())
}

const LOAD: [&str; 6] = ["-t", "2", "-c", CONNECTIONS, "-d", LOAD_TIME];

/// A gateway with a full database, as a process that ends with its standard input.
struct Crowd {
    process: Child,
    said: Value,
    address: String,
}

impl Crowd {
    fn start(program: &Path, database: &str) -> Result<Self> {
        let mut crowd = command(program, &[database]);
        let text = with_settings(&crowd);
        println!("$ {text}");
        let spawned = crowd.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = spawned.with_context(|| format!("cannot run `{text}`"))?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("stdout is not piped")?)
            .read_line(&mut line)
            .with_context(|| format!("cannot read what `{text}` prints"))?;
        let mut crowd = Self { process, said: Value::Null, address: String::new() };
        crowd.said = serde_json::from_str(&line).with_context(|| format!("`{text}` did not print JSON"))?;
        crowd.address = crowd.said["url"].as_str().unwrap_or_default().replace("http://", "");
        Ok(crowd)
    }

    fn count(&self, what: &str) -> Result<String> {
        self.said[what].as_f64().map(thousands).with_context(|| format!("`{what}` is not among what crowd printed"))
    }

    /// Some jobs, the oldest first.
    fn jobs(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.said["named"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    fn newest(&self) -> Result<&str> {
        self.jobs().next_back().context("crowd named no job")
    }

    /// Asks for a page again and again, each time on a connection of its own; the first time does not count.
    fn look(&self, path: &str) -> Result<Looks> {
        let all = (0..=LOOKS).map(|_| get_ms(&self.address, path)).collect::<Result<Vec<_>>>()?;
        let counted = || all.iter().skip(1).copied();
        Ok(Looks { median_ms: median(counted()), worst_ms: largest(counted()) })
    }

    /// As many requests as it takes.
    fn load(&self) -> Result<Load> {
        let mut wrk = command("wrk", &LOAD);
        wrk.arg("-s").arg(root().join("xtask/src/bench/gateway.lua")).arg(format!("http://{}", self.address));
        wrk.arg("--").args(self.jobs());
        let text = printed(&mut wrk).context("Debian has wrk in a package of this name")?;
        Load::read(&text)
    }

    /// The most RAM that it held.
    fn peak_bytes(&self) -> Result<f64> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        peak_bytes(&status).with_context(|| format!("{path} does not say VmHWM"))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// How long a page took.
struct Looks {
    median_ms: f64,
    worst_ms: f64,
}

impl Looks {
    fn shown(&self) -> String {
        format!("{} ({})", millis(self.median_ms), millis(self.worst_ms))
    }
}

/// What came of a load.
#[derive(PartialEq, Debug)]
struct Load {
    per_second: f64,
    failed: f64,
    p99_ms: f64,
}

impl Load {
    /// From what wrk prints; the script's line is the last.
    fn read(text: &str) -> Result<Self> {
        let line = text.lines().rfind(|line| line.starts_with('{')).context("wrk printed no JSON")?;
        let said: Value = serde_json::from_str(line).with_context(|| format!("wrk printed `{line}`"))?;
        let number = |name: &str| said[name].as_f64().with_context(|| format!("`{name}` is not in `{line}`"));
        Ok(Self {
            per_second: number("requests")? / number("us")? * 1e6,
            failed: number("failed")?,
            p99_ms: number("p99_us")? / 1e3,
        })
    }
}

/// One GET on a connection of its own, in milliseconds until its answer has ended.
fn get_ms(address: &str, path: &str) -> Result<f64> {
    let exchange = || {
        let begin = Instant::now();
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>((begin.elapsed().as_secs_f64() * 1e3, answer))
    };
    let (ms, answer) = exchange().with_context(|| format!("cannot get http://{address}{path}"))?;
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        let answer = String::from_utf8_lossy(&answer);
        bail!("http://{address}{path} answers {}", answer.lines().next().unwrap_or("nothing"));
    }
    Ok(ms)
}

/// From the text of `/proc/<pid>/status`.
fn peak_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

/// `4.2 ms`
fn millis(ms: f64) -> String {
    format!("{ms:.1} ms")
}

/// `142 MB`
fn megabytes(bytes: f64) -> String {
    format!("{:.0} MB", bytes / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_read_from_the_last_line() {
        let text = "Running 10s test\n{\"requests\": 1}\n{\"requests\": 60000, \"us\": 10000000, \"failed\": 2, \"p50_us\": 900, \"p99_us\": 4500}\n";
        assert_eq!(Load::read(text).unwrap(), Load { per_second: 6_000.0, failed: 2.0, p99_ms: 4.5 });
        assert!(Load::read("Running 10s test\n").is_err());
    }

    #[test]
    fn the_peak_is_read_from_the_kernels_text() {
        assert_eq!(peak_bytes("VmPeak:\t 9 kB\nVmHWM:\t  2000 kB\nVmRSS:\t 1 kB\n"), Some(2_048_000.0));
        assert_eq!(peak_bytes("VmRSS:\t 1 kB\n"), None);
    }
}
