//! Numbers and names as people read them.

use std::time::Duration;

/// `4,129,521`
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0.3 s`, `41.2 s`, `2 min 05 s`, `3 h 07 min`
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    // 119.96 would round to 120.0.
    if seconds < 119.95 {
        return format!("{seconds:.1} s");
    }
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 { format!("{minutes} min {seconds:02} s") } else { format!("{hours} h {minutes:02} min") }
}

/// `1 segment`, `5 segments`
pub fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// `100 kHz`, `1.2 MHz`: instructions per second.
pub fn rate(cycles: u64, time: Duration) -> Option<String> {
    let seconds = time.as_secs_f64();
    if cycles == 0 || seconds < 0.001 {
        return None;
    }
    let hertz = cycles as f64 / seconds;
    let (value, unit) = match hertz {
        ..999.5 => (hertz, "Hz"),
        ..999.5e3 => (hertz / 1e3, "kHz"),
        ..999.5e6 => (hertz / 1e6, "MHz"),
        _ => (hertz / 1e9, "GHz"),
    };
    Some(if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") })
}

/// `7be1…09aa`: the ends of a digest, enough to tell two apart by eye.
pub fn short(digest: &str) -> String {
    match (digest.get(..4), digest.len().checked_sub(4).and_then(|at| digest.get(at..))) {
        (Some(head), Some(tail)) if digest.len() > 12 => format!("{head}…{tail}"),
        _ => digest.to_owned(),
    }
}

/// Bytes from a guest or a stranger without what could move the cursor or change colours; newline and tab stay.
pub fn harmless(bytes: &[u8]) -> String {
    let plain = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    String::from_utf8_lossy(bytes).chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated_from_the_right() {
        assert_eq!([0, 999, 1000, 4_129_521].map(thousands), ["0", "999", "1,000", "4,129,521"]);
    }

    #[test]
    fn durations_grow_with_their_units() {
        let shown = [0.3, 41.24, 119.96, 125.0, 11_220.0].map(|s| duration(Duration::from_secs_f64(s)));
        assert_eq!(shown, ["0.3 s", "41.2 s", "2 min 00 s", "2 min 05 s", "3 h 07 min"]);
    }

    #[test]
    fn a_rate_needs_time_and_cycles() {
        assert_eq!(rate(4_129_521, Duration::from_millis(41_200)).as_deref(), Some("100 kHz"));
        assert_eq!(rate(24_000_000, Duration::from_secs(2)).as_deref(), Some("12 MHz"));
        assert_eq!(rate(0, Duration::from_secs(2)), None);
        assert_eq!(rate(5, Duration::ZERO), None);
    }

    #[test]
    fn a_guest_cannot_move_the_cursor() {
        assert_eq!(harmless(b"a\x1b[2Jb\r\n\xff"), "a\u{fffd}[2Jb\u{fffd}\n\u{fffd}");
    }

    #[test]
    fn a_digest_is_shortened_by_its_middle() {
        assert_eq!(short(&"0123456789abcdef".repeat(4)), "0123…cdef");
        assert_eq!(short("short"), "short");
    }
}
