//! The one error of the command line: what went wrong, the facts, a hint, and whose turn it is.
//!
//! In: the errors of the other crates, each mapped to a class where its meaning is known. Out: lines for stderr, an
//! object for `--json`, an exit code.

use std::{fmt, io, path::Path};

use phalanx_engine::{Fault, TaskError};
use serde::Serialize;

/// Whose turn it is; the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// The user can repair it: a missing file, a bad option, a guest that panics.
    Input,
    /// The user cannot: the machine, the store or a bug.
    Ours,
    /// A receipt does not prove what was asked.
    Rejected,
    /// The user pressed Ctrl-C: 128 plus the number of SIGINT, as shells report it.
    Interrupted,
}

impl Class {
    /// The process's exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Input => 1,
            Self::Ours => 2,
            Self::Rejected => 3,
            Self::Interrupted => 130,
        }
    }
}

/// What the user is told when a command fails.
#[derive(Debug)]
pub struct Error {
    /// Whose turn it is.
    pub class: Class,
    /// What went wrong, one line, with its place.
    pub what: String,
    /// Label and value; labels may be empty.
    pub facts: Vec<(String, String)>,
    /// What the user might do.
    pub hint: Option<String>,
}

/// What every command returns.
pub type Result<T> = std::result::Result<T, Error>;

/// The error as `--json` shows it.
#[derive(Serialize)]
pub struct ErrorJson<'a> {
    /// What went wrong.
    pub message: &'a str,
    /// The facts, as lines.
    pub facts: Vec<String>,
    /// What the user might do.
    pub hint: Option<&'a str>,
    /// The process's exit code.
    pub exit_code: u8,
}

impl Error {
    fn new(class: Class, what: impl Into<String>) -> Self {
        Self { class, what: what.into(), facts: Vec::new(), hint: None }
    }

    /// The user can repair it.
    pub fn input(what: impl Into<String>) -> Self {
        Self::new(Class::Input, what)
    }

    /// The user cannot repair it.
    pub fn ours(what: impl Into<String>) -> Self {
        Self::new(Class::Ours, what)
    }

    /// A receipt does not prove what was asked.
    pub fn rejected(what: impl Into<String>) -> Self {
        Self::new(Class::Rejected, what)
    }

    /// The user pressed Ctrl-C.
    pub fn interrupted(what: impl Into<String>) -> Self {
        Self::new(Class::Interrupted, what)
    }

    /// Adds a fact under the message.
    pub fn fact(mut self, label: impl Into<String>, value: impl fmt::Display) -> Self {
        self.facts.push((label.into(), value.to_string()));
        self
    }

    /// Says what the user might do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A file that the user named cannot be read.
    pub fn unreadable(what: &str, path: &Path, cause: &io::Error) -> Self {
        Self::input(format!("cannot read {what} {}: {}", path.display(), io_reason(cause)))
    }

    /// A file that the user named cannot be written.
    pub fn unwritable(what: &str, path: &Path, cause: &io::Error) -> Self {
        let place = format!("cannot write {what} {}: {}", path.display(), io_reason(cause));
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::ours(place)
            }
            _ => Self::input(place),
        }
    }

    /// Message, facts and hint, one per line, without colour.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("error: {}", self.what)];
        lines.extend(self.fact_lines().into_iter().map(|fact| format!("  {fact}")));
        lines.extend(self.hint.iter().map(|hint| format!("  hint: {hint}")));
        lines
    }

    /// The same for a program.
    pub fn json(&self) -> ErrorJson<'_> {
        ErrorJson {
            message: &self.what,
            facts: self.fact_lines(),
            hint: self.hint.as_deref(),
            exit_code: self.class.exit_code(),
        }
    }

    fn fact_lines(&self) -> Vec<String> {
        let width = self.facts.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        let line = |(label, value): &(String, String)| match label.as_str() {
            "" => value.clone(),
            label => format!("{label:<width$} {value}"),
        };
        self.facts.iter().map(line).collect()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// What nobody foresaw is our fault; the chain of causes becomes the facts.
impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        error.chain().skip(1).fold(Self::ours(error.to_string()), |error, cause| error.fact("", cause))
    }
}

/// A fault is in the job, so the user's turn, unless the bytes were ours.
impl From<&Fault> for Error {
    fn from(fault: &Fault) -> Self {
        let class = match fault {
            Fault::BadArtifact { .. } => Class::Ours,
            _ => Class::Input,
        };
        Self { hint: fault.hint().map(Into::into), ..Self::new(class, fault.to_string()) }
    }
}

impl From<&TaskError> for Error {
    fn from(error: &TaskError) -> Self {
        match error {
            TaskError::FailJob(fault) => fault.into(),
            TaskError::Cancelled => Self::interrupted("interrupted"),
            TaskError::Retry(_) | TaskError::RetryElsewhere(_) | TaskError::Source(_) => Self::ours(error.to_string()),
        }
    }
}

/// What the system said, without the number that Rust appends.
fn io_reason(cause: &io::Error) -> String {
    match cause.raw_os_error() {
        Some(number) => cause.to_string().replace(&format!(" (os error {number})"), "").to_lowercase(),
        None => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_what_facts_aligned_and_one_hint() {
        let error = Error::rejected("this receipt proves another program")
            .fact("receipt", "7be1…09aa")
            .fact("expected", "09c4…51f0 (fib.elf)")
            .hint("`phalanx inspect sorted.receipt` shows what it proves");
        let expected = "error: this receipt proves another program
  receipt  7be1…09aa
  expected 09c4…51f0 (fib.elf)
  hint: `phalanx inspect sorted.receipt` shows what it proves";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn exit_codes_are_those_of_the_contract() {
        let codes = [Class::Input, Class::Ours, Class::Rejected].map(Class::exit_code);
        assert_eq!(codes, [1, 2, 3]);
    }

    #[test]
    fn a_guest_panic_is_the_users_turn_and_a_corrupt_artifact_is_not() {
        let panic = Fault::GuestPanic { exit_code: 1, pc: 4, symbol: None, message: String::new() };
        let artifact = Fault::BadArtifact { what: "segment", reason: "cut short".into() };
        assert_eq!(Error::from(&panic).class, Class::Input);
        assert_eq!(Error::from(&artifact).class, Class::Ours);
    }

    #[test]
    fn a_full_disk_is_our_fault_and_a_missing_directory_is_not() {
        let path = Path::new("a.receipt");
        let class = |kind: io::ErrorKind| Error::unwritable("receipt", path, &kind.into()).class;
        assert_eq!(class(io::ErrorKind::StorageFull), Class::Ours);
        assert_eq!(class(io::ErrorKind::NotFound), Class::Input);
    }
}
