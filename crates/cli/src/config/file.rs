//! One configuration file: TOML held against the command line's grammar.
//!
//! In: text. Out: for each command and option the values that the option takes, or an error that names file and key.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, Command};
use toml::{Table, Value};

use super::layers::{option_of, options};
use crate::error::{Error, Result};

/// The longest file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a file says.
#[derive(Debug)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// Values by command (empty: every command) and option.
    values: BTreeMap<(Vec<String>, String), Vec<String>>,
}

impl Settings {
    /// Reads a file; nothing if there is none.
    pub fn read(path: &Path, grammar: &Command) -> Result<Option<Self>> {
        let unreadable = |cause: &io::Error| Error::unreadable("configuration", path, cause);
        let file = match File::open(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|cause| unreadable(&cause))?,
        };
        let mut text = String::new();
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|cause| unreadable(&cause))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(bad(path, &format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        Self::parse(path, &text, grammar).map(Some)
    }

    pub(super) fn parse(path: &Path, text: &str, grammar: &Command) -> Result<Self> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| not_toml(path, text, &error))?;
        let mut settings = Self { path: path.to_owned(), values: BTreeMap::new() };
        settings.take(&table, grammar, &[]).map_err(|reason| bad(path, &reason))?;
        Ok(settings)
    }

    /// What is said for this option of this command: by its own table, or one further out.
    pub fn find(&self, command: &[String], option: &str) -> Option<&[String]> {
        (0..=command.len()).rev().find_map(|depth| {
            let outer = command.get(..depth)?.to_vec();
            self.values.get(&(outer, option.to_owned())).map(Vec::as_slice)
        })
    }

    fn take(&mut self, table: &Table, grammar: &Command, at: &[String]) -> std::result::Result<(), String> {
        for (key, value) in table {
            let here: Vec<String> = at.iter().chain([key]).cloned().collect();
            let name = here.join(".");
            if let (Value::Table(inner), Some(command)) = (value, grammar.find_subcommand(key)) {
                self.take(inner, command, &here)?;
                continue;
            }
            let holders = holders(grammar, key);
            if holders.is_empty() {
                return Err(unknown(grammar, key, &name, value));
            }
            let values =
                words(value).ok_or_else(|| format!("`{name}` is neither text, number, truth nor a list of them"))?;
            // At the top a key is for every command that has such an option, and each of them must take the value.
            for option in holders {
                accepts(option, value, &values).map_err(|reason| format!("`{name}`: {reason}"))?;
            }
            self.values.insert((at.to_vec(), key.clone()), values);
        }
        Ok(())
    }
}

/// The options of this name in a command and all commands below it.
fn holders<'a>(grammar: &'a Command, key: &str) -> Vec<&'a Arg> {
    let below = grammar.get_subcommands().flat_map(|command| holders(command, key));
    option_of(grammar, key).into_iter().chain(below).collect()
}

fn unknown(grammar: &Command, key: &str, name: &str, value: &Value) -> String {
    if grammar.find_subcommand(key).is_some() {
        return format!("`{name}` is a command, so it must be a table of options");
    }
    let what = if matches!(value, Value::Table(_)) { "command" } else { "option" };
    let known = options(grammar).filter_map(|option| option.get_long()).find(|known| known.replace('-', "_") == key);
    match known {
        Some(known) => format!("there is no option `{name}`; it is spelled {known}"),
        None => format!("there is no {what} `{name}`"),
    }
}

/// The values as the command line would give them.
fn words(value: &Value) -> Option<Vec<String>> {
    let word = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    };
    match value {
        Value::Array(list) => list.iter().map(word).collect(),
        single => word(single).map(|word| vec![word]),
    }
}

fn accepts(option: &Arg, value: &Value, values: &[String]) -> std::result::Result<(), String> {
    let is_flag = matches!(option.get_action(), ArgAction::SetTrue | ArgAction::SetFalse);
    let is_list = matches!(option.get_action(), ArgAction::Append) || option.get_value_delimiter().is_some();
    let has_truth = match value {
        Value::Array(list) => list.iter().any(Value::is_bool),
        single => single.is_bool(),
    };
    match value {
        Value::Boolean(_) if is_flag => return Ok(()),
        _ if is_flag => return Err("it is a switch: true or false".to_owned()),
        _ if has_truth => return Err("it takes a value, neither true nor false".to_owned()),
        Value::Array(_) if !is_list => return Err("it takes one value, not a list".to_owned()),
        _ => {}
    }
    let long = option.get_long().unwrap_or_default().to_owned();
    let mut alone = Arg::new("value").long(long.clone()).value_parser(option.get_value_parser().clone());
    if let Some(delimiter) = option.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    if let Some(names) = option.get_value_names() {
        alone = alone.value_names(names.iter().map(|name| name.to_string()));
    }
    let alone = Command::new("phalanx").no_binary_name(true).disable_help_flag(true).arg(alone);
    for value in values {
        let refused = alone.clone().try_get_matches_from([format!("--{long}={value}")]);
        if let Err(error) = refused {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            return Err(first.strip_prefix("error: ").unwrap_or(first).to_owned());
        }
    }
    Ok(())
}

