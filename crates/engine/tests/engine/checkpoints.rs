//! Checkpoints: a proof can start from any of them, and they cost what changed since the one before.

use std::collections::{BTreeMap, HashMap, HashSet};

use phalanx_claim::ArtifactKind;
use phalanx_engine::{TaskError, stdin::Stdin};
use phalanx_plan::Task;

use crate::support::{
    Bench,
    asm::{self, A0, A1, A2, A3, T0, T1, T2, TEXT, ZERO},
};

const PAGE_BYTES: usize = 4096;
/// Where the pages are that [`churn`] writes: some rarely, some all the time.
const COLD: u32 = 0x0100_0000;
const COLD_PAGES: usize = 256;
const HOT: u32 = 0x0200_0000;
const HOT_PAGES: usize = 4;

/// Writes pages in an order that nobody can foresee (xorshift, Marsaglia 2003), `rounds` times.
fn churn(rounds: u32) -> Vec<u32> {
    let start = [asm::li(A0, rounds), asm::li(A1, COLD), asm::li(A2, HOT), asm::li(A3, 0x1234_5678)].concat();
    let round = [
        asm::slli(T0, A3, 13),
        asm::xor(A3, A3, T0),
        asm::srli(T0, A3, 17),
        asm::xor(A3, A3, T0),
        asm::slli(T0, A3, 5),
        asm::xor(A3, A3, T0),
        asm::srli(T0, A3, 24),
        asm::slli(T0, T0, 12),
        asm::add(T0, T0, A1),
        asm::sw(A3, T0, 16),
        asm::andi(T1, A3, HOT_PAGES as i32 - 1),
        asm::slli(T1, T1, 12),
        asm::add(T1, T1, A2),
        asm::sw(A3, T1, 32),
        asm::addi(A0, A0, -1),
        asm::bne(A0, ZERO, -15),
    ];
    [&start[..], &round, &[asm::exit(0)]].concat()
}

/// The instructions of [`churn`] as the RISC-V specification defines them, apart from any engine.
struct Reference {
    code: Vec<u32>,
    pc: u32,
    registers: [u32; 32],
    pages: BTreeMap<u32, Vec<u8>>,
}

impl Reference {
    fn new(code: Vec<u32>) -> Self {
        Self { code, pc: TEXT, registers: [0; 32], pages: BTreeMap::new() }
    }

    /// Runs one instruction; says whether the program goes on.
    fn step(&mut self) -> bool {
        let word = self.code[((self.pc - TEXT) / 4) as usize];
        let [rd, rs1, rs2] = [word >> 7, word >> 15, word >> 20].map(|field| (field & 31) as usize);
        let (x1, x2) = (self.registers[rs1], self.registers[rs2]);
        let imm = (word as i32 >> 20) as u32;
        let mut next = self.pc + 4;
        let result = match (word & 0x7f, word >> 12 & 7) {
            (0x37, _) => Some(word & 0xffff_f000),
            (0x13, 0) => Some(x1.wrapping_add(imm)),
            (0x13, 1) => Some(x1 << (imm & 31)),
            (0x13, 5) => Some(x1 >> (imm & 31)),
            (0x13, 7) => Some(x1 & imm),
            (0x33, 0) => Some(x1.wrapping_add(x2)),
            (0x33, 4) => Some(x1 ^ x2),
            (0x23, 2) => {
                let offset = imm & !31 | rd as u32;
                let at = x1.wrapping_add(offset) as usize;
                let page = self.pages.entry((at / PAGE_BYTES) as u32).or_insert_with(|| vec![0; PAGE_BYTES]);
                page[at % PAGE_BYTES..][..4].copy_from_slice(&x2.to_le_bytes());
                None
            }
            (0x63, 1) => {
                // The sign, bit 11, bits 10 to 5, bits 4 to 1.
                let offset = imm & 0xffff_f000 | (word >> 7 & 1) << 11 | (word >> 25 & 0x3f) << 5 | word >> 7 & 0x1e;
                if x1 != x2 {
                    next = self.pc.wrapping_add(offset);
                }
                None
            }
            (0x0b, 0) => return false,
            _ => panic!("{word:#010x} is not in this program"),
        };
        if let Some(value) = result.filter(|_| rd != 0) {
            self.registers[rd] = value;
        }
        self.pc = next;
        true
    }
}

/// For each segment of `segment_cycles` instructions: how many pages differ at its end from what they were at its start,
/// and how many are not zero then. Also the number of instructions.
fn dirtied(code: Vec<u32>, segment_cycles: u64) -> (Vec<(usize, usize)>, u64) {
    let mut machine = Reference::new(code);
    let (mut before, mut counts, mut cycles) = (HashMap::new(), Vec::new(), 0);
    loop {
        let goes_on = machine.step();
        cycles += 1;
        if cycles % segment_cycles == 0 || !goes_on {
            let zero = vec![0; PAGE_BYTES];
            let changed = |(number, page): &(&u32, &Vec<u8>)| before.get(*number).unwrap_or(&zero) != *page;
            counts.push((machine.pages.iter().filter(changed).count(), machine.pages.len()));
            before = machine.pages.clone().into_iter().collect();
        }
        if !goes_on {
            return (counts, cycles);
        }
    }
}

