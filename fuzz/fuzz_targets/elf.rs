//! Program loading: no bytes make the ELF parser panic, and what it accepts keeps its promises.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phalanx_engine::elf::Elf;

fuzz_target!(|file: &[u8]| {
    let Ok(elf) = Elf::parse(file) else { return };
    assert!(elf.word_at(elf.entry).is_some(), "entry {:#x} is outside the text", elf.entry);
    elf.symbol_at(elf.entry);
    elf.symbol_at(u32::MAX);
    assert_eq!(elf.word_at(u32::MAX), None);
});
