//! Links between the pages of the documentation. In: the text of a page. Out: the links that lead nowhere, with their
//! line. Looks at files and headings of this repository, never at the network.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result};

/// A line of Markdown outside code blocks, with its number from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        (!in_code && !fence).then_some((index + 1, line))
    })
}

/// The targets of the links in a line: `[text](target)`, `![text](target)`, `src="target"` and `href="target"`.
fn targets(line: &str) -> Vec<&str> {
    // Text in backticks is shown, not linked.
    let spoken = line.split('`').step_by(2);
    let starts = [("](", ')'), ("src=\"", '"'), ("href=\"", '"')];
    spoken
        .flat_map(|text| {
            starts.iter().flat_map(|(start, end)| text.split(start).skip(1).filter_map(|rest| rest.split_once(*end)))
        })
        .map(|(target, _)| target)
        .collect()
}

/// The names under which a page's headings can be linked, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then_some(title.strip_prefix(' ')?)
    });
    let slug = |title: &str| {
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
    };
    headings.map(|title| slug(title.trim())).collect()
}

/// The links of the page at `page` that lead nowhere, one line each.
pub fn broken(root: &Path, page: &Path) -> Result<Vec<String>> {
    let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let text = read(page)?;
    let name = page.strip_prefix(root).unwrap_or(page).display();
    let mut broken = Vec::new();
    for (line, prose) in prose(&text) {
        for target in
            targets(prose).into_iter().filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.to_path_buf(),
                file => page.parent().unwrap_or(root).join(file),
            };
            if !path.exists() {
                broken.push(format!("{name}:{line}: {target}: there is no such file"));
            } else if !anchor.is_empty() && path.is_file() && !anchors(&read(&path)?).contains(anchor) {
                broken.push(format!("{name}:{line}: {target}: there is no such heading"));
            }
        }
    }
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nowhere_is_named_by_its_line() {
        let root = tempfile::tempdir().unwrap();
        let page = root.path().join("page.md");
        let text =
            "# A page\n[self](#a-page) [no](#another)\n\n[file](gone.md) `[shown](not/linked)` [web](https://x.org)\n";
        fs::write(&page, text).unwrap();
        assert_eq!(
            broken(root.path(), &page).unwrap(),
            ["page.md:2: #another: there is no such heading", "page.md:4: gone.md: there is no such file"]
        );
    }

    #[test]
    fn links_in_code_blocks_are_text() {
        assert_eq!(prose("a\n```\n[b](c)\n```\nd").collect::<Vec<_>>(), [(1, "a"), (5, "d")]);
    }

    #[test]
    fn images_and_html_link_too() {
        assert_eq!(targets("![a](b.svg) <img src=\"c.svg\"> <a href=\"d\">"), ["b.svg", "c.svg", "d"]);
    }
}
