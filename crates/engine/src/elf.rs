//! RISC-V ELF files: from hostile bytes to text, initial memory, entry point and function names.
//!
//! Follows the ELF specification (System V ABI, gABI 4.1) for ELF32 executables; everything a loader would have to guess
//! is refused. Nothing is allocated before its size was checked.

use std::ops::Range;

use elf::{
    ElfBytes,
    abi::{EM_RISCV, ET_EXEC, PF_X, PT_LOAD, STT_FUNC},
    endian::AnyEndian,
    file::Class,
    segment::ProgramHeader,
};

/// Largest ELF file accepted, in bytes.
pub const ELF_BYTES_MAX: usize = 64 << 20;
/// Most program headers accepted.
pub const ELF_SEGMENTS_MAX: usize = 256;
/// Largest text accepted, in bytes.
pub const TEXT_BYTES_MAX: u32 = 32 << 20;
/// Guest memory, in bytes: addresses from here on do not exist.
pub const MEMORY_BYTES: u32 = 1 << 29;
const WORD: u32 = 4;

/// Why a file is not a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// Larger than [`ELF_BYTES_MAX`].
    #[error("the ELF file has {0} bytes, at most {ELF_BYTES_MAX} are accepted")]
    TooLarge(usize),
    /// No ELF magic.
    #[error("not an ELF file: it starts with {0:02x?}")]
    NotElf(Vec<u8>),
    /// Structure broken or cut short.
    #[error("the ELF file is malformed: {0}")]
    Malformed(String),
    /// 64-bit.
    #[error("this is a 64-bit ELF, the VM runs 32-bit RISC-V (RV32IM)")]
    Elf64,
    /// Big-endian.
    #[error("this ELF is big-endian, RISC-V guests are little-endian")]
    BigEndian,
    /// Another instruction set.
    #[error("this ELF is for machine {0} (e_machine), RISC-V is {EM_RISCV}")]
    WrongMachine(u16),
    /// A library or object file.
    #[error("this ELF is not an executable (e_type {0}, expected {ET_EXEC})")]
    NotExecutable(u16),
    /// No program headers, or none that loads code.
    #[error("the ELF file has no executable segment to load")]
    NoText,
    /// More than [`ELF_SEGMENTS_MAX`] program headers.
    #[error("the ELF file has {0} program headers, at most {ELF_SEGMENTS_MAX} are accepted")]
    TooManySegments(usize),
    /// A segment that a loader cannot place.
    #[error("ELF segment {index} at {vaddr:#x}: {reason}")]
    BadSegment {
        /// Which program header.
        index: usize,
        /// Where it wants to be.
        vaddr: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Two segments claim the same memory.
    #[error("ELF segments {first} and {second} overlap at {at:#x}")]
    Overlap {
        /// The one with the lower address.
        first: usize,
        /// The other.
        second: usize,
        /// First address that both claim.
        at: u32,
    },
    /// The program would start where there is no code.
    #[error("the entry point {entry:#x} is not in the text {:#x}..{:#x}", text.start, text.end)]
    EntryOutsideText {
        /// `e_entry`.
        entry: u64,
        /// Where the code is.
        text: Range<u32>,
    },
}

/// A function of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Symbol {
    start: u32,
    bytes: u32,
    name: String,
}

/// A parsed program, independent of any VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// Address of the first instruction to run.
    pub entry: u32,
    /// Address of `text[0]`.
    pub text_base: u32,
    /// Instruction words.
    pub text: Vec<u32>,
    /// Initial memory: address and bytes of each segment; addresses in no segment are 0.
    pub memory: Vec<(u32, Vec<u8>)>,
    symbols: Vec<Symbol>,
}

struct Loaded<'a> {
    index: usize,
    start: u32,
    end: u32,
    bytes: &'a [u8],
    executable: bool,
}

impl Elf {
    /// Parses and validates an ELF file.
    pub fn parse(file: &[u8]) -> Result<Self, ElfError> {
        if file.len() > ELF_BYTES_MAX {
            return Err(ElfError::TooLarge(file.len()));
        }
        if !file.starts_with(b"\x7fELF") {
            return Err(ElfError::NotElf(file.iter().take(4).copied().collect()));
        }
        let malformed = |error: elf::ParseError| ElfError::Malformed(error.to_string());
        let elf = ElfBytes::<AnyEndian>::minimal_parse(file).map_err(malformed)?;
        let header = &elf.ehdr;
        if header.class != Class::ELF32 {
            return Err(ElfError::Elf64);
        }
        if header.endianness != AnyEndian::Little {
            return Err(ElfError::BigEndian);
        }
        if header.e_machine != EM_RISCV {
            return Err(ElfError::WrongMachine(header.e_machine));
        }
        if header.e_type != ET_EXEC {
            return Err(ElfError::NotExecutable(header.e_type));
        }
        let headers = elf.segments().ok_or(ElfError::NoText)?;
        if headers.len() > ELF_SEGMENTS_MAX {
            return Err(ElfError::TooManySegments(headers.len()));
        }
        let mut loaded = headers
            .iter()
            .enumerate()
            .filter(|(_, header)| header.p_type == PT_LOAD && header.p_memsz > 0)
            .map(|(index, header)| load(file, index, &header))
            .collect::<Result<Vec<_>, _>>()?;
        loaded.sort_by_key(|segment| segment.start);
        for pair in loaded.windows(2) {
            if let [first, second] = pair
                && second.start < first.end
            {
                return Err(ElfError::Overlap { first: first.index, second: second.index, at: second.start });
            }
        }
        let (text_base, text) = text(&loaded)?;
        let range = text_base..text_base + WORD * text.len() as u32;
        let entry = u32::try_from(header.e_entry)
            .ok()
            .filter(|entry| range.contains(entry) && entry.is_multiple_of(WORD))
            .ok_or(ElfError::EntryOutsideText { entry: header.e_entry, text: range })?;
        let memory = loaded.iter().map(|segment| (segment.start, segment.bytes.to_vec())).collect();
        Ok(Self { entry, text_base, text, memory, symbols: symbols(&elf) })
    }

