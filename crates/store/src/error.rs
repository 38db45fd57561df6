//! What the store reports when it cannot do its work: which place, and why. Never with what signs a request.

use std::{error::Error, io};

/// The store itself failed. A missing or corrupt artifact is no error, it is `None`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be made or used.
    #[error("cannot open the store {place}: {reason}")]
    Open {
        /// The store, or the file in it that failed.
        place: String,
        /// What the system said.
        reason: io::Error,
    },
    /// There is no such kind of store, or its address is not one.
    #[error(
        "{place} does not name a store: a directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
    )]
    NoSuchPlace {
        /// What was given, as far as it holds no secrets.
        place: String,
    },
    /// Nobody can say here what is in use.
    #[error("{place} is shared without locks, so it can be collected only with a list of what is in use")]
    NotCollectable {
        /// The store.
        place: String,
    },
    /// The directory or bucket holds something else.
    #[error("{place} is not a phalanx store and not empty")]
    NotAStore {
        /// The store.
        place: String,
    },
    /// The store was written by another version.
    #[error("store {place} has format {found}, this phalanx reads format {ours}")]
    OtherFormat {
        /// The store.
        place: String,
        /// The format that it says it has.
        found: u64,
        /// The format that this program reads.
        ours: u64,
    },
    /// The store does not say which format it has.
    #[error("store {place}: the file FORMAT does not name a format")]
    NoFormat {
        /// The store.
        place: String,
    },
    /// A file cannot be read.
    #[error("cannot read {place}: {reason}")]
    Read {
        /// The file, object or directory.
        place: String,
        /// What the system said.
        reason: io::Error,
    },
    /// A file cannot be written: no space, no permission. Nothing is left of it.
    #[error("cannot write {place}: {reason}")]
    Write {
        /// The file or object.
        place: String,
        /// What the system said.
        reason: io::Error,
    },
    /// A file cannot be removed.
    #[error("cannot remove {place}: {reason}")]
    Remove {
        /// The file or object.
        place: String,
        /// What the system said.
        reason: io::Error,
    },
    /// The file system does not lock files, so processes cannot share the store safely.
    #[error("cannot lock {place}: {reason}")]
    Lock {
        /// The file or object.
        place: String,
        /// What the system said.
        reason: io::Error,
    },
    /// The artifact is larger than any artifact may be.
    #[error("an artifact of {bytes} bytes is longer than the limit of {bytes_max}")]
    TooLong {
        /// Its length.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A root cannot have this name.
    #[error("{name:?} cannot name a root: 1 to {bytes_max} letters, digits, `-`, `_` or `.`, not starting with `.`")]
    RootName {
        /// The name.
        name: String,
        /// The limit on its length.
        bytes_max: usize,
    },
}

impl StoreError {
    /// Whether there is no room, so that the same call works once somebody has made some.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Write { reason, .. } => {
                matches!(reason.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }
}

/// The system's or server's own words at the bottom of an `object_store` error, which repeats paths and wraps them in its
/// own. Servers answer with what they were asked, signature and key included, so of their answers only status and code
/// are kept.
pub(crate) fn reason(error: object_store::Error) -> io::Error {
    let mut cause: &(dyn Error + 'static) = &error;
    loop {
        if let Some(code) = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return io::Error::from_raw_os_error(code);
        }
        match cause.source() {
            Some(source) => cause = source,
            None => return io::Error::other(without_secrets(&cause.to_string())),
        }
    }
}

/// The longest reason that is passed on, in characters.
const REASON_CHARS_MAX: usize = 200;

/// One line of what an error says, without what servers repeat of a request and without the queries of URLs.
pub(crate) fn without_secrets(text: &str) -> String {
    if let Some(answer) = text.strip_prefix("Server returned ") {
        let status = answer.strip_prefix("non-2xx status code: ").and_then(|answer| answer.split(':').next());
        let code = answer.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let said = [status, code].into_iter().flatten().collect::<Vec<_>>().join(", ");
        return if said.is_empty() {
            "the server answered with an error".to_owned()
        } else {
            format!("the server answered {said}")
        };
    }
    let words = text.split_whitespace().map(|word| word.split_once('?').map_or(word, |(before, _)| before));
    words.collect::<Vec<_>>().join(" ").chars().take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_servers_answer_only_status_and_code_are_passed_on() {
        let answer = "Server returned non-2xx status code: 403 Forbidden: <Error><Code>SignatureDoesNotMatch</Code>\
            <AWSAccessKeyId>AKIA</AWSAccessKeyId><StringToSign>secret</StringToSign></Error>";
        assert_eq!(without_secrets(answer), "the server answered 403 Forbidden, SignatureDoesNotMatch");
        assert_eq!(without_secrets("Server returned error response: secret"), "the server answered with an error");
    }

    #[test]
    fn a_full_disk_is_told_from_other_troubles_also_through_object_store() {
        // ENOSPC and EACCES.
        for (code, is_full) in [(28, true), (13, false)] {
            let source = Box::new(io::Error::from_raw_os_error(code));
            let reason = reason(object_store::Error::Generic { store: "test", source });
            assert_eq!(StoreError::Write { place: "here".into(), reason }.is_full(), is_full);
        }
    }

    #[test]
    fn the_query_of_a_url_is_not_passed_on() {
        let text = "error for url (https://host/object?X-Amz-Signature=00aa&sig=1) at\nonce";
        assert_eq!(without_secrets(text), "error for url (https://host/object at once");
    }
}
