//! `phalanx config`: what is in force where the command line is silent, and where it came from.

use clap::CommandFactory;
use serde::Serialize;

use crate::{
    Cli,
    config::{Layers, Setting, Source},
    error::Result,
    printer::Printer,
    table::Table,
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// List every option of every command with its value and where that came from
    Show,
}

#[derive(Serialize)]
struct Shown {
    /// The files that were read, the most important first.
    files: Vec<String>,
    options: Vec<Setting>,
}

/// Runs the command.
pub fn run(args: &Args, layers: &Layers, printer: &Printer) -> Result<()> {
    let Verb::Show = args.verb;
    let files: Vec<String> = layers.files().map(|path| path.display().to_string()).collect();
    let options = layers.settings(&Cli::command());
    if printer.is_json() {
        return printer.object(&Shown { files, options });
    }
    for file in &files {
        printer.talk().line(&format!("read {file}"));
    }
    let mut table = Table::new(&["COMMAND", "OPTION", "VALUE", "FROM"]);
    for setting in options {
        let from = match (setting.source, setting.place) {
            (Source::Default, _) => "default".to_owned(),
            (_, Some(place)) => place,
            (_, None) => "-".to_owned(),
        };
        let command = if setting.command.is_empty() { "(all)".to_owned() } else { setting.command };
        table.row([command, setting.option, setting.value.unwrap_or_else(|| "-".to_owned()), from]);
    }
    table.lines().into_iter().try_for_each(|line| printer.line(line))
}
