//! The benches: what Phalanx takes, beside upstream's SDK and beside the numbers it is to reach. In: names of benches.
//! Out: tables on stdout and in `bench/RESULTS.md`, and with `--calibrate` the constants of the cost model.
//!
//! Measures the built programs from outside, by their own reports and the kernel's counters. Variants take turns within
//! one run, so that a machine that gets slower meets all of them alike.

mod allocator;
mod calibrate;
mod config;
mod execute;
mod gateway;
mod lab;
mod machine;
mod phases;
mod process;
mod prover;
mod queue;
mod ram;
mod receipt;
mod results;
mod resume;
mod section;
mod service;
mod stats;
mod tasks;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use self::{lab::Lab, machine::Machine, results::Part, section::Section};
use crate::{
    build,
    command::{self, command, target_dir},
};

/// One bench.
struct Bench {
    name: &'static str,
    title: &'static str,
    run: fn(&Lab, &Machine) -> Result<Section>,
    /// What it runs beside phalanx.
    beside: &'static [Beside],
}

/// A program that only some benches run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// The plain SDK.
    Sdk,
    /// What this machine's cores do at most.
    Limits,
    /// The queue and nothing else.
    Throughput,
    /// A gateway with an idle worker.
    ClaimLatency,
    /// A gateway with a full database.
    Crowd,
}

impl Beside {
    /// The example that it is.
    fn example(self) -> &'static str {
        match self {
            Self::Sdk => "sdk_baseline",
            Self::Limits => "limits",
            Self::Throughput => "throughput",
            Self::ClaimLatency => "claim_latency",
            Self::Crowd => "crowd",
        }
    }

    /// The package of one without OpenVM. A bench that runs only such does without phalanx.
    fn light_package(self) -> Option<&'static str> {
        match self {
            Self::Sdk | Self::Limits => None,
            Self::Throughput => Some("phalanx-queue"),
            Self::ClaimLatency => Some("phalanx-worker"),
            Self::Crowd => Some("phalanx-gateway"),
        }
    }

    /// The one that is given, or one that is built, or a path to nothing if no bench runs it.
    fn program(self, given: Option<PathBuf>, benches: &[&Bench]) -> Result<PathBuf> {
        match given {
            Some(given) => Ok(given),
            None if !benches.iter().any(|bench| bench.beside.contains(&self)) => Ok(PathBuf::new()),
            None => match self.light_package() {
                Some(package) if !benches.iter().any(|bench| bench.runs_phalanx()) => {
                    build::light_example(package, self.example())
                }
                _ => build::example(self.example()),
            },
        }
    }
}

impl Bench {
    /// Whether it needs the program that takes minutes to build.
    fn runs_phalanx(&self) -> bool {
        self.beside.is_empty() || self.beside.iter().any(|beside| beside.light_package().is_none())
    }
}

static BENCHES: [Bench; 13] = [
    Bench {
        name: "receipt-1",
        title: "A receipt of one segment, against the SDK",
        run: |lab, _| receipt::one(lab),
        beside: &[Beside::Sdk],
    },
    Bench {
        name: "receipt-many",
        title: "A receipt of four segments and more, against the SDK",
        run: |lab, _| receipt::many(lab),
        beside: &[Beside::Sdk],
    },
    Bench {
        name: "prover",
        title: "Swirl against OpenVM's own prover: one segment",
        run: |lab, _| prover::one(lab),
        beside: &[Beside::Sdk, Beside::Limits],
    },
    Bench {
        name: "prover-many",
        title: "Swirl against OpenVM's own prover: eight segments",
        run: |lab, _| prover::many(lab),
        beside: &[],
    },
    Bench { name: "ram", title: "RAM: budget and predictions", run: |lab, _| ram::run(lab), beside: &[] },
    Bench { name: "execute", title: "Execution and its checkpoints", run: |lab, _| execute::run(lab), beside: &[] },
    Bench { name: "again", title: "The same job again", run: |lab, _| resume::again(lab), beside: &[] },
    Bench { name: "kill", title: "After `kill -9`", run: |lab, _| resume::kill(lab), beside: &[] },
    Bench { name: "allocator", title: "The allocator's settings", run: |lab, _| allocator::run(lab), beside: &[] },
    Bench {
        name: "service",
        title: "The service against proving alone, and a second worker",
        run: |lab, _| service::run(lab),
        beside: &[],
    },
    Bench {
        name: "queue",
        title: "The queue's throughput, against a plain table",
        run: |lab, _| queue::run(lab),
        beside: &[Beside::Throughput],
    },
    Bench {
        name: "gateway",
        title: "The gateway: an idle worker's wait, a full database, many requests",
        run: |lab, _| gateway::run(lab),
        beside: &[Beside::ClaimLatency, Beside::Crowd],
    },
    Bench {
        name: "config",
        title: "One VM configuration for all programs, against smaller ones",
        run: |lab, _| config::run(lab),
        beside: &[Beside::Sdk],
    },
];

/// Whose constants are measured.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Prover {
    Swirl,
    Upstream,
}

/// Run only when asked for, because they write constants that decide where segments end.
static CALIBRATE: [Bench; 2] = [
    Bench {
        name: "calibrate",
        title: "Constants of the cost model",
        run: |lab, machine| calibrate::run(lab, machine, "swirl"),
        beside: &[],
    },
    Bench {
        name: "calibrate-upstream",
        title: "Constants of the cost model for OpenVM's own prover",
        run: |lab, machine| calibrate::run(lab, machine, "upstream"),
        beside: &[],
    },
];

