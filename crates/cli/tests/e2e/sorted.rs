//! The one job that many tests share: mergesort in five segments or more, so two leaf folds and a fold of folds.

use std::{ffi::OsString, fs, path::PathBuf, sync::LazyLock};

use serde_json::Value;

use super::phalanx::{Place, copy, expected, guest, input};

/// The guest takes 269,165 cycles, so this makes five segments, or more where the prediction of a segment's memory says so.
const SEGMENT_CYCLES: &str = "60000";
/// How many proofs a fold takes: the first folds take segment proofs, the last are repeated until one proof is left.
const ARITIES: [u64; 3] = [4, 3, 3];

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
        let sorted = Sorted { place, report };
        assert!(sorted.segments() >= 5, "{} segments need no fold of folds", sorted.segments());
        sorted
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

    pub fn segments(&self) -> u64 {
        self.report["segments"].as_u64().unwrap()
    }

    /// How many proofs are folded from those of the segments.
    pub fn folds(&self) -> u64 {
        let (mut proofs, mut folds) = (self.segments(), 0);
        for layer in 0.. {
            if layer >= ARITIES.len() && proofs == 1 {
                break;
            }
            proofs = proofs.div_ceil(ARITIES[layer.min(ARITIES.len() - 1)]);
            folds += proofs;
        }
        folds
    }

    /// An execution, a proof per segment, the folds and a seal.
    pub fn tasks(&self) -> u64 {
        1 + self.segments() + self.folds() + 1
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
    let job = [guest("mergesort").into(), "--input".into(), input("list-1000.bin").into()];
    let options = ["-o", "sorted.receipt", "--json", "--segment-cycles", SEGMENT_CYCLES].map(OsString::from);
    [&["prove".into()][..], &job, &options].concat()
}

/// What it must reveal.
pub fn public_values() -> String {
    expected("mergesort", &[("file", "inputs/list-1000.bin")])
}
