//! Which jobs the constants are measured on: several guests, because chips differ; several sizes; and trees of folds in
//! which every layer folds one proof and as many as it takes.

use anyhow::Result;

use crate::bench::{
    lab::{Item, Job, Lab},
    ram::rounds,
};

/// A job and how to cut it.
pub struct Case {
    pub job: Job,
    /// Length of segments.
    pub segment_cycles: u64,
    /// With more segments it would take long and say little.
    pub segments_max: u32,
    /// Whether the model in cycles is fitted to it.
    pub is_typical: bool,
}

/// More than most jobs here have; a segment of so many cycles must fit in RAM.
const WHOLE: u64 = 2_000_000;
/// Segments so short that a tree of many costs little.
const SHORT: u64 = 32_768;
/// Additions that make 25 short segments: the least that give each layer a node with as many children as it takes.
const TREE_FULL: u64 = 54_000;
/// 13 short segments: two children in layer 2.
const TREE_HALF: u64 = 27_600;
/// 6 short segments: two children in layers 0 and 1.
const TREE_SMALL: u64 = 12_400;

/// All of them, short ones first.
pub fn cases(lab: &Lab) -> Result<Vec<Case>> {
    let message = || Item::File("guests/inputs/message.txt");
    let text = || Item::File("guests/inputs/alice.txt");
    let whole = |job| Case { job, segment_cycles: WHOLE, segments_max: 2, is_typical: false };
    let tree = |job, segments_max| Case { job, segment_cycles: SHORT, segments_max, is_typical: false };
    let typical = |case| Case { is_typical: true, ..case };
    let cut = |job, segment_cycles| Case { job, segment_cycles, segments_max: 8, is_typical: true };
    Ok(vec![
        typical(whole(lab.mergesort(300)?)),
        typical(whole(lab.mergesort(1_200)?)),
        typical(whole(lab.mergesort(2_500)?)),
        typical(whole(lab.mergesort(5_000)?)),
        typical(whole(lab.mergesort(8_000)?)),
        cut(lab.mergesort(1_600)?, 100_000),
        cut(lab.mergesort(5_000)?, 400_000),
        whole(lab.job("sha256-chain", "100", &[message(), rounds(100)])?),
        whole(lab.job("sha256-chain-ext", "500", &[message(), rounds(500)])?),
        whole(lab.job("sha256-chain-ext", "3000", &[message(), rounds(3_000)])?),
        whole(lab.job("keccak", "200", &[text(), rounds(200)])?),
        whole(lab.job(
            "json",
            "",
            &[Item::File("guests/inputs/rivers.json"), Item::File("guests/inputs/field.txt")],
        )?),
        tree(lab.fibonacci(TREE_SMALL)?, 7),
        tree(lab.fibonacci(TREE_HALF)?, 14),
        tree(lab.fibonacci(TREE_FULL)?, 27),
    ])
}
