//! Receipts and stores that someone changed: a receipt is refused, a store repairs itself.

use std::{fs, path::PathBuf, time::SystemTime};

use super::{
    phalanx::{Place, files_under, guest, written},
    sorted::{prove, sorted},
};

/// How many bytes of a receipt are flipped here; the receipt crate flips each.
const FLIPS: usize = 24;

#[test]
fn a_receipt_with_a_flipped_byte_is_refused() {
    let good = sorted().receipt_bytes();
    let place = Place::new();
    for at in (0..FLIPS).map(|step| step * (good.len() - 1) / (FLIPS - 1)) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        place.write("bad.receipt", bad);
        place.run(&["verify", "bad.receipt"]).refused(3, &["bad.receipt"]);
    }
}

#[test]
fn a_receipt_that_is_cut_short_or_longer_is_refused() {
    let good = sorted().receipt_bytes();
    let place = Place::new();
    for length in [0, 1, 7, 45, good.len() / 2, good.len() - 1] {
        place.write("bad.receipt", &good[..length]);
        place.run(&["verify", "bad.receipt"]).refused(3, &["bad.receipt"]);
    }
    place.write("bad.receipt", [&good[..], &[0]].concat());
    place.run(&["verify", "bad.receipt"]).refused(3, &["bad.receipt"]);
}

#[test]
fn a_receipt_for_another_program_is_refused_and_both_are_named() {
    let sorted = sorted();
    let short = |id: &str| format!("{}…{}", &id[..4], &id[60..]);
    let other = "5a".repeat(32);
    let expected = ["another program".to_owned(), short(sorted.program_id()), short(&other)];
    let place = &sorted.place;
    place.run(&["verify", "sorted.receipt", "--program", &other]).refused(3, &expected.each_ref().map(String::as_str));
    let elf = guest("fibonacci");
    let refused = place.run(&["verify", "sorted.receipt", "--program", elf.to_str().unwrap()]);
    refused.refused(3, &["another program", &short(sorted.program_id()), "(fibonacci.elf)"]);
}

#[test]
fn a_corrupt_artifact_is_found_and_its_task_runs_again() {
    const PROOF: u8 = 6;
    const RECEIPT: u8 = 7;
    let place = sorted().copy();
    // The receipt, and the proof under it, which is the one that was made last.
    let corrupted = [RECEIPT, PROOF].map(|kind| newest(&sorted().place, kind));
    for original in &corrupted {
        let name = original.strip_prefix(sorted().place.root()).unwrap();
        let path = place.root().join(name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let verified = place.run(&["store", "verify", "--json"]);
    assert_eq!(verified.code, Some(2), "{}", verified.stderr);
    let found = verified.stdout;
    for original in &corrupted {
        assert!(found.contains(original.file_name().unwrap().to_str().unwrap()), "{found}");
    }
    let report = place.prove(&prove()).ok().json();
    assert_eq!((report["tasks_run"].as_u64(), report["tasks_reused"].as_u64()), (Some(2), Some(sorted().tasks() - 2)));
    place.run(&["verify", "sorted.receipt"]).ok();
    place.run(&["store", "gc"]).ok();
    place.assert_store_is_clean();
}

/// The artifact of a kind that was written last; the kind is the fifth byte of the file.
fn newest(place: &Place, kind: u8) -> PathBuf {
    let of_kind = |path: &PathBuf| fs::read(path).unwrap().get(4) == Some(&kind);
    let age = |path: &PathBuf| -> SystemTime { written(path) };
    files_under(&place.path("store/artifacts")).into_iter().filter(of_kind).max_by_key(age).unwrap()
}
