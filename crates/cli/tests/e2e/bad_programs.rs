//! Programs that cannot be loaded or that fail: exit code 1, the place is named, nothing is left behind.

use std::path::Path;

use super::{
    elves::Elf,
    phalanx::{Done, Place, guest},
};

/// Both commands refuse it with the same words, and write nothing but perhaps a store that is intact.
fn refused(place: &Place, arguments: &[&str], says: &[&str]) {
    let files = || place.files().into_iter().filter(|name| name != "store").collect::<Vec<_>>();
    let before = files();
    for command in ["execute", "prove"] {
        let output: &[&str] =
            if command == "prove" { &["-o", "never.receipt", "--timeline", "never.html"] } else { &[] };
        place.run(&[&[command], arguments, output].concat()).refused(1, says);
    }
    assert_eq!(files(), before, "something was left behind");
    if place.path("store").exists() {
        place.assert_store_is_clean();
        assert_eq!(place.recorded(), 0, "a failed execution is not recorded");
    }
}

fn refused_elf(elf: &Elf, says: &[&str]) {
    let place = Place::new();
    elf.write(&place, "bad.elf");
    refused(&place, &["bad.elf"], &[&["bad.elf"], says].concat());
    assert!(!place.path("store").exists(), "a program that cannot be loaded makes no store");
}

#[test]
fn what_is_not_an_elf_is_refused() {
    refused_elf(&Elf(b"#!/bin/sh\n".to_vec()), &["not an ELF file", "23, 21, 2f, 62"]);
    refused_elf(&Elf(Vec::new()), &["not an ELF file"]);
}

#[test]
fn a_64_bit_elf_is_refused() {
    // Magic, 64 bits, little-endian, version 1, and a header of nothing else.
    let header = [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 57]].concat();
    refused_elf(&Elf(header), &["this is a 64-bit ELF, the VM runs 32-bit RISC-V"]);
}

#[test]
fn an_elf_for_another_machine_is_refused_and_the_machine_named() {
    refused_elf(&Elf::good().set_byte(18, 62), &["machine 62", "RISC-V is 243"]);
}

#[test]
fn a_truncated_elf_is_refused() {
    let good = Elf::good().0;
    for length in [5, 51, 60, good.len() / 2] {
        refused_elf(&Elf(good[..length].to_vec()), &["error: "]);
    }
}

#[test]
fn an_entry_point_outside_the_code_is_refused() {
    refused_elf(&Elf::good().entry(0x40), &["entry point 0x40 is not in the text"]);
}

#[test]
fn overlapping_segments_are_refused_and_both_named() {
    let elf = Elf::good();
    let first = elf.address(0);
    refused_elf(&elf.segment(1, 2, first), &["overlap", &format!("{first:#x}")]);
}

#[test]
fn a_huge_segment_is_refused() {
    refused_elf(&Elf::good().segment(0, 5, 0xf000_0000), &["ELF segment", "end after 0x20000000"]);
    refused_elf(&Elf::good().segment(0, 4, 0xf000_0000), &["ELF segment"]);
}

#[test]
fn an_unsupported_instruction_is_named_with_its_place() {
    let elf = guest("trap");
    refused(
        &Place::new(),
        &[utf8(&elf)],
        &["instruction 0xc00", "at pc 0x", "read_cycle_counter", "hint: the VM runs RV32IM"],
    );
}

#[test]
fn a_guest_panic_shows_its_message_and_exit_code() {
    let place = Place::new();
    place.write("message", "the ferry has sunk");
    let elf = guest("panic");
    refused(&place, &[utf8(&elf), "--input", "message"], &["exited with code 1", "the ferry has sunk", "at pc 0x"]);
}

#[test]
fn a_guest_that_does_not_end_meets_the_cycle_limit() {
    let place = Place::new();
    place.write("n", u64::MAX.to_le_bytes());
    let elf = guest("fibonacci");
    let arguments = [utf8(&elf), "--input", "n", "--cycles-max", "100000"];
    refused(&place, &arguments, &["did not finish within 100000 cycles", "--cycles-max"]);
}

#[test]
fn a_missing_input_item_is_named() {
    let elf = guest("json");
    let place = Place::new();
    refused(&place, &[utf8(&elf)], &["input item 0 at pc 0x", "only 0", "--input"]);
    place.write("one", "{}");
    refused(&place, &[utf8(&elf), "--input", "one"], &["input item 1 at pc 0x", "only 1"]);
}

#[test]
fn errors_with_json_are_one_object_with_the_exit_code() {
    let elf = guest("trap");
    let done: Done = Place::new().run(&["prove", utf8(&elf), "--json"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.json()["error"]["exit_code"], 1);
    assert!(done.json()["error"]["message"].as_str().unwrap().contains("read_cycle_counter"));
}

fn utf8(path: &Path) -> &str {
    path.to_str().unwrap()
}
