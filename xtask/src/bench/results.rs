//! `bench/RESULTS.md`: a generated part for each bench between two markers, and around them text by people, which stays.
//!
//! In: the page as it is and the new parts. Out: the page with these parts replaced. A page that is not there is begun.

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::command::root;

const BEGINNING: &str = "# Results

What `./x bench` measured. It replaces the text between its markers; everything else here is written by people and stays.
Times are medians over the rounds of one run in which the variants took turns, with the range in parentheses.

## Reading the numbers

Numbers of different machines do not compare; ratios do, roughly.
";

const NOT_YET: &str = "Not measured yet.\n";

/// One part of the page.
pub struct Part<'a> {
    /// Name of the bench.
    pub name: &'a str,
    /// What its heading says.
    pub title: &'a str,
    /// The new text; none keeps what is there.
    pub text: Option<String>,
}

/// Where the page is.
pub fn path() -> PathBuf {
    root().join("bench/RESULTS.md")
}

/// Puts the parts into the page.
pub fn write(parts: &[Part<'_>]) -> Result<()> {
    let path = path();
    let page = match fs::read_to_string(&path) {
        Ok(page) => page,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BEGINNING.to_owned(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    fs::create_dir_all(path.parent().unwrap_or(root())).context("cannot create the folder of the results")?;
    let page = parts.iter().fold(page, |page, part| with(&page, part));
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}

/// The page with one part replaced, or added at its end.
fn with(page: &str, part: &Part<'_>) -> String {
    let (begin, end) = (format!("<!-- {}: begin -->\n", part.name), format!("<!-- {}: end -->", part.name));
    let old = page.find(&begin).map(|at| at + begin.len());
    let old = old.and_then(|from| Some((from, from + page[from..].find(&end)?)));
    match (old, &part.text) {
        (Some((from, to)), Some(text)) => format!("{}{text}{}", &page[..from], &page[to..]),
        (Some(_), None) => page.to_owned(),
        (None, text) => {
            let mut page = page.trim_end().to_owned();
            let text = text.as_deref().unwrap_or(NOT_YET);
            let _ = write!(page, "\n\n## {}\n\n{begin}{text}{end}\n", part.title);
            page
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part<'a>(name: &'a str, text: Option<&str>) -> Part<'a> {
        Part { name, title: "A title", text: text.map(str::to_owned) }
    }

    #[test]
    fn text_by_people_stays() {
        let page = with("# Results\n\nWhy.\n", &part("ram", Some("| 1 |\n")));
        let page = page.replace("## A title", "## A better title") + "\nBecause.\n";
        let page = with(&page, &part("ram", Some("| 2 |\n")));
        let expected =
            "# Results\n\nWhy.\n\n## A better title\n\n<!-- ram: begin -->\n| 2 |\n<!-- ram: end -->\n\nBecause.\n";
        assert_eq!(page, expected);
    }

    #[test]
    fn a_bench_that_did_not_run_keeps_its_results() {
        let page = with("", &part("ram", Some("| 1 |\n")));
        assert_eq!(with(&page, &part("ram", None)), page);
        assert!(with("", &part("ram", None)).contains(NOT_YET));
    }

    #[test]
    fn a_lost_marker_leaves_the_text_and_begins_anew() {
        let page = with("<!-- ram: begin -->\nold\n", &part("ram", Some("new\n")));
        assert!(page.contains("old") && page.contains("new\n<!-- ram: end -->"));
    }
}
