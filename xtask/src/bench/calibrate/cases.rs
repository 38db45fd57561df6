//! Which jobs the constants are measured on: several guests, because chips differ; several sizes; and a tree of folds in
//! which every layer folds as many proofs as it takes. All others have layers that fold one.

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
const TREE: u64 = 54_000;

/// All of them, short ones first.
pub fn cases(lab: &Lab) -> Result<Vec<Case>> {
    let message = || Item::File("guests/inputs/message.txt");
    let text = || Item::File("guests/inputs/alice.txt");
    let whole = |job| Case { job, segment_cycles: WHOLE, segments_max: 2, is_typical: false };
    // For every number of proofs that a fold of layer 0 takes, and one more.
    let cut = |job, segment_cycles| Case { job, segment_cycles, segments_max: 8, is_typical: false };
    let typical = |case| Case { is_typical: true, ..case };
    Ok(vec![
        typical(whole(lab.mergesort(300)?)),
        typical(whole(lab.mergesort(1_200)?)),
        typical(whole(lab.mergesort(2_500)?)),
        typical(whole(lab.mergesort(5_000)?)),
        typical(cut(lab.mergesort(1_200)?, 185_000)),
        typical(cut(lab.mergesort(1_200)?, 125_000)),
        typical(cut(lab.mergesort(1_600)?, 100_000)),
        whole(lab.job("sha256-chain", "100", &[message(), rounds(100)])?),
        whole(lab.job("sha256-chain-ext", "500", &[message(), rounds(500)])?),
        cut(lab.job("sha256-chain-ext", "1500", &[message(), rounds(1_500)])?, 300_000),
        whole(lab.job("keccak", "200", &[text(), rounds(200)])?),
        cut(lab.job("keccak", "200", &[text(), rounds(200)])?, 32_000),
        cut(lab.job("keccak", "600", &[text(), rounds(600)])?, 45_000),
        whole(lab.job(
            "json",
            "",
            &[Item::File("guests/inputs/rivers.json"), Item::File("guests/inputs/field.txt")],
        )?),
        Case { job: lab.fibonacci(TREE)?, segment_cycles: SHORT, segments_max: 27, is_typical: false },
    ])
}
