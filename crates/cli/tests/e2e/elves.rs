//! ELF files that are wrong in one place, made from a good one.

use std::{fs, path::PathBuf};

use super::phalanx::{Place, guest};

const E_ENTRY: usize = 24;
const E_PHOFF: usize = 28;
const E_PHNUM: usize = 44;
const PROGRAM_HEADER_BYTES: usize = 32;
const PT_LOAD: u32 = 1;

/// A good ELF in memory.
pub struct Elf(pub Vec<u8>);

impl Elf {
    pub fn good() -> Self {
        Self(fs::read(guest("fibonacci")).unwrap())
    }

    pub fn write(&self, place: &Place, name: &str) -> PathBuf {
        place.write(name, &self.0)
    }

    pub fn set_byte(mut self, at: usize, value: u8) -> Self {
        self.0[at] = value;
        self
    }

    pub fn entry(self, value: u32) -> Self {
        self.set(E_ENTRY, value)
    }

    /// Changes a field of the `number`th segment that is loaded: 2 is its address, 4 its bytes in the file, 5 in memory.
    pub fn segment(self, number: usize, field: usize, value: u32) -> Self {
        let at = self.loaded(number) + 4 * field;
        self.set(at, value)
    }

    /// The address of the `number`th segment that is loaded.
    pub fn address(&self, number: usize) -> u32 {
        self.get(self.loaded(number) + 8)
    }

    fn loaded(&self, number: usize) -> usize {
        let headers = self.get(E_PHOFF) as usize;
        let count = usize::from(u16::from_le_bytes([self.0[E_PHNUM], self.0[E_PHNUM + 1]]));
        let mut loaded = (0..count)
            .map(|index| headers + index * PROGRAM_HEADER_BYTES)
            .filter(|at| self.get(*at) == PT_LOAD && self.get(at + 20) > 0);
        loaded.nth(number).unwrap_or_else(|| panic!("there is no segment {number}"))
    }

    fn get(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    fn set(mut self, at: usize, value: u32) -> Self {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self
    }
}
