//! The `Range` header of RFC 9110, as far as it names one range of bytes.

use std::ops::Range;

/// Which bytes are asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// All of them.
    All,
    /// These, which exist.
    Part(Range<u64>),
    /// Bytes that do not exist.
    Nothing,
}

/// What a `Range` header asks for of so many bytes. One that cannot be read, or names several ranges, asks for all, as the
/// RFC allows.
pub(super) fn wanted(header: &str, bytes: u64) -> Wanted {
    read(header, bytes).unwrap_or(Wanted::All)
}

fn read(header: &str, bytes: u64) -> Option<Wanted> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let range = match (first, last) {
        ("", suffix) => bytes.saturating_sub(number(suffix)?)..bytes,
        (first, "") => number(first)?..bytes,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            first..last.saturating_add(1).min(bytes)
        }
    };
    Some(if range.is_empty() { Wanted::Nothing } else { Wanted::Part(range) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_9110_hold() {
        // Section 14.1.2, for a representation of 10,000 bytes.
        assert_eq!(wanted("bytes=0-499", 10_000), Wanted::Part(0..500));
        assert_eq!(wanted("bytes=500-999", 10_000), Wanted::Part(500..1000));
        assert_eq!(wanted("bytes=-500", 10_000), Wanted::Part(9_500..10_000));
        assert_eq!(wanted("bytes=9500-", 10_000), Wanted::Part(9_500..10_000));
        assert_eq!(wanted("bytes=0-0,-1", 10_000), Wanted::All);
        assert_eq!(wanted("bytes=10000-", 10_000), Wanted::Nothing);
    }

    #[test]
    fn what_is_no_range_asks_for_all() {
        for header in ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=2-1", "lines=1-2", "bytes=+1-2"] {
            assert_eq!(wanted(header, 10), Wanted::All, "{header}");
        }
        assert_eq!(wanted("bytes=99999999999999999999-", 10), Wanted::All);
    }

    #[test]
    fn a_range_ends_where_the_bytes_end() {
        assert_eq!(wanted("bytes=5-100", 10), Wanted::Part(5..10));
        assert_eq!(wanted("bytes=-100", 10), Wanted::Part(0..10));
        assert_eq!(wanted("bytes=-0", 10), Wanted::Nothing);
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(wanted(&format!("bytes=0-{}", u64::MAX), 10), Wanted::Part(0..10));
    }
}
