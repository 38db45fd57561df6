//! Spans of time as people write them, and how long ago something was.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::text::duration;

/// Parses `90s`, `30m`, `12h`, `7d` or `500ms` into milliseconds.
pub fn parse_ms(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err("a time needs a unit: ms, s, m, h or d".to_owned()),
        other => return Err(format!("`{other}` is not a unit of time: ms, s, m, h or d")),
    };
    let number: u64 = number.parse().map_err(|_| format!("`{number}` is not a number"))?;
    let span = number.checked_mul(factor).ok_or_else(|| format!("{text} is too long"))?;
    if span == 0 { Err(format!("{text} is no time at all")) } else { Ok(span) }
}

/// `2 min 05 s`, `3 d 04 h`
pub fn show_ms(ms: u64) -> String {
    let hours = ms / 3_600_000;
    if hours < 48 { duration(Duration::from_millis(ms)) } else { format!("{} d {:02} h", hours / 24, hours % 24) }
}

/// How long ago that was, by this machine's clock; a clock that is ahead counts as now.
pub fn ago(then_ms: u64) -> String {
    show_ms(now_ms().saturating_sub(then_ms) / 1000 * 1000)
}

/// Milliseconds since 1970 by this machine's clock.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_people_write() {
        for (text, ms) in
            [("500ms", 500), ("90s", 90_000), ("30m", 1_800_000), ("12h", 43_200_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5h", "3 weeks", "0s", "99999999999999999999d", "213503982335d"] {
            assert!(parse_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn long_spans_are_days() {
        assert_eq!(show_ms(125_000), "2 min 05 s");
        assert_eq!(show_ms(3 * 86_400_000 + 4 * 3_600_000), "3 d 04 h");
    }
}
