//! Numbers of repeated runs: medians, ranges, and how people read them.

/// The middle value; of an even number of values the mean of the two in the middle. 0 of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle.wrapping_sub(1)), values.get(middle)) {
        (Some(below), Some(above)) if values.len().is_multiple_of(2) => (below + above) / 2.0,
        (_, Some(middle)) => *middle,
        _ => 0.0,
    }
}

/// The largest value; 0 of none.
pub fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, f64::max)
}

/// `41.2 s (40.9–43.0)`: the median of milliseconds and their range, if there are several.
pub fn seconds(values_ms: &[f64]) -> String {
    let seconds = |ms: f64| format!("{:.*}", if ms < 10_000.0 { 2 } else { 1 }, ms / 1e3);
    with_range(values_ms, |ms| format!("{} s", seconds(ms)), seconds)
}

/// `12.70 GiB (12.65–12.81)`: the median of bytes and their range, if there are several.
pub fn gibs(values_bytes: &[f64]) -> String {
    with_range(values_bytes, gib, |bytes| format!("{:.2}", bytes / f64::from(1 << 30)))
}

/// `4,711 (4,700–4,720)`: the median of counts and their range, if there are several.
pub fn counts(values: &[f64]) -> String {
    with_range(values, thousands, thousands)
}

/// `8.61 GiB`
pub fn gib(bytes: f64) -> String {
    format!("{:.2} GiB", bytes / f64::from(1 << 30))
}

/// `12,345,678`
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `+3.1 %`
pub fn percent(part: f64) -> String {
    format!("{:+.1} %", part * 100.0)
}

fn with_range(values: &[f64], long: impl Fn(f64) -> String, short: impl Fn(f64) -> String) -> String {
    let text = long(median(values.iter().copied()));
    if values.len() < 2 {
        return text;
    }
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    format!("{text} ({}–{})", short(smallest), short(largest(values.iter().copied())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_care_for_one_slow_run() {
        assert_eq!(median([3.0, 900.0, 1.0]), 3.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median([7.0]), 7.0);
        assert_eq!(median([]), 0.0);
    }

    #[test]
    fn several_runs_show_their_range() {
        assert_eq!(seconds(&[41_200.0, 40_900.0, 43_000.0]), "41.2 s (40.9–43.0)");
        assert_eq!(seconds(&[1_234.0]), "1.23 s");
        assert_eq!(gibs(&[3.0 * 1024.0 * 1024.0 * 1024.0, 1024.0 * 1024.0 * 1024.0]), "2.00 GiB (1.00–3.00)");
        assert_eq!(counts(&[4_711.0, 4_700.0, 12_000.0]), "4,711 (4,700–12,000)");
    }

    #[test]
    fn thousands_are_grouped_from_the_right() {
        assert_eq!(thousands(12_345_678.0), "12,345,678");
        assert_eq!(thousands(123.0), "123");
        assert_eq!(percent(-0.0312), "-3.1 %");
    }
}
