//! Commands in the documentation. In: a page. Out: the commands of its ` ```console run ` blocks with the output shown
//! below them, and whether a real output is what the page shows.
//!
//! Words must agree, numbers may differ: a word with a digit stands for any other with one, and minutes may come before
//! seconds, so that times and digests need no upkeep. A line `…` stands for any number of lines. A command without shown output may print anything.

/// One command of a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Line of the page, from 1.
    pub line: usize,
    /// What is typed.
    pub command: String,
    /// What the page says it prints, on stdout and stderr together.
    pub output: Vec<String>,
}

/// The blocks of a page that are marked to be run.
pub fn blocks(page: &str) -> Vec<Vec<Shown>> {
    let mut blocks: Vec<Vec<Shown>> = Vec::new();
    let mut in_block = false;
    for (index, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            in_block = !in_block && line == "```console run";
            if in_block {
                blocks.push(Vec::new());
            }
            continue;
        }
        let Some(block) = blocks.last_mut().filter(|_| in_block) else { continue };
        if let Some(command) = line.strip_prefix("$ ") {
            block.push(Shown { line: index + 1, command: command.to_owned(), output: Vec::new() });
        } else if let Some(continued) = line.strip_prefix("> ") {
            block.last_mut().into_iter().for_each(|shown| shown.command.push_str(&format!("\n{continued}")));
        } else if let Some(shown) = block.last_mut() {
            shown.output.push(line.to_owned());
        }
    }
    blocks
}

/// The first shown line that a real output does not bear out; none if it bears out all of them.
pub fn differs(shown: &[String], real: &str) -> Option<String> {
    if shown.is_empty() {
        return None;
    }
    let real: Vec<&str> = real.lines().collect();
    let mut at = 0;
    let mut any = false;
    for line in shown {
        if line.trim() == "…" {
            any = true;
            continue;
        }
        let found = match any {
            true => real[at..].iter().position(|real| same(line, real)),
            false => real.get(at).filter(|real| same(line, real)).map(|_| 0),
        };
        match found {
            Some(skipped) => at += skipped + 1,
            None => {
                return Some(format!("the page shows `{line}`, the command prints `{}`", real.get(at).unwrap_or(&"")));
            }
        }
        any = false;
    }
    let rest = real.get(at).filter(|_| !any)?;
    Some(format!("the command also prints `{rest}`"))
}

fn same(shown: &str, real: &str) -> bool {
    let has_digit = |word: &str| word.contains(|c: char| c.is_ascii_digit());
    // `2 min 05 s` is read as `05 s`.
    let words = |line: &str| -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_minutes = |at: usize| words.get(at) == Some(&"min") && at > 0 && has_digit(words[at - 1]);
        let kept = (0..words.len()).filter(|at| !is_minutes(*at) && !is_minutes(at + 1));
        kept.map(|at| words[at].to_owned()).collect()
    };
    let (shown, real) = (words(shown), words(real));
    let agree = |(a, b): (&String, &String)| a == b || has_digit(a) && has_digit(b);
    shown.len() == real.len() && shown.iter().zip(&real).all(agree)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn only_marked_blocks_run() {
        let page = "```console\n$ rm -rf /\n```\n```console run\n$ echo a\n> b\na\n$ true\n```\n$ false\n";
        let first = Shown { line: 5, command: "echo a\nb".into(), output: vec!["a".into()] };
        let second = Shown { line: 8, command: "true".into(), output: vec![] };
        assert_eq!(blocks(page), [[first, second]]);
    }

    #[test]
    fn numbers_may_differ_and_words_may_not() {
        let shown = lines("proved    5/5 segments   41.2 s");
        assert_eq!(differs(&shown, "proved 7/7 segments 1.0 s"), None);
        assert_eq!(differs(&shown, "proved 7/7 segments 2 min 05 s"), None);
        assert!(differs(&shown, "proved 7/7 segments 1.0 ms").is_some());
        assert!(differs(&shown, "proved 7/7 segments min 1.0 s").is_some());
    }

    #[test]
    fn an_ellipsis_stands_for_any_lines() {
        assert_eq!(differs(&lines("a\n…\nd"), "a\nb\nc\nd"), None);
        assert_eq!(differs(&lines("a\n…"), "a\nb"), None);
        assert!(differs(&lines("a\n…\ne"), "a\nb\nc\nd").is_some());
    }

    #[test]
    fn missing_and_extra_lines_are_differences() {
        assert!(differs(&lines("a\nb"), "a").is_some());
        assert!(differs(&lines("a"), "a\nb").is_some());
        assert_eq!(differs(&[], "anything"), None);
    }
}
