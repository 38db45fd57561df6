//! Amounts of bytes as people write and read them.

/// Parses `8G`, `512M`, `1.5GiB`, `20GB` or plain bytes. `K`, `M`, `G`, `T` alone and with `iB` are powers of 1024, with
/// `B` powers of 1000.
pub fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor =
        factor(unit.trim()).ok_or_else(|| format!("`{}` is not a unit of bytes, such as M, GiB or GB", unit.trim()))?;
    let bad_number = || format!("`{number}` is not a number");
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || number.contains('.') && (fraction.is_empty() || fraction.contains('.')) {
        return Err(bad_number());
    }
    let too_much = || format!("{text} is more than any machine has");
    let whole = whole.parse::<u64>().map_err(|_| too_much())?.checked_mul(factor).ok_or_else(too_much)?;
    // Nine decimals of a terabyte are bytes enough; more digits are cut.
    let fraction: String = fraction.chars().take(9).collect();
    let part = match fraction.len() {
        0 => 0,
        len => {
            let scale = 10u128.pow(u32::try_from(len).map_err(|_| bad_number())?);
            let part = fraction.parse::<u128>().map_err(|_| bad_number())? * u128::from(factor) / scale;
            u64::try_from(part).map_err(|_| too_much())?
        }
    };
    whole.checked_add(part).filter(|bytes| *bytes > 0).ok_or_else(|| format!("{text} is no amount of memory"))
}

fn factor(unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_lowercase();
    let (prefix, base) = match unit.as_str() {
        "" | "b" => return Some(1),
        unit if unit.ends_with("ib") => (unit.strip_suffix("ib")?, 1024),
        unit if unit.ends_with('b') => (unit.strip_suffix('b')?, 1000),
        unit => (unit, 1024),
    };
    let power = match prefix {
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    Some(u64::pow(base, power))
}

/// `262 KiB`, `8.6 GiB`: three digits at most, binary units.
pub fn show(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 999.5 would be shown with four digits.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_people_write() {
        let gib = 1 << 30;
        for (text, bytes) in [
            ("8G", 8 * gib),
            ("8GiB", 8 * gib),
            ("8 gib", 8 * gib),
            ("512M", 512 << 20),
            ("20GB", 20_000_000_000),
            ("1.5G", gib + gib / 2),
            ("0.001kB", 1),
            ("1T", 1 << 40),
            ("123456", 123_456),
            ("123456B", 123_456),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in
            ["", "G", "-1G", "1.G", ".5G", "1.2.3G", "8Q", "8GiBs", "0", "0.0G", "99999999999T", "18446744073709551616"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shown_sizes_have_at_most_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (268_288, "262 KiB"),
            (1_048_575, "1.0 MiB"),
            (9_234_179_686, "8.6 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(show(bytes), text);
        }
    }
}
