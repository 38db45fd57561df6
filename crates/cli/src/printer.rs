//! Who says what where: data on stdout, talk on stderr.
//!
//! In: lines and values from commands. Out: either text or exactly one JSON object on stdout; talk unless `--quiet`;
//! errors always.

use std::{
    cell::{Cell, RefCell},
    env,
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
};

use serde::Serialize;

use crate::{
    error::{Error, ErrorJson, Result},
    log,
};

/// What commands print with.
pub struct Printer {
    data: RefCell<BufWriter<File>>,
    json: bool,
    json_printed: Cell<bool>,
    talk: Talk,
}

/// The stderr side.
#[derive(Clone, Copy)]
pub struct Talk {
    quiet: bool,
    terminal: bool,
    colour: bool,
    /// Whether lines go where log messages go, because a machine reads both.
    logged: bool,
}

/// What `--json` prints when the command failed.
#[derive(Serialize)]
struct Failed<'a> {
    error: ErrorJson<'a>,
}

impl Talk {
    /// Talks to the process's stderr; colour and redrawing only when a person watches.
    pub fn to_stderr(quiet: bool) -> Self {
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let terminal = io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { quiet, terminal, colour: terminal && !set("NO_COLOR"), logged: false }
    }

    /// The same as log messages.
    pub const fn logged(self) -> Self {
        Self { terminal: false, colour: false, logged: true, ..self }
    }

    /// Whether lines may be redrawn.
    pub const fn is_terminal(self) -> bool {
        self.terminal
    }

    /// Whether `--quiet` was given.
    pub const fn is_quiet(self) -> bool {
        self.quiet
    }

    /// One line of talk.
    pub fn line(self, line: &str) {
        if self.quiet {
            return;
        }
        if self.logged {
            tracing::info!(target: log::TALK, "{line}");
        } else {
            // A closed stderr is no reason to stop proving.
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// Bytes as they are, without a newline.
    pub fn bytes(self, bytes: &[u8]) {
        if self.logged {
            self.line(&String::from_utf8_lossy(bytes));
        } else if !self.quiet {
            let _ = io::stderr().lock().write_all(bytes);
        }
    }

    /// The error, even when quiet. Colour only repeats what the words `error:` and `hint:` say.
    pub fn error(self, error: &Error) {
        if self.logged {
            tracing::error!(target: log::TALK, "{error}");
            return;
        }
        let mut text = error.to_string() + "\n";
        if self.colour {
            text = text.replacen("error:", "\x1b[1;31merror:\x1b[0m", 1).replacen(
                "  hint:",
                "  \x1b[1;36mhint:\x1b[0m",
                1,
            );
        }
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

impl Printer {
    /// Prints data to `data`.
    pub fn new(data: File, json: bool, talk: Talk) -> Self {
        Self { data: RefCell::new(BufWriter::new(data)), json, json_printed: Cell::new(false), talk }
    }

    /// The stderr side.
    pub const fn talk(&self) -> Talk {
        self.talk
    }

    /// Whether `--json` was given.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// One line of data.
    pub fn line(&self, line: impl AsRef<str>) -> Result<()> {
        writeln!(self.data.borrow_mut(), "{}", line.as_ref()).map_err(|cause| lost(&cause))
    }

    /// The command's one JSON object.
    pub fn object(&self, value: &impl Serialize) -> Result<()> {
        debug_assert!(!self.json_printed.get(), "--json prints one object");
        self.json_printed.set(true);
        let mut data = self.data.borrow_mut();
        serde_json::to_writer_pretty(&mut *data, value).map_err(|cause| lost(&cause.into()))?;
        writeln!(data).map_err(|cause| lost(&cause))
    }

    /// The command failed: says so on stderr and, with `--json`, as the one object.
    pub fn error(&self, error: &Error) {
        self.talk.error(error);
        if self.json && !self.json_printed.get() {
            // stdout may be what failed; stderr has been told.
            let _ = self.object(&Failed { error: error.json() }).and_then(|()| self.finish());
        }
    }

    /// Makes sure that the reader has everything.
    pub fn finish(&self) -> Result<()> {
        self.data.borrow_mut().flush().map_err(|cause| lost(&cause))
    }
}

fn lost(cause: &io::Error) -> Error {
    Error::input(format!("cannot write to stdout: {cause}"))
}
