//! How long each phase of swirl's first proof took. In: what phalanx says on stderr with `SETTING`, a line at the end
//! of each phase. Out: the phases in the order they ended, and a table of them.

use anyhow::{Context, Result, ensure};

use super::{section::Table, stats::thousands};

/// Makes phalanx say how long swirl's phases took, and warn as ever.
pub const SETTING: (&str, &str) = ("PHALANX_LOG", "warn,phalanx_swirl=info");

/// Swirl's crate, where its phases come from.
const CRATE: &str = "phalanx_swirl";
/// Upstream's phase around a whole proof; not every proof has it.
const WHOLE_PROOF: &str = "total_proof";
/// What every proof begins with.
const FIRST: &str = "commit";

/// A phase of a proof.
#[derive(Clone, PartialEq, Debug)]
pub struct Phase {
    /// Its name after those of the phases it is in.
    pub path: Vec<String>,
    /// What it took, with the phases in it; the sum if it ran several times.
    pub ms: f64,
}

/// The phases of the first proof. Those in another follow it.
pub fn of_first_proof(log: &str) -> Vec<Phase> {
    let (mut phases, mut inner): (Vec<Phase>, Vec<Phase>) = (Vec::new(), Vec::new());
    for phase in log.lines().filter_map(closed) {
        if phase.path.len() > 1 {
            // It ends before the phase that it is in, and only that one tells which proof it belongs to.
            inner.push(phase);
            continue;
        }
        if phase.path == [FIRST] {
            if phases.iter().any(|known| known.path[0] != FIRST) {
                break;
            }
            // What was committed to before is a program or a circuit.
            phases.clear();
            let last = inner.iter().enumerate().rev();
            let repeated = last.clone().find(|(i, phase)| inner[i + 1..].iter().any(|other| other.path == phase.path));
            inner.drain(..repeated.map_or(0, |(i, _)| i + 1));
        }
        for phase in [phase].into_iter().chain(inner.drain(..)) {
            match phases.iter_mut().find(|known| known.path == phase.path) {
                Some(known) => known.ms += phase.ms,
                None => phases.push(phase),
            }
        }
    }
    phases
}

/// The phases beside the whole task that made the proof.
pub fn table(phases: &[Phase], task_ms: f64) -> Result<Table> {
    ensure!(!phases.is_empty(), "phalanx named no phase of swirl");
    let row = |name: String, ms: f64| vec![name, thousands(ms), format!("{:.1} %", 100.0 * ms / task_ms)];
    let mut rows: Vec<_> = phases.iter().map(|phase| row(phase.path.join(": "), phase.ms)).collect();
    let proof_ms: f64 = phases.iter().filter(|phase| phase.path.len() == 1).map(|phase| phase.ms).sum();
    rows.push(row("all else of the task".to_owned(), task_ms - proof_ms));
    rows.push(row("the task".to_owned(), task_ms));
    Ok(Table { columns: vec!["phase", "ms", "share of the task"], rows })
}

/// The phase that a line says has ended: `  2.5s  INFO commit:encode: phalanx_swirl::commit: close time.busy=1.2s …`.
fn closed(line: &str) -> Option<Phase> {
    let line = without_colours(line);
    let (place, times) = line.split_once(": close time.busy=")?;
    let (head, target) = place.rsplit_once(": ")?;
    if target.split("::").next() != Some(CRATE) {
        return None;
    }
    // Before the path are the time since the start and the level.
    let (_, head) = head.trim_start().split_once(char::is_whitespace)?;
    let (_, path) = head.trim_start().split_once(char::is_whitespace)?;
    let path = without_fields(path);
    let path: Vec<_> = path.split(':').filter(|name| *name != WHOLE_PROOF).map(|name| name.trim().to_owned()).collect();
    let ms = milliseconds(times.split_whitespace().next()?).ok()?;
    (!path.is_empty()).then_some(Phase { path, ms })
}

/// Removes what sets colours on a terminal: from an escape to the letter that ends it.
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find(|letter: char| letter.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        text + &part[end..]
    })
}

