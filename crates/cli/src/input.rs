//! `--input`: files become the guest's input stream.
//!
//! In: the arguments in order. Out: a [`Stdin`]. Each argument is one item, with one exception that can be switched off:
//!
//! - a file named `*.json` whose top level is an object with the single key `input` is an input file as `cargo openvm`
//!   takes it, and each of its entries is one item;
//! - `raw:FILE` is always one item, whatever it holds;
//! - `-` is standard input, always one item, at most once.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

use phalanx_engine::stdin::{STDIN_BYTES_MAX, Stdin, StdinError};
use serde::de::IgnoredAny;

use crate::error::{Error, Result};

/// One `--input`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InputArg {
    /// `-`
    StandardInput,
    /// `raw:FILE`
    Raw(PathBuf),
    /// `FILE`
    File(PathBuf),
}

impl FromStr for InputArg {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "" | "raw:" => Err("names no file".into()),
            "-" | "raw:-" => Ok(Self::StandardInput),
            text => {
                Ok(text.strip_prefix("raw:").map_or_else(|| Self::File(text.into()), |path| Self::Raw(path.into())))
            }
        }
    }
}

/// What `prove` and `execute` share.
#[derive(clap::Args, Debug)]
pub struct InputArgs {
    /// One item of the guest's input stream; repeat for more. `-` is standard input. A .json file of the form
    /// {"input": ["0x01…", …]} is taken apart into its items as OpenVM does; `raw:FILE` takes any file as it is
    #[arg(long = "input", value_name = "FILE")]
    input: Vec<InputArg>,
}

impl InputArgs {
    /// Reads everything.
    pub fn read(&self) -> Result<Stdin> {
        read(&self.input, io::stdin())
    }
}

fn read(arguments: &[InputArg], mut standard_input: impl Read) -> Result<Stdin> {
    if arguments.iter().filter(|argument| **argument == InputArg::StandardInput).count() > 1 {
        return Err(Error::input("--input - is given twice, but standard input can be read only once")
            .hint("save it to a file and name that file twice"));
    }
    let mut stdin = Stdin::default();
    let mut bytes_left = STDIN_BYTES_MAX;
    for argument in arguments {
        let items = match argument {
            InputArg::StandardInput => vec![read_some(&mut standard_input, Path::new("-"), bytes_left)?],
            InputArg::Raw(path) => vec![read_file(path, bytes_left)?],
            InputArg::File(path) => items_of(path, bytes_left)?,
        };
        let bytes: usize = items.iter().map(Vec::len).sum();
        bytes_left = bytes_left.checked_sub(bytes).ok_or_else(too_long)?;
        stdin.items.extend(items);
    }
    stdin.checked().map_err(|error| Error::input(error.to_string()))
}

fn items_of(path: &Path, bytes_max: usize) -> Result<Vec<Vec<u8>>> {
    if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("json")) {
        return Ok(vec![read_file(path, bytes_max)?]);
    }
    // Hexadecimal digits take twice the room of the bytes they stand for, plus quotes and prefixes.
    let bytes = read_file(path, bytes_max.saturating_mul(3))?;
    if !is_openvm_input(&bytes) {
        return if bytes.len() > bytes_max { Err(too_long()) } else { Ok(vec![bytes]) };
    }
    let stdin = Stdin::from_json(&bytes).map_err(|error| bad_json(path, &error))?;
    Ok(stdin.items)
}

/// Whether the top level is an object with the single key `input`.
fn is_openvm_input(bytes: &[u8]) -> bool {
    serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(bytes)
        .is_ok_and(|object| object.len() == 1 && object.contains_key("input"))
}

fn read_file(path: &Path, bytes_max: usize) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|cause| Error::unreadable("input", path, &cause))?;
    read_some(file, path, bytes_max)
}

fn read_some(from: impl Read, path: &Path, bytes_max: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    from.take(limit).read_to_end(&mut bytes).map_err(|cause| Error::unreadable("input", path, &cause))?;
    if bytes.len() > bytes_max { Err(too_long()) } else { Ok(bytes) }
}

fn too_long() -> Error {
    Error::input(format!("the input has more than {STDIN_BYTES_MAX} bytes, which is all that is accepted"))
}

fn bad_json(path: &Path, error: &StdinError) -> Error {
    Error::input(format!("cannot read input {}: {error}", path.display()))
        .hint(format!("give `raw:{}` if the guest shall read the file as it is", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn arg(text: &str) -> InputArg {
        text.parse().unwrap()
    }

    fn items(files: &[(&str, &str)], arguments: &[&str]) -> Result<Vec<Vec<u8>>> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let here = |argument: InputArg| match argument {
            InputArg::Raw(path) => InputArg::Raw(directory.path().join(path)),
            InputArg::File(path) => InputArg::File(directory.path().join(path)),
            InputArg::StandardInput => InputArg::StandardInput,
        };
        let arguments: Vec<_> = arguments.iter().map(|text| here(arg(text))).collect();
        read(&arguments, &b"from a pipe"[..]).map(|stdin| stdin.items)
    }

    #[test]
    fn items_keep_the_order_of_the_arguments() {
        let files = [("a.bin", "A"), ("b.json", r#"{"input": ["0x0142", "0x0143"]}"#)];
        let items = items(&files, &["b.json", "-", "a.bin"]).unwrap();
        assert_eq!(items, [&b"B"[..], b"C", b"from a pipe", b"A"]);
    }

    #[test]
    fn only_an_object_with_the_single_key_input_is_taken_apart() {
        for text in [
            r#"{"input": ["0x0142"], "more": 1}"#,
            r#"{"inputs": ["0x0142"]}"#,
            r#"["0x0142"]"#,
            "{}",
            r#"{"input": ["#,
            "not json",
        ] {
            assert_eq!(items(&[("data.json", text)], &["data.json"]).unwrap(), [text.as_bytes()], "{text}");
        }
    }

    #[test]
    fn raw_and_other_names_are_never_taken_apart() {
        let text = r#"{"input": ["0x0142"]}"#;
        assert_eq!(items(&[("data.json", text)], &["raw:data.json"]).unwrap(), [text.as_bytes()]);
        assert_eq!(items(&[("data.txt", text)], &["data.txt"]).unwrap(), [text.as_bytes()]);
    }

    #[test]
    fn a_bad_entry_is_named_and_raw_is_offered() {
        let error = items(&[("data.json", r#"{"input": ["0x01", 7]}"#)], &["data.json"]).unwrap_err();
        assert!(error.hint.as_deref().is_some_and(|hint| hint.contains("raw:")), "{error}");
        let error = items(&[("data.json", r#"{"input": ["0x01", "0x09"]}"#)], &["data.json"]).unwrap_err();
        assert!(error.what.contains("input[1]"), "{error}");
    }

    #[test]
    fn standard_input_is_read_once() {
        assert!(items(&[], &["-", "raw:-"]).unwrap_err().what.contains("only once"));
    }

    #[test]
    fn more_than_the_limit_is_refused_while_reading() {
        let error = read(&[InputArg::StandardInput], io::repeat(0)).unwrap_err();
        assert!(error.what.contains(&STDIN_BYTES_MAX.to_string()), "{error}");
    }
}
