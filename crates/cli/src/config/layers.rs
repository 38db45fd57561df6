//! Environment and files, laid under the command line.

use std::{env, ffi::OsString, path::Path};

use clap::{Arg, ArgAction, Command, builder::BoolishValueParser};

use super::{file::Settings, places::places};
use crate::error::{Error, Result};

/// Every layer between the command line and the defaults.
pub struct Layers {
    files: Vec<Settings>,
    variable: fn(&str) -> Option<OsString>,
}

/// Where the value of an option would be taken from.
pub enum Found<'a> {
    /// The environment.
    Variable(OsString),
    /// A file.
    File(&'a Path, &'a [String]),
    /// Neither: the default, if there is one.
    Nowhere,
}

impl Layers {
    /// Reads the files that `arguments` and the environment lead to.
    pub fn read(arguments: &[OsString], grammar: &Command) -> Result<Self> {
        let places = places(arguments, |name| env::var_os(name));
        let mut files = Vec::new();
        for path in &places.paths {
            match Settings::read(path, grammar)? {
                Some(settings) => files.push(settings),
                None if places.is_named => {
                    let path = path.display();
                    return Err(Error::input(format!("cannot read configuration {path}: no such file or directory"))
                        .hint("it is named by --config or PHALANX_CONFIG"));
                }
                None => {}
            }
        }
        Ok(Self { files, variable: |name| env::var_os(name) })
    }

    /// The files that were read, the most important first.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|settings| settings.path.as_path())
    }

    /// Where an option of a command gets its value when the command line is silent.
    pub fn find(&self, command: &[String], option: &str) -> Found<'_> {
        // An empty variable is how scripts and compose files say that it is not set.
        if let Some(value) = (self.variable)(&variable_of(option)).filter(|value| !value.is_empty()) {
            return Found::Variable(value);
        }
        let said = self.files.iter().find_map(|file| Some((file.path.as_path(), file.find(command, option)?)));
        said.map_or(Found::Nowhere, |(path, values)| Found::File(path, values))
    }

    /// The grammar with what these layers say as its defaults.
    pub fn under(&self, grammar: Command) -> Command {
        self.lay(grammar, &[])
    }

    fn lay(&self, command: Command, at: &[String]) -> Command {
        let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
        let mut command = command.mut_args(|arg| self.option(arg, at));
        for name in names {
            let inner: Vec<String> = at.iter().cloned().chain([name.clone()]).collect();
            command = command.mut_subcommand(name, |command| self.lay(command, &inner));
        }
        command
    }

    fn option(&self, arg: Arg, at: &[String]) -> Arg {
        let Some(option) = configurable(&arg).map(str::to_owned) else { return arg };
        match self.find(at, &option) {
            Found::Nowhere => arg,
            Found::Variable(_) => {
                let arg = arg.env(variable_of(&option)).hide_env(true);
                // `1` and `yes` mean what they say, too.
                if is_switch(&arg) { arg.value_parser(BoolishValueParser::new()) } else { arg }
            }
            // The default may be a secret, and is not what the help page promises.
            Found::File(_, values) => arg.required(false).default_values(values.to_vec()).hide_default_value(true),
        }
    }
}

/// The variable of an option.
pub fn variable_of(option: &str) -> String {
    format!("PHALANX_{}", option.to_ascii_uppercase().replace('-', "_"))
}

/// The options of a command that can be configured.
pub fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| configurable(arg).is_some())
}

/// The option of this name.
pub fn option_of<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    options(command).find(|arg| arg.get_long() == Some(name))
}

/// Whether an option is either there or not.
pub fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

