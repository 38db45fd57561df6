//! The one job that many tests share: mergesort in five segments, so two leaf folds and a fold of folds.

use std::{ffi::OsString, fs, path::PathBuf, sync::LazyLock};

use serde_json::Value;

use super::phalanx::{Place, copy, expected, guest, input};

pub const SEGMENTS: u64 = 5;
/// An execution, a proof per segment, folds 5 → 2 → 1 → 1 and a seal.
pub const TASKS: u64 = 1 + SEGMENTS + 4 + 1;

/// The job, proven once.
pub struct Sorted {
    pub place: Place,
    /// What `prove --json` printed.
    pub report: Value,
}

/// Proves it, or waits until it is proven.
pub fn sorted() -> &'static Sorted {
    static SORTED: LazyLock<Sorted> = LazyLock::new(|| {
        let place = Place::kept("e2e-sorted");
        let report = place.prove(&[&prove()[..], &["--timeline".into(), "timeline.html".into()]].concat()).ok().json();
        Sorted { place, report }
    });
    &SORTED
}

impl Sorted {
    pub fn receipt(&self) -> PathBuf {
        self.place.path("sorted.receipt")
    }

    pub fn receipt_bytes(&self) -> Vec<u8> {
        fs::read(self.receipt()).unwrap()
    }

    pub fn program_id(&self) -> &str {
        self.report["program_id"].as_str().unwrap()
    }

    /// A place with a copy of the store, for tests that change it.
    pub fn copy(&self) -> Place {
        let place = Place::new();
        copy(&self.place.path("store"), &place.path("store"));
        place
    }
}

/// The command that proves it.
pub fn prove() -> Vec<OsString> {
    static SEGMENT_CYCLES: LazyLock<u64> = LazyLock::new(|| {
        let executed = Place::new().run(&[&["execute".into()][..], &job(), &["--json".into()]].concat()).ok().json();
        executed["cycles"].as_u64().unwrap().div_ceil(SEGMENTS)
    });
    let options = ["-o", "sorted.receipt", "--json", "--segment-cycles"].map(OsString::from);
    [&["prove".into()][..], &job(), &options, &[SEGMENT_CYCLES.to_string().into()]].concat()
}

fn job() -> [OsString; 3] {
    [guest("mergesort").into(), "--input".into(), input("list-1000.bin").into()]
}

/// What it must reveal.
pub fn public_values() -> String {
    expected("mergesort", &[("file", "inputs/list-1000.bin")])
}
