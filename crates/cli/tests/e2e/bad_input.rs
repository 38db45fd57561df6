//! Inputs, outputs, stores and limits that do not work: refused before any work, with the place.

use std::{fs::File, path::Path};

use super::phalanx::{Place, guest, input};

/// One byte more than all input items may have together.
const INPUT_BYTES: u64 = (256 << 20) + 1;

fn mergesort() -> [String; 4] {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    ["prove".into(), text(&guest("mergesort")), "--input".into(), text(&input("list-1000.bin"))]
}

fn prove(place: &Place, options: &[&str]) -> super::phalanx::Done {
    let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    place.run(&[&mergesort()[..], &options].concat())
}

#[test]
fn too_many_input_bytes_are_refused() {
    let place = Place::new();
    File::create(place.path("huge")).unwrap().set_len(INPUT_BYTES).unwrap();
    prove(&place, &["--input", "huge"]).refused(1, &["more than 268435456 bytes"]);
    assert_eq!(place.files(), ["huge"]);
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_the_work() {
    let place = Place::new();
    place.write("file", "");
    for (output, reason) in [("no/such/a.receipt", "no such file or directory"), ("file/a.receipt", "not a directory")]
    {
        prove(&place, &["-o", output]).refused(1, &["cannot write receipt", output, reason]);
        prove(&place, &["--timeline", output]).refused(1, &["cannot write timeline", output, reason]);
    }
    assert_eq!(place.files(), ["file"], "no store was made, nothing was executed");
}

#[test]
fn a_store_from_another_version_is_refused_and_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.path("store")).unwrap();
    place.write("store/FORMAT", "phalanx-store 9\n");
    prove(&place, &["-o", "never.receipt"]).refused(1, &["store has format 9, this phalanx reads format 1", "--store"]);
    assert_eq!(place.files(), ["store"]);
    assert_eq!(std::fs::read_dir(place.path("store")).unwrap().count(), 1);
}

#[test]
fn a_directory_that_is_no_store_is_refused_and_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.path("store")).unwrap();
    place.write("store/letter", "dear");
    prove(&place, &["-o", "never.receipt"]).refused(1, &["is not a phalanx store and not empty"]);
    assert_eq!(std::fs::read_dir(place.path("store")).unwrap().count(), 1);
}

#[test]
fn too_little_ram_for_the_smallest_segment_says_how_much_is_needed() {
    let place = Place::new();
    let done = prove(&place, &["-o", "never.receipt", "--ram", "100MB"]);
    done.refused(1, &["more RAM than is allowed", "--ram"]);
    let fact = |name: &str| {
        let line = done.stderr.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
        line.split(['(', ' ']).find_map(|word| word.parse::<u64>().ok().filter(|bytes| *bytes > 1_000_000)).unwrap()
    };
    assert_eq!(fact("allowed"), 100_000_000);
    assert!(fact("needed") > 100_000_000, "{}", done.stderr);
    assert!(place.files().is_empty());
}

#[test]
fn the_ram_that_is_said_to_be_needed_is_enough_to_start() {
    let place = Place::new();
    let done = prove(&place, &["-o", "never.receipt", "--ram", "100MB"]);
    let needed = done.stderr.split(['(', ' ']).filter_map(|word| word.parse::<u64>().ok()).max().unwrap();
    // The guest fails, so nothing is proven; what matters is that it is the guest that fails.
    let elf = guest("panic");
    place.write("message", "sunk");
    let arguments = ["prove", elf.to_str().unwrap(), "--input", "message", "--ram", &needed.to_string()];
    place.run(&arguments).refused(1, &["sunk"]);
}