/// Its long name, if it is an option that can be said elsewhere. Where the configuration is cannot be said by it.
fn configurable(arg: &Arg) -> Option<&str> {
    arg.get_long().filter(|name| !matches!(*name, "help" | "version" | "config"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Setting, Source};

    fn grammar() -> Command {
        let limit = Arg::new("limit").long("limit").value_parser(clap::value_parser!(u32)).default_value("50");
        let name = Arg::new("name").long("name").required(true);
        let token = Arg::new("token").long("token");
        let all = Arg::new("all").long("all").action(ArgAction::SetTrue);
        let kinds = Arg::new("kinds").long("kinds").value_delimiter(',').action(ArgAction::Append);
        Command::new("phalanx").subcommand(Command::new("jobs").args([limit, name, token, all, kinds]))
    }

    fn layers(text: &str, variable: fn(&str) -> Option<OsString>) -> Layers {
        let file = Settings::parse(Path::new("a.toml"), text, &grammar()).unwrap();
        Layers { files: vec![file], variable }
    }

    fn matches(layers: &Layers, arguments: &[&str]) -> clap::ArgMatches {
        let arguments = ["phalanx", "jobs"].iter().chain(arguments);
        let matches = layers.under(grammar()).try_get_matches_from(arguments).unwrap();
        matches.subcommand_matches("jobs").unwrap().clone()
    }

    const TEXT: &str = "name = \"file\"\n[jobs]\nlimit = 7\nall = true\nkinds = [\"prove\", \"fold\"]\n";

    #[test]
    fn a_file_is_a_default_and_satisfies_what_is_required() {
        let layers = layers(TEXT, |_| None);
        let said = matches(&layers, &["--limit", "9", "--kinds", "seal"]);
        assert_eq!(said.get_one::<u32>("limit"), Some(&9));
        assert_eq!(said.get_many::<String>("kinds").unwrap().collect::<Vec<_>>(), ["seal"]);
        let silent = matches(&layers, &[]);
        assert_eq!(silent.get_one::<u32>("limit"), Some(&7));
        assert_eq!(silent.get_one::<String>("name").map(String::as_str), Some("file"));
        assert!(silent.get_flag("all"));
        assert_eq!(silent.get_many::<String>("kinds").unwrap().collect::<Vec<_>>(), ["prove", "fold"]);
    }

    #[test]
    fn a_list_can_be_one_text_with_commas() {
        let layers = layers("name = \"x\"\n[jobs]\nkinds = \"prove,fold\"\n", |_| None);
        assert_eq!(matches(&layers, &[]).get_many::<String>("kinds").unwrap().collect::<Vec<_>>(), ["prove", "fold"]);
    }

    #[test]
    fn an_empty_variable_is_not_set_and_another_wins_over_files() {
        // `Arg::env` reads the process's environment itself, so only what is not set can be tested here.
        let layers = layers(TEXT, |name| (name == "PHALANX_LIMIT").then(OsString::new));
        assert_eq!(matches(&layers, &[]).get_one::<u32>("limit"), Some(&7));
    }

    #[test]
    fn what_is_in_force_is_shown_with_its_origin_and_without_secrets() {
        let variable = |name: &str| match name {
            "PHALANX_TOKEN" => Some("phx_secret".into()),
            "PHALANX_NAME" => Some("mine".into()),
            _ => None,
        };
        let settings = layers("[jobs]\nlimit = 7\n", variable).settings(&grammar());
        let of = |option: &str| {
            let setting: &Setting = settings.iter().find(|setting| setting.option == option).unwrap();
            (setting.value.as_deref(), setting.source, setting.place.as_deref())
        };
        assert_eq!(of("limit"), (Some("7"), Source::File, Some("a.toml")));
        assert_eq!(of("name"), (Some("mine"), Source::Environment, Some("PHALANX_NAME")));
        assert_eq!(of("token"), (Some("(set)"), Source::Environment, Some("PHALANX_TOKEN")));
        assert_eq!(of("all"), (Some("false"), Source::Default, None));
        assert_eq!(of("kinds"), (None, Source::Unset, None));
        assert!(settings.iter().all(|setting| setting.command == "jobs"));
    }
}