/// Removes the fields of phases, which are in braces and may hold braces.
fn without_fields(path: &str) -> String {
    let mut depth = 0_usize;
    let outside = |letter: &char| {
        match letter {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    };
    path.chars().filter(outside).collect()
}

/// `12.9s`, `842ms`, `17.3µs` or `95.0ns`.
fn milliseconds(time: &str) -> Result<f64> {
    let digits = time.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(time.len());
    let (number, unit) = time.split_at(digits);
    let number: f64 = number.parse().with_context(|| format!("`{time}` is no time"))?;
    let factor = match unit {
        "s" => 1e3,
        "ms" => 1.0,
        "µs" | "us" => 1e-3,
        "ns" => 1e-6,
        _ => anyhow::bail!("`{time}` has an unknown unit"),
    };
    Ok(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program and part of a circuit are committed to; two proofs, the second a fold, with upstream's phase around it.
    const LOG: &str = "\
  0.100000001s  WARN phalanx_worker: RAM gets short
  2.000000001s  INFO commit:merkle_tree: phalanx_swirl::commit: close time.busy=1.02s time.idle=401ns
  3.000000001s  INFO commit: phalanx_swirl::commit: close time.busy=1.50s time.idle=1.2µs
  4.000000001s  INFO commit:merkle_tree: phalanx_swirl::commit: close time.busy=1.02s time.idle=401ns
 20.000000001s  INFO commit:stack: phalanx_swirl::commit: close time.busy=500ms time.idle=1.2µs
 29.161032381s  INFO commit:merkle_tree: phalanx_swirl::commit: close time.busy=9.02s time.idle=401ns
 29.261032381s  INFO commit: phalanx_swirl::commit: close time.busy=12.9s time.idle=1.2µs
 40.000000001s  INFO whir:whir_commit: phalanx_swirl::whir: close time.busy=1.50s time.idle=1.2µs
 41.000000001s  INFO whir:whir_commit: phalanx_swirl::whir: close time.busy=250µs time.idle=1.2µs
 42.000000001s  INFO whir: phalanx_swirl::whir: close time.busy=2.00s time.idle=1.2µs
 43.000000001s  INFO total_proof:commit:stack: phalanx_swirl::commit: close time.busy=7.00s time.idle=1.2µs
 44.000000001s  INFO total_proof:commit: phalanx_swirl::commit: close time.busy=8.00s time.idle=1.2µs
 45.000000001s  INFO total_proof:whir: phalanx_swirl::whir: close time.busy=9.00s time.idle=1.2µs
 46.000000001s  INFO total_proof: openvm_stark_backend::prover: close time.busy=17.0s time.idle=1.2µs
";

    fn phase(path: &[&str], ms: f64) -> Phase {
        Phase { path: path.iter().map(|name| (*name).to_owned()).collect(), ms }
    }

    #[test]
    fn only_the_first_proof_counts_and_phases_that_ran_again_are_added() {
        let expected = [
            phase(&["commit"], 12_900.0),
            phase(&["commit", "stack"], 500.0),
            phase(&["commit", "merkle_tree"], 9_020.0),
            phase(&["whir"], 2_000.0),
            phase(&["whir", "whir_commit"], 1_500.25),
        ];
        assert_eq!(of_first_proof(LOG), expected);
    }

    #[test]
    fn a_line_with_colours_and_fields_is_read_like_one_without() {
        let line = "\u{1b}[2m 29.261032381s\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m \u{1b}[1mtotal_proof\u{1b}[0m\
            \u{1b}[1m{\u{1b}[0m\u{1b}[3mname\u{1b}[0m\u{1b}[2m=\u{1b}[0ma: {b}\u{1b}[1m}\u{1b}[0m\u{1b}[2m:\u{1b}[0m\
            \u{1b}[1mwhir\u{1b}[0m\u{1b}[2m:\u{1b}[0m\u{1b}[1mwhir_commit\u{1b}[0m\u{1b}[1m{\u{1b}[0m\u{1b}[3mround\
            \u{1b}[0m\u{1b}[2m=\u{1b}[0m3\u{1b}[1m}\u{1b}[0m\u{1b}[2m:\u{1b}[0m \u{1b}[2mphalanx_swirl::whir\u{1b}[0m\
            \u{1b}[2m:\u{1b}[0m close \u{1b}[3mtime.busy\u{1b}[0m\u{1b}[2m=\u{1b}[0m842ms \u{1b}[3mtime.idle\u{1b}[0m\
            \u{1b}[2m=\u{1b}[0m1.20µs";
        assert_eq!(closed(line), Some(phase(&["whir", "whir_commit"], 842.0)));
    }

    #[test]
    fn lines_that_end_no_phase_of_swirl_are_left_out() {
        for line in [
            "",
            "error: the disk is full",
            "  1.0s  INFO commit: phalanx_swirl::commit: 17 columns",
            "  1.0s  INFO total_proof: openvm_stark_backend::prover: close time.busy=17.0s time.idle=1.2µs",
            "  1.0s  INFO commit: phalanx_swirls: close time.busy=17.0s time.idle=1.2µs",
            "  1.0s  INFO commit: phalanx_swirl::commit: close time.busy=1.0h time.idle=1.2µs",
        ] {
            assert_eq!(closed(line), None, "{line}");
        }
    }

    #[test]
    fn times_have_four_units() {
        let times = ["12.9s", "842ms", "17.3µs", "95.0ns"].map(|time| milliseconds(time).unwrap());
        for (ms, expected) in times.into_iter().zip([12_900.0, 842.0, 0.0173, 0.000_095]) {
            assert!((ms / expected - 1.0_f64).abs() < 1e-12, "{ms}");
        }
        assert!(milliseconds("ms").is_err() && milliseconds("1.2.3s").is_err() && milliseconds("3").is_err());
    }

    #[test]
    fn the_rest_of_the_task_is_what_no_outer_phase_took() {
        let table = table(&of_first_proof(LOG), 20_000.0).unwrap();
        assert_eq!(table.rows[2], ["commit: merkle_tree", "9,020", "45.1 %"]);
        assert_eq!(table.rows[5], ["all else of the task", "5,100", "25.5 %"]);
        assert!(super::table(&[], 1.0).is_err());
    }
}
