//! What one bench has to say: the commands it ran, tables of what it measured, and the numbers that are to be reached.

use std::fmt::Write as _;

/// The part of the results that one bench writes.
#[derive(Default, Debug)]
pub struct Section {
    /// What was run, as one would type it.
    pub commands: Vec<String>,
    /// What was measured.
    pub tables: Vec<Table>,
    /// What is to be reached.
    pub numbers: Vec<Number>,
    /// What a reader must know to read the tables, a sentence each.
    pub notes: Vec<String>,
}

/// A table; the first column names the row.
#[derive(Debug)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// The rows, each as long as the list of columns.
    pub rows: Vec<Vec<String>>,
}

/// A number to reach.
#[derive(Debug)]
pub struct Number {
    /// What it is.
    pub what: String,
    /// What it is here.
    pub measured: String,
    /// What it must be.
    pub must: String,
    /// Whether it is.
    pub is_met: bool,
}

impl Section {
    /// Adds a number that must not be larger than a limit.
    pub fn at_most(&mut self, what: impl Into<String>, measured: f64, limit: f64, show: impl Fn(f64) -> String) {
        self.numbers.push(Number {
            what: what.into(),
            measured: show(measured),
            must: format!("≤ {}", show(limit)),
            // A number that is none was not measured.
            is_met: measured <= limit,
        });
    }

    /// Adds a number that must not be smaller than a limit.
    pub fn at_least(&mut self, what: impl Into<String>, measured: f64, limit: f64, show: impl Fn(f64) -> String) {
        self.numbers.push(Number {
            what: what.into(),
            measured: show(measured),
            must: format!("≥ {}", show(limit)),
            is_met: measured >= limit,
        });
    }

    /// The section as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        if !self.commands.is_empty() {
            text += "```console\n";
            self.commands.iter().for_each(|command| text += &format!("$ {command}\n"));
            text += "```\n\n";
        }
        self.tables.iter().for_each(|table| text += &(table.markdown() + "\n"));
        if !self.numbers.is_empty() {
            let row = |number: &Number| {
                let verdict = if number.is_met { "reached" } else { "**missed**" };
                vec![number.what.clone(), number.measured.clone(), number.must.clone(), verdict.to_owned()]
            };
            let columns = vec!["number", "measured", "must be", "verdict"];
            text += &(Table { columns, rows: self.numbers.iter().map(row).collect() }.markdown() + "\n");
        }
        self.notes.iter().for_each(|note| text += &format!("{note}\n\n"));
        text.trim_end().to_owned() + "\n"
    }
}

impl Table {
    fn markdown(&self) -> String {
        let mut text = format!("| {} |\n|{}\n", self.columns.join(" | "), "---|".repeat(self.columns.len()));
        for row in &self.rows {
            // A bar would end the cell.
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_met_by_the_limit_itself_and_never_by_what_was_not_measured() {
        let mut section = Section::default();
        let show = |number: f64| format!("{number:.2}");
        section.at_most("ratio", 0.9, 0.9, show);
        section.at_most("ratio", f64::NAN, 0.9, show);
        section.at_least("rate", 9.99, 10.0, show);
        assert_eq!(section.numbers.iter().map(|number| number.is_met).collect::<Vec<_>>(), [true, false, false]);
        assert!(section.markdown().contains("| rate | 9.99 | ≥ 10.00 | **missed** |"));
    }

    #[test]
    fn a_bar_in_a_cell_does_not_end_it() {
        let table = Table { columns: vec!["a", "b"], rows: vec![vec!["x|y".into(), "z".into()]] };
        assert_eq!(table.markdown(), "| a | b |\n|---|---|\n| x\\|y | z |\n");
    }
}
