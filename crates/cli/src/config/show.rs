//! What is in force, and where it came from: one line for each option of each command.

use std::ffi::OsStr;

use clap::Command;
use serde::Serialize;

use super::layers::{Found, Layers, is_switch, options, variable_of};

/// Options whose values open doors.
const SECRETS: [&str; 1] = ["token"];
/// What is shown instead.
const SET: &str = "(set)";

/// Where a value comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The environment.
    Environment,
    /// A configuration file.
    File,
    /// The program.
    Default,
    /// Nobody says it, or the command works it out.
    Unset,
}

/// One option of one command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Setting {
    /// The command; empty for options of every command.
    pub command: String,
    /// Its long name, without dashes.
    pub option: String,
    /// The variable that sets it.
    pub variable: String,
    /// What is in force.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// Which file or variable.
    pub place: Option<String>,
}

impl Layers {
    /// Every option, command by command.
    pub fn settings(&self, grammar: &Command) -> Vec<Setting> {
        let mut settings = Vec::new();
        self.collect(grammar, &[], &mut settings);
        settings
    }

    fn collect(&self, command: &Command, at: &[String], into: &mut Vec<Setting>) {
        for arg in options(command) {
            let Some(option) = arg.get_long() else { continue };
            let shown = |value: &OsStr| shown(option, &value.to_string_lossy());
            let joined =
                |values: &[String]| values.iter().map(|value| shown(OsStr::new(value))).collect::<Vec<_>>().join(",");
            let defaults = arg.get_default_values();
            let (value, source, place) = match self.find(at, option) {
                Found::Variable(value) => (Some(shown(&value)), Source::Environment, Some(variable_of(option))),
                Found::File(path, values) => (Some(joined(values)), Source::File, Some(path.display().to_string())),
                Found::Nowhere if is_switch(arg) => (Some("false".to_owned()), Source::Default, None),
                Found::Nowhere if defaults.is_empty() => (None, Source::Unset, None),
                Found::Nowhere => {
                    let values: Vec<String> =
                        defaults.iter().map(|value| value.to_string_lossy().into_owned()).collect();
                    (Some(joined(&values)), Source::Default, None)
                }
            };
            into.push(Setting {
                command: at.join(" "),
                option: option.to_owned(),
                variable: variable_of(option),
                value,
                source,
                place,
            });
        }
        for inner in command.get_subcommands() {
            let at: Vec<String> = at.iter().cloned().chain([inner.get_name().to_owned()]).collect();
            self.collect(inner, &at, into);
        }
    }
}

fn shown(option: &str, value: &str) -> String {
    // A URL with an `@` has a password before it, or may have one.
    let has_password = option == "database-url" && value.contains('@');
    if SECRETS.contains(&option) || has_password { SET.to_owned() } else { value.to_owned() }
}