fn bad(path: &Path, reason: &str) -> Error {
    Error::input(format!("cannot use configuration {}: {reason}", path.display()))
        .hint("`phalanx config show` lists every option; docs/service.md says how they are written")
}

fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let start = error.span().map_or(0, |span| span.start);
    let line = text.get(..start).map_or(1, |before| before.matches('\n').count() + 1);
    bad(path, &format!("line {line}: {}", error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grammar() -> Command {
        let token = || Arg::new("token").long("token");
        let limit = Arg::new("limit").long("limit").value_parser(clap::value_parser!(u32));
        let kinds = Arg::new("kinds").long("kinds").value_delimiter(',');
        Command::new("phalanx")
            .arg(Arg::new("json").long("json").action(ArgAction::SetTrue))
            .subcommand(Command::new("jobs").arg(token()).arg(limit))
            .subcommand(Command::new("worker").arg(token()).arg(kinds).arg(Arg::new("ca-cert").long("ca-cert")))
            .subcommand(Command::new("token").subcommand(Command::new("create").arg(token())))
    }

    fn parse(text: &str) -> Result<Settings> {
        Settings::parse(Path::new("a.toml"), text, &grammar())
    }

    fn command(path: &[&str]) -> Vec<String> {
        path.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_table_of_a_command_wins_over_the_top() {
        let text = "token = \"all\"\njson = true\n[worker]\ntoken = \"worker\"\nkinds = [\"prove\", \"fold\"]\n[jobs]\nlimit = 7\n";
        let settings = parse(text).unwrap();
        let find = |path: &[&str], option: &str| settings.find(&command(path), option).map(<[String]>::to_vec);
        assert_eq!(find(&["jobs"], "token"), Some(vec!["all".into()]));
        assert_eq!(find(&["token", "create"], "token"), Some(vec!["all".into()]));
        assert_eq!(find(&["worker"], "token"), Some(vec!["worker".into()]));
        assert_eq!(find(&["worker"], "kinds"), Some(vec!["prove".into(), "fold".into()]));
        assert_eq!(find(&["jobs"], "limit"), Some(vec!["7".into()]));
        assert_eq!(find(&[], "json"), Some(vec!["true".into()]));
        assert_eq!(find(&["jobs"], "kinds"), None);
        let nested = parse("[token.create]\ntoken = \"admin\"\n").unwrap();
        assert_eq!(nested.find(&command(&["token", "create"]), "token"), Some(&["admin".to_owned()][..]));
        assert_eq!(nested.find(&command(&["jobs"]), "token"), None);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_file_and_key() {
        for (text, reason) in [
            ("speed = 3", "there is no option `speed`"),
            ("[fly]\nx = 1", "there is no command `fly`"),
            ("[worker]\nca_cert = \"x\"", "there is no option `worker.ca_cert`; it is spelled ca-cert"),
            ("[jobs]\nkinds = \"fold\"", "there is no option `jobs.kinds`"),
            ("jobs = 3", "`jobs` is a command, so it must be a table of options"),
            ("json = \"yes\"", "`json`: it is a switch: true or false"),
            ("[jobs]\nlimit = true", "`jobs.limit`: it takes a value, neither true nor false"),
            ("[jobs]\nlimit = [1, 2]", "`jobs.limit`: it takes one value, not a list"),
            ("[jobs]\nlimit = \"many\"", "`jobs.limit`: invalid value 'many' for '--limit"),
            ("[jobs]\nlimit = 1979-05-27", "`jobs.limit` is neither text, number, truth nor a list of them"),
            ("token = \"a\"\ntoken = \"b\"", "line 2: duplicate key"),
        ] {
            let error = parse(text).unwrap_err().what;
            assert!(error.starts_with("cannot use configuration a.toml: "), "{error}");
            assert!(error.contains(reason), "{text:?} gives {error}");
        }
    }
}
