//! Amounts as people write and read them: bytes, rates, times.

use std::time::Duration;

const UNITS: [(&str, u64); 5] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

/// Bytes with a decimal unit and three digits, such as `64.0 MB`.
pub(crate) fn bytes(count: u64) -> String {
    let (unit, size) = UNITS.into_iter().find(|(_, size)| count >= *size).unwrap_or(("B", 1));
    let amount = as_f64(count) / as_f64(size);
    match amount {
        _ if size == 1 => format!("{count} B"),
        amount if amount < 10.0 => format!("{amount:.2} {unit}"),
        amount if amount < 100.0 => format!("{amount:.1} {unit}"),
        amount => format!("{amount:.0} {unit}"),
    }
}

/// Megabytes (10⁶) a second.
pub(crate) fn rate(count: u64, time: Duration) -> String {
    format!("{:.0} MB/s", as_f64(count) / 1e6 / time.as_secs_f64().max(1e-9))
}

/// How fast it went, or for less than a megabyte how long it took.
pub(crate) fn pace(count: u64, took: Duration) -> String {
    if count < 1_000_000 { time(took) } else { rate(count, took) }
}

/// A time that people wait for.
pub(crate) fn time(time: Duration) -> String {
    match time.as_secs() {
        0 if time.as_millis() < 1000 => format!("{} ms", time.as_millis()),
        seconds @ 0..60 => format!("{seconds}.{} s", time.subsec_millis() / 100),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds @ 3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        seconds => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// `1 chunk`, `2 chunks`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Reads a size such as `500GB`, `1.5TiB`, `64M` (2²⁰) or a plain number of bytes.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let size: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return Err("expected a size such as 500GB, 1.5TiB or 64M".into()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(size).ok_or_else(|| "the size is too large".into());
    }
    match number.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
        Ok(part) if part >= 0.0 && part * as_f64(size) < as_f64(1 << 60) => Ok((part * as_f64(size)) as u64),
        _ => Err("expected a size such as 500GB, 1.5TiB or 64M".into()),
    }
}

/// Reads a time such as `30d`, `12h`, `15m`, `90s` or `2w`; not none.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let expected = || "expected a time such as 30d, 12h, 15m or 90s".to_owned();
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return Err(expected()),
    };
    let number = number.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(expected)?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "the time is too long".into())
}

#[expect(clippy::cast_precision_loss, reason = "for three digits on a screen")]
pub(crate) const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_well() {
        for (count, text) in
            [(0, "0 B"), (999, "999 B"), (1_000, "1.00 kB"), (67_108_864, "67.1 MB"), (123_456_789_000, "123 GB")]
        {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(rate(10_000_000, Duration::from_secs(2)), "5 MB/s");
        assert_eq!(time(Duration::from_millis(250)), "250 ms");
        assert_eq!(time(Duration::from_millis(3_456)), "3.4 s");
        assert_eq!(time(Duration::from_secs(7_261)), "2 h 1 min");
        assert_eq!((count(1, "chunk"), count(0, "chunk")), ("1 chunk".into(), "0 chunks".into()));
    }

    #[test]
    fn times_are_read_with_their_units() {
        for (text, seconds) in [("1s", 1), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)] {
            assert_eq!(parse_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "7", "d", "0s", "-1d", "1.5h", "1y", "99999999999999999999s", "99999999999999999w"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_mean_them() {
        for (text, count) in [("0", 0), ("17", 17), ("64M", 64 << 20), ("1.5 KiB", 1536), ("500GB", 500_000_000_000)] {
            assert_eq!(parse_bytes(text), Ok(count), "{text}");
        }
        for text in ["", "x", "-1", "1XB", "99999999999T", "1.2.3G"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
