//! The demo: a list is sorted in the zkVM, the execution proven in several segments, folded to one receipt, verified and
//! drawn. In: nothing. Out: the input, the receipt and the timeline in one folder. Every step is a command anyone can type.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::{
    build,
    command::{self, command, shown},
};

/// Numbers in the list: sorting them takes about 1.2 million cycles.
const LIST_LEN: u32 = 4_000;
/// Small enough for four segments and more, large enough that folding does not outweigh proving.
const SEGMENT_CYCLES: &str = "300000";
const SEGMENTS_MIN: u64 = 4;
const GUEST: &str = "guests/elf/mergesort.elf";

#[derive(Args)]
pub struct DemoArgs {
    /// Where the input, the receipt and the picture go
    #[arg(long, value_name = "DIR", default_value = "demo")]
    out: PathBuf,
    /// A phalanx that is already built
    #[arg(long, value_name = "FILE")]
    phalanx: Option<PathBuf>,
}

/// Proves, verifies and inspects in `out` with this `phalanx`.
fn prove_and_check(out: &Path, phalanx: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let path = |name: &str| out.join(name).display().to_string();
    let (list, sorted) = list(LIST_LEN);
    for (name, bytes) in [("list.bin", list), ("expected.bin", sorted)] {
        fs::write(out.join(name), bytes).with_context(|| format!("cannot write {}", path(name)))?;
    }
    println!("wrote {}: {LIST_LEN} numbers in no order", path("list.bin"));

    let (input, receipt, timeline) = (path("list.bin"), path("sorted.receipt"), path("timeline.html"));
    let made =
        json(command(phalanx, &["prove", GUEST, "--input", &input, "--segment-cycles", SEGMENT_CYCLES]).args([
            "--store",
            &path("store"),
            "--timeline",
            &timeline,
            "-o",
            &receipt,
            "--json",
        ]))?;
    let segments = made["segments"].as_u64().context("`phalanx prove --json` has no `segments`")?;
    ensure!(segments >= SEGMENTS_MIN, "the demo should prove {SEGMENTS_MIN} segments, this were {segments}");

    command::run(&mut command(phalanx, &["verify", &receipt, "--program", GUEST]))?;
    command::run(&mut command(phalanx, &["inspect", &receipt]))?;

    // What the receipt says, worked out a second time without Phalanx.
    let expected = command("sha256sum", &[&path("expected.bin")]).output().context("cannot run `sha256sum`")?;
    let expected = String::from_utf8_lossy(&expected.stdout);
    let expected = expected.split_whitespace().next().context("`sha256sum` printed nothing")?;
    let revealed = made["public_values"].as_str().context("`phalanx prove --json` has no `public_values`")?;
    let revealed = revealed.trim_start_matches("0x");
    ensure!(revealed.starts_with(expected), "the program revealed {revealed}, the sorted list hashes to {expected}");

    println!();
    println!("proven    {} is a sorted list's SHA-256, and {input} sorts to it", &expected[..16]);
    println!("receipt   {receipt}");
    println!("picture   {timeline} (open it in a browser: which task ran when)");
    Ok(())
}

/// Builds phalanx unless one is given and runs the demo with it.
pub fn run(args: DemoArgs) -> Result<()> {
    let phalanx = match args.phalanx {
        Some(phalanx) => phalanx,
        None => {
            println!("building phalanx; the proof system takes minutes the first time");
            build::phalanx()?
        }
    };
    prove_and_check(&args.out, &phalanx)
}

/// Shows and runs a command and reads the one JSON object it prints; what it says on stderr is shown as it comes.
fn json(command: &mut Command) -> Result<Value> {
    let text = shown(command);
    println!("$ {text}");
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot run `{text}`"))?;
    if !output.status.success() {
        bail!("`{text}` failed: {}", output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("`{text}` did not print JSON"))
}

/// A list of `len` numbers in no order as little-endian bytes, and the same in ascending order.
pub fn list(len: u32) -> (Vec<u8>, Vec<u8>) {
    let bytes = |list: &[u32]| list.iter().flat_map(|number| number.to_le_bytes()).collect();
    // Knuth's multiplicative hash: a permutation, the same on every machine.
    let mut list: Vec<u32> = (0..len).map(|i| i.wrapping_mul(2_654_435_761)).collect();
    let unsorted = bytes(&list);
    list.sort_unstable();
    (unsorted, bytes(&list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_not_sorted_and_its_twin_is() {
        let numbers =
            |bytes: &[u8]| -> Vec<u32> { bytes.as_chunks().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect() };
        let (unsorted, sorted) = list(LIST_LEN);
        let (unsorted, sorted) = (numbers(&unsorted), numbers(&sorted));
        assert!(!unsorted.is_sorted() && sorted.is_sorted());
        assert_eq!(unsorted.len(), sorted.len());
        assert!(unsorted.iter().all(|number| sorted.binary_search(number).is_ok()));
    }
}
