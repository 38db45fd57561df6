//! A small assembler: instruction words of RV32IM and OpenVM's own, and the ELF file around them.
//!
//! For programs that no compiler would make. Encodings are those of the RISC-V unprivileged specification, chapter 2, and
//! of OpenVM's custom-0 opcode (openvm-rv32im-guest 2.0.2).

/// Where the code starts.
pub const TEXT: u32 = 0x0020_0800;
/// First address behind the guest's memory.
pub const MEMORY_END: u32 = 1 << 29;

pub const ZERO: u32 = 0;
pub const T0: u32 = 5;
pub const T1: u32 = 6;
pub const T2: u32 = 7;
pub const A0: u32 = 10;
pub const A1: u32 = 11;
pub const A2: u32 = 12;
pub const A3: u32 = 13;

const fn i_type(opcode: u32, funct3: u32, rd: u32, rs1: u32, imm: i32) -> u32 {
    (imm as u32) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}

const fn r_type(funct7: u32, funct3: u32, rd: u32, rs1: u32, rs2: u32) -> u32 {
    funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x33
}

pub const fn addi(rd: u32, rs1: u32, imm: i32) -> u32 {
    i_type(0x13, 0, rd, rs1, imm)
}

pub const fn andi(rd: u32, rs1: u32, imm: i32) -> u32 {
    i_type(0x13, 7, rd, rs1, imm)
}

pub const fn slli(rd: u32, rs1: u32, by: i32) -> u32 {
    i_type(0x13, 1, rd, rs1, by)
}

pub const fn srli(rd: u32, rs1: u32, by: i32) -> u32 {
    i_type(0x13, 5, rd, rs1, by)
}

pub const fn add(rd: u32, rs1: u32, rs2: u32) -> u32 {
    r_type(0, 0, rd, rs1, rs2)
}

pub const fn xor(rd: u32, rs1: u32, rs2: u32) -> u32 {
    r_type(0, 4, rd, rs1, rs2)
}

pub const fn lui(rd: u32, value: u32) -> u32 {
    value & 0xffff_f000 | rd << 7 | 0x37
}

/// `rd = value`, in two instructions.
pub const fn li(rd: u32, value: u32) -> [u32; 2] {
    // `addi` extends the sign of its twelve bits, so the upper part makes up for it.
    [lui(rd, value.wrapping_add(0x800)), addi(rd, rd, (value << 20) as i32 >> 20)]
}

pub const fn lw(rd: u32, base: u32, offset: i32) -> u32 {
    i_type(0x03, 2, rd, base, offset)
}

pub const fn lh(rd: u32, base: u32, offset: i32) -> u32 {
    i_type(0x03, 1, rd, base, offset)
}

pub const fn sw(value: u32, base: u32, offset: i32) -> u32 {
    let imm = offset as u32;
    (imm >> 5 & 0x7f) << 25 | value << 20 | base << 15 | 2 << 12 | (imm & 0x1f) << 7 | 0x23
}

/// Jumps `words` instructions on, or back, if the registers differ.
pub const fn bne(rs1: u32, rs2: u32, words: i32) -> u32 {
    let imm = (4 * words) as u32;
    (imm >> 12 & 1) << 31
        | (imm >> 5 & 0x3f) << 25
        | rs2 << 20
        | rs1 << 15
        | 1 << 12
        | (imm >> 1 & 0xf) << 8
        | (imm >> 11 & 1) << 7
        | 0x63
}

pub const fn jalr(rd: u32, base: u32, offset: i32) -> u32 {
    i_type(0x67, 0, rd, base, offset)
}

pub const fn exit(code: i32) -> u32 {
    i_type(0x0b, 0, ZERO, ZERO, code)
}

/// Stores the next word of the hint at the address in `to`.
pub const fn hint_word(to: u32) -> u32 {
    i_type(0x0b, 1, to, ZERO, 0)
}

/// Stores the next `words` words of the hint at the address in `to`; both are registers.
pub const fn hint_buffer(to: u32, words: u32) -> u32 {
    i_type(0x0b, 1, to, words, 1)
}

/// Reveals `value` as public values at the offset in register `at`.
pub const fn reveal(value: u32, at: u32) -> u32 {
    i_type(0x0b, 2, at, value, 0)
}

/// Makes the next item of the input the hint.
pub const fn hint_input() -> u32 {
    i_type(0x0b, 3, ZERO, ZERO, 0)
}

/// Prints `length` bytes at `address`; both are registers.
pub const fn print(address: u32, length: u32) -> u32 {
    i_type(0x0b, 3, address, length, 1)
}

/// Makes `words` random words the hint; a register.
pub const fn hint_random(words: u32) -> u32 {
    i_type(0x0b, 3, words, ZERO, 2)
}

/// An executable with these functions one after the other, starting with the first.
pub fn elf(functions: &[(&str, Vec<u32>)]) -> Vec<u8> {
    const HEADERS: u32 = 52 + 32;
    let code: Vec<u8> = functions.iter().flat_map(|(_, words)| words).flat_map(|word| word.to_le_bytes()).collect();
    let (mut symbols, mut names) = (vec![0; 16], vec![0]);
    let mut start = TEXT;
    for (name, words) in functions {
        let bytes = 4 * words.len() as u32;
        for word in [names.len() as u32, start, bytes] {
            symbols.extend(word.to_le_bytes());
        }
        // A global function, visible, in a section whose number nobody reads.
        symbols.extend([0x12, 0, 1, 0]);
        names.extend(name.bytes().chain([0]));
        start += bytes;
    }
    let length = |bytes: &[u8]| bytes.len() as u32;
    let symbols_at = HEADERS + length(&code);
    let names_at = symbols_at + length(&symbols);
    let sections_at = names_at + length(&names);

    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let halves = |file: &mut Vec<u8>, halves: &[u16]| file.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
    let words = |file: &mut Vec<u8>, words: &[u32]| file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    // Executable, RISC-V; version, entry, offsets of both tables, no flags; sizes and counts.
    halves(&mut file, &[2, 0xf3]);
    words(&mut file, &[1, TEXT, 52, sections_at, 0]);
    halves(&mut file, &[52, 32, 1, 40, 3, 0]);
    // Load the code, readable and executable.
    words(&mut file, &[1, HEADERS, TEXT, TEXT, length(&code), length(&code), 5, 4]);
    file.extend(&code);
    file.extend(&symbols);
    file.extend(&names);
    words(&mut file, &[0; 10]);
    // Symbols, named by section 2, of 16 bytes each; names.
    words(&mut file, &[0, 2, 0, 0, symbols_at, length(&symbols), 2, 1, 4, 16]);
    words(&mut file, &[0, 3, 0, 0, names_at, length(&names), 0, 0, 1, 0]);
    file
}
