//! Rules of style that a machine can check: every file says what it is for, stays small and leaves nothing undone.

use std::{
    fs,
    path::{Path, PathBuf},
};

const LINES_MAX: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Files with one of these extensions that we wrote.
fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if entry.file_type().unwrap().is_dir() {
                let built = ["target", "demo", "corpus", "artifacts", "node_modules", "secrets", "shots", ".git"]
                    .contains(&name.as_str());
                folders.extend((!built).then_some(path));
            } else if extensions.contains(&extension) {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty());
    files.sort();
    files
}

/// Fails with every file that breaks the rule, and how.
fn every_file(extensions: &[&str], broken: impl Fn(&Path, &str) -> Option<String>) {
    let broken: Vec<String> = files(extensions)
        .iter()
        .filter_map(|path| {
            let text = String::from_utf8(fs::read(path).unwrap()).expect("source is UTF-8");
            Some(format!("{}: {}", path.strip_prefix(root()).unwrap().display(), broken(path, &text)?))
        })
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// The first line with one of these texts.
fn first_line_with(text: &str, searched: &[String]) -> Option<String> {
    let (index, line) = text.lines().enumerate().find(|(_, line)| searched.iter().any(|word| line.contains(word)))?;
    Some(format!("line {}: {}", index + 1, line.trim()))
}

#[test]
fn every_file_starts_with_a_sentence_on_what_it_does() {
    every_file(&["rs"], |_, text| {
        let first = text.lines().next().unwrap_or_default();
        let sentence = first.strip_prefix("//! ").is_some_and(|sentence| sentence.contains(' '));
        // Standard prose: `//!` lines of one paragraph end with a full stop or lead over to a list or an example.
        let lines = text.lines().map_while(|line| line.strip_prefix("//!")).take_while(|line| !line.is_empty());
        let ends = lines.last().is_some_and(|line| line.ends_with(['.', ':', '!', '?', ')', '`']));
        (!sentence || !ends).then(|| format!("starts with `{first}`, not with a sentence in `//!`"))
    });
}

#[test]
fn every_file_is_small_enough_to_read() {
    every_file(&["rs", "py", "js", "sh"], |_, text| {
        let lines = text.lines().count();
        (lines >= LINES_MAX).then(|| format!("{lines} lines, at most {} are allowed", LINES_MAX - 1))
    });
}

#[test]
fn no_file_is_named_for_nothing() {
    every_file(&["rs", "py", "js"], |path, _| {
        let name = path.file_stem()?.to_str()?;
        let empty = ["util", "utils", "helper", "helpers", "misc", "common"].contains(&name);
        empty.then(|| "the name does not say what is in it".to_owned())
    });
}

#[test]
fn every_file_is_part_of_a_crate() {
    let texts: Vec<String> = files(&["rs"]).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    // By name only: rustc says which module has no file, but not which file has no module.
    let is_named = |line: String| texts.iter().any(|text| text.contains(&line));
    every_file(&["rs"], |path, _| {
        let (name, stem) = (path.file_name()?.to_str()?, path.file_stem()?.to_str()?);
        let folder = path.parent()?.file_name()?.to_str()?;
        let is_root = ["main", "lib", "build", "mod"].contains(&stem)
            || ["tests", "examples", "fuzz_targets", "bin"].contains(&folder);
        let is_module = || is_named(format!("mod {stem};")) || is_named(format!("{name}\"]"));
        (!is_root && !is_module()).then(|| format!("no `mod {stem};` names it"))
    });
}

#[test]
fn every_test_runs_and_nothing_is_left_for_later() {
    // Put together here so that this file does not hold them.
    let searched = [["#[", "ignore"], ["TO", "DO"], ["FIX", "ME"], ["XX", "X:"]].map(|parts| parts.concat());
    every_file(&["rs", "py", "js", "sh", "toml"], |_, text| first_line_with(text, &searched));
}

#[test]
fn no_file_names_a_path_of_the_machine_it_was_written_on() {
    let folder = root().display().to_string();
    let searched = [folder, ["/ro", "ot/."].concat(), ["../sha", "red"].concat()];
    every_file(&["rs", "py", "js", "sh", "toml", "md", "html"], |_, text| first_line_with(text, &searched));
}
