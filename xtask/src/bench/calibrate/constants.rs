//! The constants of the cost model as `calibration/` holds them.
//!
//! In: constants. Out: the file's text, in the order that its reader documents, rounded to what was measured.

use anyhow::{Context, Result};
use serde_json::Value;

/// Digits that the measurements are good for.
const DIGITS: usize = 4;

/// Affine in cells.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Affine {
    pub fixed: f64,
    pub per_main_cell: f64,
    pub per_gkr_leaf: f64,
}

impl Affine {
    /// From the coefficients in this order.
    pub fn of(coefficients: &[f64]) -> Self {
        Self { fixed: coefficients[0], per_main_cell: coefficients[1], per_gkr_leaf: coefficients[2] }
    }
}

/// One layer of folds.
#[derive(Clone, PartialEq, Debug)]
pub struct FoldCost {
    /// With 1, 2, … children.
    pub peak_bytes: Vec<f64>,
    /// With so many columns for each child and more: with 1, 2, … children.
    pub wide: Option<(u64, Vec<f64>)>,
    pub fixed_cpu_ms: f64,
    pub cpu_ms_per_child: f64,
}

/// The seal.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SealCost {
    pub peak_bytes: f64,
    pub cpu_ms: f64,
}

/// Proving a segment, affine in its cycles.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SizingProve {
    pub fixed_peak_bytes: f64,
    pub peak_bytes_per_mcycle: f64,
    pub fixed_cpu_ms: f64,
    pub cpu_ms_per_mcycle: f64,
}

/// What calibration leaves as it was, or falls back to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Kept {
    pub resident_bytes: f64,
    pub execute_bytes: f64,
    pub segment_cycles_min: u64,
    pub segment_cycles_max: u64,
    pub serial_fraction: f64,
}

impl Kept {
    /// From the file as it is.
    pub fn of(file: &Value) -> Result<Self> {
        let number = |path: &str| file.pointer(path).with_context(|| format!("there is no {path}"));
        let whole = |path| number(path)?.as_u64().with_context(|| format!("{path} is no whole number"));
        let float = |path| number(path)?.as_f64().with_context(|| format!("{path} is no number"));
        Ok(Self {
            resident_bytes: float("/resident_bytes")?,
            execute_bytes: float("/execute_bytes")?,
            segment_cycles_min: whole("/sizing/segment_cycles_min")?,
            segment_cycles_max: whole("/sizing/segment_cycles_max")?,
            serial_fraction: float("/sizing/serial_fraction")?,
        })
    }
}

/// All constants.
#[derive(Clone, PartialEq, Debug)]
pub struct Constants {
    pub measured_on: String,
    pub resident_bytes: f64,
    pub execute_bytes: f64,
    pub execute_cycles_per_ms: f64,
    /// The two peaks of a proof.
    pub segment_bytes: [Affine; 2],
    pub segment_cpu_ms: Affine,
    pub folds: Vec<FoldCost>,
    pub seal: SealCost,
    pub segment_cycles_min: u64,
    pub segment_cycles_max: u64,
    pub serial_fraction: f64,
    pub prove: SizingProve,
}

impl Constants {
    /// The file.
    pub fn text(&self) -> String {
        let affine = |affine: &Affine| {
            let Affine { fixed, per_main_cell, per_gkr_leaf } = affine;
            let [fixed, main, interaction] = [fixed, per_main_cell, per_gkr_leaf].map(|value| float(*value));
            format!(r#"{{ "fixed": {fixed}, "per_main_cell": {main}, "per_gkr_leaf": {interaction} }}"#)
        };
        let fold = |cost: &FoldCost| {
            let FoldCost { peak_bytes, wide, fixed_cpu_ms, cpu_ms_per_child } = cost;
            let list = |bytes: &[f64]| {
                let bytes: Vec<_> = bytes.iter().map(|bytes| whole(*bytes).to_string()).collect();
                format!("[{}]", bytes.join(", "))
            };
            let wide = wide.as_ref().map_or(String::new(), |(columns_min, bytes)| {
                let bytes = list(bytes);
                format!("      \"wide\": {{ \"columns_min\": {columns_min}, \"peak_bytes\": {bytes} }},\n")
            });
            let bytes = list(peak_bytes);
            let [fixed, per_child] = [fixed_cpu_ms, cpu_ms_per_child].map(|ms| whole(*ms));
            format!(
                "    {{\n      \"peak_bytes\": {bytes},\n{wide}      \"fixed_cpu_ms\": {fixed},\n      \
                 \"cpu_ms_per_child\": {per_child}\n    }}"
            )
        };
        let measured_on = Value::from(self.measured_on.as_str());
        let folds: Vec<_> = self.folds.iter().map(fold).collect();
        let SizingProve { fixed_peak_bytes, peak_bytes_per_mcycle, fixed_cpu_ms, cpu_ms_per_mcycle } = self.prove;
        format!(
            r#"{{
  "measured_on": {measured_on},
  "resident_bytes": {resident},
  "execute_bytes": {execute_bytes},
  "execute_cycles_per_ms": {cycles_per_ms},
  "segment": {{
    "peak_bytes": [
      {gkr_bytes},
      {other_bytes}
    ],
    "cpu_ms": {segment_cpu}
  }},
  "folds": [
{folds}
  ],
  "seal": {{ "peak_bytes": {seal_bytes}, "cpu_ms": {seal_cpu} }},
  "sizing": {{
    "segment_cycles_min": {cycles_min},
    "segment_cycles_max": {cycles_max},
    "serial_fraction": {serial},
    "prove": {{
      "fixed_peak_bytes": {prove_bytes},
      "peak_bytes_per_mcycle": {prove_bytes_mcycle},
      "fixed_cpu_ms": {prove_cpu},
      "cpu_ms_per_mcycle": {prove_cpu_mcycle}
    }}
  }}
}}
"#,
            resident = whole(self.resident_bytes),
            execute_bytes = whole(self.execute_bytes),
            cycles_per_ms = whole(self.execute_cycles_per_ms).max(1),
            gkr_bytes = affine(&self.segment_bytes[0]),
            other_bytes = affine(&self.segment_bytes[1]),
            segment_cpu = affine(&self.segment_cpu_ms),
            folds = folds.join(",\n"),
            seal_bytes = whole(self.seal.peak_bytes),
            seal_cpu = whole(self.seal.cpu_ms),
            cycles_min = self.segment_cycles_min,
            cycles_max = self.segment_cycles_max,
            serial = float(self.serial_fraction),
            prove_bytes = whole(fixed_peak_bytes),
            prove_bytes_mcycle = whole(peak_bytes_per_mcycle),
            prove_cpu = whole(fixed_cpu_ms),
            prove_cpu_mcycle = whole(cpu_ms_per_mcycle),
        )
    }
}