#[test]
fn pages_cost_at_most_a_fifth_more_than_what_changed() {
    const SEGMENT_CYCLES: u64 = 1600;
    let code = churn(6000);
    let (dirtied, cycles) = dirtied(code.clone(), SEGMENT_CYCLES);
    let mut bench = Bench::new();
    let execution = bench.execute(&asm::elf(&[("churn", code)]), &Stdin::default(), SEGMENT_CYCLES).unwrap();
    assert_eq!(execution.cycles, cycles);
    assert_eq!(execution.segments.len(), dirtied.len());
    assert!(dirtied.len() >= 50, "{} segments", dirtied.len());
    let changed_bytes = PAGE_BYTES * dirtied.iter().map(|(changed, _)| changed).sum::<usize>();
    let written = bench.store.written(ArtifactKind::Pages);
    println!("{written} bytes of pages for {changed_bytes} that changed");
    assert!(written >= changed_bytes, "{written} bytes cannot hold {changed_bytes}");
    assert!(10 * written <= 12 * changed_bytes, "{written} bytes for {changed_bytes}");
}

#[test]
fn restoring_reads_no_more_for_a_late_segment() {
    const SEGMENT_CYCLES: u64 = 1600;
    let mut bench = Bench::new();
    let elf = asm::elf(&[("churn", churn(6000))]);
    let execution = bench.execute(&elf, &Stdin::default(), SEGMENT_CYCLES).unwrap();
    // A cancelled proof ends after its state was restored.
    bench.cancel.cancel();
    let reads: Vec<usize> = execution
        .segments
        .iter()
        .map(|segment| {
            let before = bench.store.read(ArtifactKind::Pages);
            assert!(matches!(bench.prove(segment.digest), Err(TaskError::Cancelled)));
            bench.store.read(ArtifactKind::Pages) - before
        })
        .collect();
    println!("bytes of pages read: {reads:?}");
    assert_eq!(reads[0], 0, "the first segment starts from the program alone");
    // What is in use, as if in packs of which only one page in six is in use.
    let most = 6 * (COLD_PAGES + HOT_PAGES) * PAGE_BYTES;
    assert!(reads.iter().all(|bytes| *bytes <= most), "more than {most}");
    let (early, late) = reads.split_at(reads.len() / 2);
    let most_of = |reads: &[usize]| reads.iter().copied().max().unwrap();
    assert!(most_of(late) <= 2 * most_of(early), "{} early, {} late", most_of(early), most_of(late));
}

#[test]
fn the_same_execution_is_cut_into_the_same_segments() {
    let elf = asm::elf(&[("churn", churn(1000))]);
    let executions = [0, 1].map(|_| Bench::new().execute(&elf, &Stdin::default(), 2000).unwrap());
    assert_eq!(executions[0], executions[1]);
    let digests: HashSet<_> = executions[0].segments.iter().map(|segment| segment.digest).collect();
    assert_eq!(digests.len(), executions[0].segments.len(), "segments of one execution differ");
}

/// The register that holds 1.
const ONE: u32 = 28;

/// Reads an input item word by word, then random words, and folds all into memory and one public value.
fn readers(words: u32, random_words: u32) -> Vec<u32> {
    let mix = [asm::lw(T0, A1, 0), asm::xor(A3, A3, T0), asm::slli(T1, A3, 7), asm::add(A3, A3, T1)];
    // Each word goes to a page of its own.
    let store = [asm::sw(A3, A2, 0), asm::add(A2, A2, T2), asm::addi(A0, A0, -1)];
    let start = [asm::li(A1, 0x40_0000), asm::li(A2, COLD), asm::li(T2, PAGE_BYTES as u32)].concat();
    let item = [&asm::li(A0, words)[..], &[asm::hint_input(), asm::hint_word(A1)]].concat();
    let item_round = [&[asm::hint_word(A1)][..], &mix, &store, &[asm::bne(A0, ZERO, -8)]].concat();
    let random = [&asm::li(A0, random_words)[..], &[asm::addi(ONE, ZERO, 1)]].concat();
    let random_round =
        [&[asm::hint_random(ONE), asm::hint_word(A1)][..], &mix, &store, &[asm::bne(A0, ZERO, -9)]].concat();
    let end = [asm::reveal(A3, ZERO), asm::exit(0)];
    [start, item, item_round, random, random_round, end.to_vec()].concat()
}

#[test]
fn proofs_made_last_to_first_from_checkpoints_within_an_input_item_and_random_bytes_join() {
    let (words, random_words) = (300, 250);
    let elf = asm::elf(&[("readers", readers(words, random_words))]);
    let stdin = Stdin { items: vec![(0..4 * words).map(|byte| (byte * 31) as u8).collect()] };
    let mut bench = Bench::new();
    let cycles = bench.execute(&elf, &stdin, u64::MAX).unwrap().cycles;
    let execution = bench.execute(&elf, &stdin, cycles.div_ceil(3)).unwrap();
    assert_eq!(execution.segments.len(), 3);
    assert_ne!(execution.public_values[..4], [0; 4]);
    let mut proofs: Vec<_> =
        execution.segments.iter().rev().map(|segment| bench.prove(segment.digest).unwrap()).collect();
    proofs.reverse();
    // The fold checks that each segment starts in the state in which the one before it ends.
    bench.run(&Task::Fold { layer: 0 }, &proofs).unwrap();
}
