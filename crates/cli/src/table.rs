//! Rows of words in columns: names to the left, numbers to the right.

/// A table in the making.
pub struct Table {
    /// Whether the column holds numbers.
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings; those that start with `>` stand over numbers.
    pub fn new(headings: &[&str]) -> Self {
        let right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let first = headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect();
        Self { right, rows: vec![first] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether there is nothing under the headings.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// The lines, headings first.
    pub fn lines(&self) -> Vec<String> {
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        let cell = |(column, cell): (usize, &String)| match (self.right.get(column), widths.get(column)) {
            (Some(true), Some(width)) => format!("{cell:>width$}"),
            (_, Some(width)) => format!("{cell:<width$}"),
            _ => cell.clone(),
        };
        let line = |row: &Vec<String>| row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
        self.rows.iter().map(|row| line(row).trim_end().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", ">DONE", "STATE"]);
        assert!(table.is_empty());
        table.row(["a".into(), "7".into(), "…".into()]);
        table.row(["longer".into(), "1,000".into(), String::new()]);
        assert_eq!(table.lines(), ["NAME     DONE  STATE", "a           7  …", "longer  1,000"]);
    }
}