/// Each number of either file with its path: `/sizing/segment_cycles_min`, before, after.
pub fn changes(before: &Value, after: &Value) -> Vec<[String; 3]> {
    let mut changes = Vec::new();
    walk(String::new(), after, &mut |path, after| {
        let old = before.pointer(path).map_or("-".to_owned(), Value::to_string);
        changes.push([path.to_owned(), old, after.to_string()]);
    });
    changes
}

fn walk(path: String, value: &Value, leaf: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| walk(format!("{path}/{name}"), value, leaf)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| walk(format!("{path}/{index}"), value, leaf));
        }
        value => leaf(&path, value),
    }
}

/// Rounded to the digits that count.
fn rounded(value: f64) -> f64 {
    if !value.is_finite() {
        return 0.0;
    }
    // Written and read, because a quotient would carry digits that are only the division's.
    format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value)
}

/// As JSON, recognisable as a number that need not be whole.
fn float(value: f64) -> String {
    format!("{:?}", rounded(value))
}

fn whole(value: f64) -> u64 {
    rounded(value).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constants() -> Constants {
        let fold = FoldCost {
            peak_bytes: vec![2_123_456_789.0, 3e9],
            wide: Some((3_000, vec![4e9, 5e9])),
            fixed_cpu_ms: 9_000.4,
            cpu_ms_per_child: 0.0,
        };
        Constants {
            measured_on: "a \"machine\"".into(),
            resident_bytes: 1e9,
            execute_bytes: 3e8,
            execute_cycles_per_ms: 25_000.0,
            segment_bytes: [
                Affine { fixed: 3e8, per_main_cell: 8.0, per_gkr_leaf: 177.123456 },
                Affine { fixed: 1.5e9, per_main_cell: 40.0, per_gkr_leaf: 0.0 },
            ],
            segment_cpu_ms: Affine { fixed: 1_500.0, per_main_cell: 0.000_512_345, per_gkr_leaf: 2e-7 },
            folds: vec![fold; 3],
            seal: SealCost { peak_bytes: 7e8, cpu_ms: 12_000.0 },
            segment_cycles_min: 65_536,
            segment_cycles_max: 4_194_304,
            serial_fraction: 0.123_456,
            prove: SizingProve {
                fixed_peak_bytes: 1.5e9,
                peak_bytes_per_mcycle: 5e9,
                fixed_cpu_ms: 3e3,
                cpu_ms_per_mcycle: 4e4,
            },
        }
    }

    fn paths(value: &Value) -> Vec<String> {
        changes(value, value).into_iter().map(|[path, ..]| path).filter(|path| !path.contains("folds/")).collect()
    }

    #[test]
    fn the_text_has_the_fields_of_the_committed_file() {
        let committed: Value =
            serde_json::from_str(include_str!("../../../../crates/engine/src/openvm/calibration/swirl.json")).unwrap();
        let written: Value = serde_json::from_str(&constants().text()).unwrap();
        assert_eq!(paths(&written), paths(&committed));
        let folds = [&written, &committed].map(|file| file["folds"].as_array().unwrap());
        assert_eq!(folds[0].len(), folds[1].len());
        let names = |fold: &Value| fold.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&folds[0][0]), names(&folds[1][0]));
        assert!(Kept::of(&written).is_ok());
    }

    #[test]
    fn numbers_keep_the_digits_that_count() {
        let written: Value = serde_json::from_str(&constants().text()).unwrap();
        assert_eq!(written["segment"]["peak_bytes"][0]["per_gkr_leaf"], 177.1);
        assert_eq!(written["segment"]["cpu_ms"]["per_main_cell"], 0.000_512_3);
        assert_eq!(written["folds"][0]["peak_bytes"][0], 2_123_000_000_u64);
        assert_eq!(written["measured_on"], "a \"machine\"");
        assert_eq!(float(417_790_123.4), "417800000.0");
    }

    #[test]
    fn changes_show_both_values() {
        let [before, after] = [r#"{"a": {"b": [1, 2]}}"#, r#"{"a": {"b": [1, 3], "c": 4}}"#]
            .map(|text| serde_json::from_str::<Value>(text).unwrap());
        let changed: Vec<_> = changes(&before, &after).into_iter().filter(|[_, old, new]| old != new).collect();
        assert_eq!(changed, [["/a/b/1", "2", "3"], ["/a/c", "-", "4"]]);
    }
}