    /// The function that holds the instruction at `pc`, as `name+offset`, demangled.
    pub fn symbol_at(&self, pc: u32) -> Option<String> {
        let next = self.symbols.partition_point(|symbol| symbol.start <= pc);
        let symbol = self.symbols.get(next.checked_sub(1)?)?;
        let offset = pc - symbol.start;
        (offset < symbol.bytes.max(WORD)).then(|| match offset {
            0 => symbol.name.clone(),
            _ => format!("{}+{offset:#x}", symbol.name),
        })
    }

    /// The instruction word at `pc`.
    pub fn word_at(&self, pc: u32) -> Option<u32> {
        let index = pc.checked_sub(self.text_base)? / WORD;
        self.text.get(index as usize).copied()
    }
}

fn load<'a>(file: &'a [u8], index: usize, header: &ProgramHeader) -> Result<Loaded<'a>, ElfError> {
    let bad = |reason: String| ElfError::BadSegment { index, vaddr: header.p_vaddr, reason };
    let end = header.p_vaddr.checked_add(header.p_memsz).filter(|end| *end <= u64::from(MEMORY_BYTES));
    let (Ok(start), Some(Ok(end))) = (u32::try_from(header.p_vaddr), end.map(u32::try_from)) else {
        return Err(bad(format!("{} bytes of memory end after {MEMORY_BYTES:#x}", header.p_memsz)));
    };
    if !start.is_multiple_of(WORD) {
        return Err(bad("the address is not a multiple of 4".into()));
    }
    if header.p_filesz > header.p_memsz {
        return Err(bad(format!("{} bytes in the file, {} in memory", header.p_filesz, header.p_memsz)));
    }
    let bytes = header
        .p_offset
        .checked_add(header.p_filesz)
        .and_then(|end| file.get(usize::try_from(header.p_offset).ok()?..usize::try_from(end).ok()?))
        .ok_or_else(|| {
            let reason = format!("{} bytes at offset {} go past the end", header.p_filesz, header.p_offset);
            bad(format!("{reason} of the file ({} bytes)", file.len()))
        })?;
    Ok(Loaded { index, start, end, bytes, executable: header.p_flags & PF_X != 0 })
}

/// Joins the executable segments, which must follow each other without a gap.
fn text(loaded: &[Loaded<'_>]) -> Result<(u32, Vec<u32>), ElfError> {
    let mut executable = loaded.iter().filter(|segment| segment.executable && !segment.bytes.is_empty());
    let first = executable.clone().next().ok_or(ElfError::NoText)?;
    let mut end = first.start;
    let mut words = Vec::new();
    for segment in executable.by_ref() {
        let bad = |reason: String| ElfError::BadSegment { index: segment.index, vaddr: segment.start.into(), reason };
        if segment.start != end {
            return Err(bad(format!("code is not contiguous, the code before it ends at {end:#x}")));
        }
        end = segment.end;
        if end - first.start > TEXT_BYTES_MAX {
            return Err(bad(format!("more than {TEXT_BYTES_MAX} bytes of code")));
        }
        words.extend(segment.bytes.chunks(WORD as usize).map(|bytes| {
            let mut word = [0; WORD as usize];
            word[..bytes.len()].copy_from_slice(bytes);
            u32::from_le_bytes(word)
        }));
        // Memory after the bytes of the file is 0, which is no instruction: code cannot go on behind it.
        if segment.end - segment.start != segment.bytes.len() as u32 {
            end = u32::MAX;
        }
    }
    Ok((first.start, words))
}

/// Names are only for messages: a broken symbol table gives no names, not an error.
fn symbols(elf: &ElfBytes<'_, AnyEndian>) -> Vec<Symbol> {
    let Ok(Some((table, strings))) = elf.symbol_table() else { return Vec::new() };
    let mut symbols: Vec<_> = table
        .iter()
        .filter(|symbol| symbol.st_symtype() == STT_FUNC)
        .filter_map(|symbol| {
            let name = strings.get(symbol.st_name as usize).ok()?;
            Some(Symbol {
                start: u32::try_from(symbol.st_value).ok()?,
                bytes: u32::try_from(symbol.st_size).ok()?,
                name: format!("{:#}", rustc_demangle::demangle(name)),
            })
        })
        .collect();
    symbols.sort_by_key(|symbol| symbol.start);
    symbols
}

#[cfg(test)]
#[path = "elf_tests.rs"]
mod tests;