#[derive(Args)]
pub struct BenchArgs {
    /// Benches to run; all of them if none is given
    names: Vec<String>,
    /// How often each variant runs; medians are over these
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Measures the cost model's constants for a prover and writes them into the engine; runs no bench that is not named
    #[arg(long, value_name = "PROVER", num_args = 0..=1, require_equals = true, default_missing_value = "swirl")]
    calibrate: Option<Prover>,
    /// Budgets for the bench `ram`
    #[arg(long, value_name = "SIZE", value_delimiter = ',', default_value = "6G,8G,12G")]
    ram: Vec<String>,
    /// A phalanx that is already built
    #[arg(long, value_name = "FILE")]
    phalanx: Option<PathBuf>,
    /// An engine example `sdk_baseline` that is already built
    #[arg(long, value_name = "FILE")]
    sdk: Option<PathBuf>,
    /// An example `limits` of phalanx-swirl that is already built
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
    /// An example `throughput` of phalanx-queue that is already built
    #[arg(long, value_name = "FILE")]
    throughput: Option<PathBuf>,
    /// An example `claim_latency` of phalanx-worker that is already built
    #[arg(long, value_name = "FILE")]
    claim_latency: Option<PathBuf>,
    /// An example `crowd` of phalanx-gateway that is already built
    #[arg(long, value_name = "FILE")]
    crowd: Option<PathBuf>,
    /// Prints the names of the benches
    #[arg(long)]
    list: bool,
}

/// Runs the benches and writes the results of each as soon as it is done.
pub fn run(args: BenchArgs) -> Result<()> {
    if args.list {
        BENCHES.iter().for_each(|bench| println!("{:<13} {}", bench.name, bench.title));
        return Ok(());
    }
    let benches = chosen(&args.names, args.calibrate)?;
    let runs_phalanx = benches.iter().any(|bench| bench.runs_phalanx());
    let phalanx = match args.phalanx {
        Some(phalanx) => phalanx,
        None if runs_phalanx => build::phalanx()?,
        None => PathBuf::new(),
    };
    let sdk = Beside::Sdk.program(args.sdk, &benches)?;
    let limits = Beside::Limits.program(args.limits, &benches)?;
    let throughput = Beside::Throughput.program(args.throughput, &benches)?;
    let claim_latency = Beside::ClaimLatency.program(args.claim_latency, &benches)?;
    let crowd = Beside::Crowd.program(args.crowd, &benches)?;
    let folder = target_dir().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let rounds = args.rounds.into();
    let lab = Lab { phalanx, sdk, limits, throughput, claim_latency, crowd, rounds, ram: args.ram, folder };
    let machine = Machine::this();
    if runs_phalanx {
        // Both sides find their keys on disk.
        command::run(&mut command(&lab.phalanx, &["keys", "--warm", "--quiet"]))?;
    }
    let (mut reached, mut total) = (0, 0);
    for bench in benches {
        println!("\n== {}: {}", bench.name, bench.title);
        let section = (bench.run)(&lab, &machine).with_context(|| format!("bench {} failed", bench.name))?;
        reached += section.numbers.iter().filter(|number| number.is_met).count();
        total += section.numbers.len();
        let text = section.markdown();
        println!("\n{text}");
        let measured = format!("\n{} on {}, {} rounds.\n", machine.software(), machine.hardware(), lab.rounds);
        record(bench, text + &measured)?;
    }
    lab.remove_stores()?;
    println!("{reached} of {total} numbers reached; written to {}", shown_path());
    Ok(())
}

/// Replaces the bench's part of the results; a new page gets a place for every bench, in order.
fn record(bench: &Bench, text: String) -> Result<()> {
    let part = |known: &Bench| Part {
        name: known.name,
        title: known.title,
        text: (known.name == bench.name).then(|| text.clone()),
    };
    let parts: Vec<Part<'_>> = BENCHES.iter().chain(&CALIBRATE).map(part).collect();
    results::write(&parts)
}

fn chosen(names: &[String], calibrate: Option<Prover>) -> Result<Vec<&'static Bench>> {
    if let Some(unknown) = names.iter().find(|name| BENCHES.iter().all(|bench| bench.name != **name)) {
        bail!("there is no bench `{unknown}`: `x bench --list` shows them");
    }
    let is_chosen = |bench: &&Bench| match names {
        [] => calibrate.is_none(),
        names => names.iter().any(|name| name == bench.name),
    };
    let [swirl, upstream] = &CALIBRATE;
    let calibrate = calibrate.map(|prover| match prover {
        Prover::Swirl => swirl,
        Prover::Upstream => upstream,
    });
    Ok(BENCHES.iter().filter(is_chosen).chain(calibrate).collect())
}

fn shown_path() -> String {
    let path = results::path();
    path.strip_prefix(command::root()).unwrap_or(&path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str], calibrate: Option<Prover>) -> Result<Vec<&'static str>> {
        let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
        Ok(chosen(&asked, calibrate)?.into_iter().map(|bench| bench.name).collect())
    }

    #[test]
    fn constants_are_only_measured_when_asked_for() {
        assert_eq!(names(&[], None).unwrap().len(), BENCHES.len());
        assert_eq!(names(&[], Some(Prover::Upstream)).unwrap(), ["calibrate-upstream"]);
        assert_eq!(names(&["ram"], Some(Prover::Swirl)).unwrap(), ["ram", "calibrate"]);
        assert!(names(&["calibrate"], None).unwrap_err().to_string().contains("--list"));
    }
}
