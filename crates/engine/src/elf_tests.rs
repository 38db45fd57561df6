//! ELF files that must be refused, each made from a good one by one change.

use super::*;

const BASE: u32 = 0x0020_0800;

/// A minimal ELF32 executable: one text segment holding two instructions.
fn good() -> Vec<u8> {
    let mut file = vec![0; 84];
    file[..8].copy_from_slice(b"\x7fELF\x01\x01\x01\x00");
    let half = |at: usize, value: u16, file: &mut Vec<u8>| file[at..at + 2].copy_from_slice(&value.to_le_bytes());
    half(16, ET_EXEC, &mut file);
    half(18, EM_RISCV, &mut file);
    half(20, 1, &mut file);
    half(40, 52, &mut file);
    half(42, 32, &mut file);
    half(44, 1, &mut file);
    set(&mut file, 24, BASE);
    set(&mut file, 28, 52);
    set(&mut file, 52, PT_LOAD);
    set(&mut file, 56, 84);
    set(&mut file, 60, BASE);
    set(&mut file, 68, 8);
    set(&mut file, 72, 8);
    set(&mut file, 76, PF_X);
    file.extend([0x13, 0, 0, 0, 0x13, 0, 0, 0]);
    file
}

fn set(file: &mut [u8], at: usize, value: u32) {
    file[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn refused(change: impl FnOnce(&mut Vec<u8>)) -> ElfError {
    let mut file = good();
    change(&mut file);
    Elf::parse(&file).expect_err("the file must be refused")
}

#[test]
fn a_good_file_is_read() {
    let elf = Elf::parse(&good()).expect("good");
    assert_eq!((elf.entry, elf.text_base, elf.text), (BASE, BASE, vec![0x13, 0x13]));
}

#[test]
fn text_is_not_an_elf() {
    assert_eq!(Elf::parse(b"#!/bin/sh"), Err(ElfError::NotElf(b"#!/b".to_vec())));
    assert_eq!(Elf::parse(b""), Err(ElfError::NotElf(vec![])));
}

#[test]
fn a_64_bit_elf_is_refused() {
    let mut file = vec![0; 64];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    assert_eq!(Elf::parse(&file), Err(ElfError::Elf64));
}

#[test]
fn another_machine_is_named() {
    assert_eq!(refused(|file| file[18] = 62), ElfError::WrongMachine(62));
}

#[test]
fn an_object_file_is_refused() {
    assert_eq!(refused(|file| file[16] = 1), ElfError::NotExecutable(1));
}

#[test]
fn every_truncation_is_refused() {
    let file = good();
    for length in 0..file.len() {
        assert!(Elf::parse(&file[..length]).is_err(), "{length} bytes were accepted");
    }
}

#[test]
fn an_entry_outside_the_text_is_refused() {
    for entry in [0, BASE - 4, BASE + 8, BASE + 2, u32::MAX] {
        let error = refused(|file| set(file, 24, entry));
        assert_eq!(error, ElfError::EntryOutsideText { entry: entry.into(), text: BASE..BASE + 8 });
    }
}

#[test]
fn a_segment_past_the_end_of_memory_is_refused() {
    for (vaddr, bytes) in [(BASE, MEMORY_BYTES), (MEMORY_BYTES - 4, 8), (u32::MAX - 3, 8), (BASE, u32::MAX)] {
        let error = refused(|file| {
            set(file, 60, vaddr);
            set(file, 72, bytes);
        });
        assert!(matches!(error, ElfError::BadSegment { index: 0, .. }), "{error}");
    }
}

#[test]
fn overlapping_segments_are_refused() {
    let error = refused(|file| {
        let second: Vec<u8> = file[52..84].to_vec();
        file.splice(84..84, second);
        file[44] = 2;
        set(file, 56, 116);
        set(file, 88, 116);
        set(file, 92, BASE + 4);
    });
    assert_eq!(error, ElfError::Overlap { first: 0, second: 1, at: BASE + 4 });
}

#[test]
fn a_huge_file_size_is_refused_before_it_is_allocated() {
    assert!(matches!(refused(|file| set(file, 68, u32::MAX)), ElfError::BadSegment { .. }));
}

#[test]
fn a_file_without_code_is_refused() {
    assert_eq!(refused(|file| set(file, 76, 0)), ElfError::NoText);
}

#[test]
fn no_flipped_byte_panics() {
    let file = good();
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut file = file.clone();
            file[at] ^= 1 << bit;
            let _ = Elf::parse(&file);
        }
    }
}
