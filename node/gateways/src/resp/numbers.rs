//! Numbers out of strings and back: whole ones, ones with a fraction, and what INCR and its kin make of them.
//!
//! Knows nothing of keys and replies: bytes come in as a value or an argument, and go out as a number or its text.

use std::cmp::Ordering;
use std::fmt;

/// Longest text that INCRBYFLOAT takes for a number, in bytes.
const FLOAT_TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

/// Most digits behind the point of what INCRBYFLOAT makes.
const FRACTION_DIGITS_MAX: u32 = 17;

/// What Redis says of arguments and values that make no sense. Its text lacks the leading code word, which is `ERR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueError {
    /// A value or an argument is no whole number of 64 bits with a sign.
    NotAnInteger,
    /// A value or an argument is no number.
    NotAFloat,
    /// A sum would be endless, or no number.
    NotAFinite,
    /// A sum does not fit in 64 bits.
    Overflow,
    /// A number to take away has no opposite in 64 bits.
    DecrementOverflow,
    /// Bytes were to be written before the first.
    OffsetOutOfRange,
    /// A string would become longer than any may be.
    TooLong,
    /// The place of a bit is no number, is negative, or is behind the longest string.
    BitOffset,
    /// A bit to write is neither 0 nor 1.
    BitValue,
    /// A bit to look for is neither 0 nor 1.
    BitArgument,
    /// A field is of no type that there is.
    BitfieldType,
    /// A field's overflow is to be treated in no way that there is.
    BitfieldOverflow,
    /// A field was to be written by a command that only reads.
    BitfieldReadOnly,
    /// Arguments are in no order that has a meaning.
    Syntax,
    /// NOT was asked of other than one string.
    BitopNot,
    /// Two strings are too long to be compared.
    LcsMemory,
    /// Both the length alone and the places of what two strings share were asked for.
    LcsLengthAndPlaces,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnInteger => "value is not an integer or out of range",
            Self::NotAFloat => "value is not a valid float",
            Self::NotAFinite => "increment would produce NaN or Infinity",
            Self::Overflow => "increment or decrement would overflow",
            Self::DecrementOverflow => "decrement would overflow",
            Self::OffsetOutOfRange => "offset is out of range",
            Self::TooLong => "string exceeds maximum allowed size (proto-max-bulk-len)",
            Self::BitOffset => "bit offset is not an integer or out of range",
            Self::BitValue => "bit is not an integer or out of range",
            Self::BitArgument => "The bit argument must be 1 or 0.",
            Self::BitfieldType => {
                "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
            }
            Self::BitfieldOverflow => "Invalid OVERFLOW type specified",
            Self::BitfieldReadOnly => "BITFIELD_RO only supports the GET subcommand",
            Self::Syntax => "syntax error",
            Self::BitopNot => "BITOP NOT must be called with a single source key.",
            Self::LcsMemory => "Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            Self::LcsLengthAndPlaces => "If you want both the length and indexes, please just use IDX.",
        })
    }
}

impl std::error::Error for ValueError {}

/// Reads a whole number of 64 bits, written in the one way that such a number is printed: digits, `-` before them if it
/// is negative, and neither `+`, spaces nor zeros in front.
#[must_use]
pub(super) fn parse_int(text: &[u8]) -> Option<i64> {
    let canonical = match text.strip_prefix(b"-").unwrap_or(text) {
        // `-0` is no number.
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', ..] => true,
        _ => false,
    };
    if !canonical {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Adds to a whole number; a missing value is 0.
///
/// # Errors
///
/// [`ValueError::NotAnInteger`] if the value is none, [`ValueError::Overflow`] if the sum does not fit.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/incrby/>
pub(super) fn increment(value: Option<&[u8]>, by: i64) -> Result<i64, ValueError> {
    let value = value.map_or(Some(0), parse_int).ok_or(ValueError::NotAnInteger)?;
    value.checked_add(by).ok_or(ValueError::Overflow)
}

/// Reads a number with a fraction, an exponent, or both; `inf` and `infinity` are numbers, `nan` is none.
///
/// Nothing may stand before or behind it. A number that is too large or too small to be told from the endless one or
/// from 0 is refused. Unlike Redis, which asks its C library, this takes no hexadecimal digits.
#[must_use]
pub(super) fn parse_float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let number: f64 = text.parse().ok()?;
    let too_large = number.is_infinite() && text.contains(|c: char| c.is_ascii_digit());
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    let too_small = number == 0.0 && digits.contains(|c: char| matches!(c, '1'..='9'));
    (!number.is_nan() && !too_large && !too_small).then_some(number)
}

/// Adds to a number with a fraction; the sum as it is stored, with at most 17 digits behind the point and no zeros at
/// their end. A missing value is 0.
///
/// Redis adds floats of 80 bits, whose noise shows once there are few digits left for the fraction: 1000 and 0.65 make
/// 1000.65000000000000002 there. Here the sum is exact, and rounded once, as long as both numbers and their sum fit in
/// 38 decimal digits counted from the last place that either has. Numbers that do not fit are added as floats of 64
/// bits, whose digits are right up to the sixteenth or so; one beyond those, such as 1e400, is refused.
///
/// # Errors
///
/// [`ValueError::NotAFloat`] if the value or what is added is no number (see [`parse_float`]),
/// [`ValueError::NotAFinite`] if the sum is endless or none.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/incrbyfloat/>
pub(super) fn increment_float(value: Option<&[u8]>, by: &[u8]) -> Result<Vec<u8>, ValueError> {
    let value = value.unwrap_or(b"0");
    let sum = read_float(value)? + read_float(by)?;
    let exact = Decimal::read(value).zip(Decimal::read(by)).and_then(|(value, by)| value.plus(by));
    match exact {
        Some(sum) => Ok(sum.rounded().to_string().into_bytes()),
        None if sum.is_finite() => Ok(float_text(sum).into_bytes()),
        None => Err(ValueError::NotAFinite),
    }
}

fn read_float(text: &[u8]) -> Result<f64, ValueError> {
    if text.len() > FLOAT_TEXT_BYTES_MAX {
        return Err(ValueError::NotAFloat);
    }
    parse_float(text).ok_or(ValueError::NotAFloat)
}

fn float_text(number: f64) -> String {
    let digits = FRACTION_DIGITS_MAX as usize;
    let text = format!("{number:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { String::from("0") } else { String::from(text) }
}

/// An exact number: `units` divided by ten to the power of `scale`.
#[derive(Debug, Clone, Copy)]
struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// Reads what [`parse_float`] took for a number. None if it is endless or does not fit.
    fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (negative, number) = match number.strip_prefix('-') {
            Some(number) => (true, number),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction = fraction.trim_end_matches('0');
        let units = whole.chars().chain(fraction.chars()).try_fold(0_i128, |units, digit| {
            let digit = digit.to_digit(10)?;
            units.checked_mul(10)?.checked_add(digit.into())
        })?;
        if units == 0 {
            return Some(Self { units, scale: 0 });
        }
        let units = if negative { -units } else { units };
        let scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent.parse().ok()?)?;
        if scale < 0 {
            let power = 10_i128.checked_pow(u32::try_from(scale.checked_neg()?).ok()?)?;
            return Some(Self { units: units.checked_mul(power)?, scale: 0 });
        }
        Some(Self { units, scale: u32::try_from(scale).ok()? })
    }

    /// None if the sum does not fit.
    fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let units = self.units_at(scale)?.checked_add(other.units_at(scale)?)?;
        Some(Self { units, scale })
    }

    /// The units it has at a scale that is not below its own.
    fn units_at(self, scale: u32) -> Option<i128> {
        if self.units == 0 {
            return Some(0);
        }
        self.units.checked_mul(10_i128.checked_pow(scale.checked_sub(self.scale)?)?)
    }

    /// The nearest number that has no more digits behind the point than are printed; of two as near, the even one, so
    /// that what was added and rounded is gone once it is taken away again.
    fn rounded(self) -> Self {
        let excess = self.scale.saturating_sub(FRACTION_DIGITS_MAX);
        // A power that does not fit is greater than twice any number that does.
        let Some(power) = 10_i128.checked_pow(excess) else { return Self { units: 0, scale: 0 } };
        let (kept, cut) = (self.units / power, self.units % power);
        let away = match cut.unsigned_abs().cmp(&(power.unsigned_abs() - cut.unsigned_abs())) {
            Ordering::Less => false,
            Ordering::Equal => kept % 2 != 0,
            Ordering::Greater => true,
        };
        let units = if away { kept + cut.signum() } else { kept };
        Self { units, scale: self.scale - excess }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let width = self.scale as usize + 1;
        // At least one digit stands before the point.
        let digits = format!("{:0width$}", self.units.unsigned_abs());
        let (whole, fraction) = digits.split_at_checked(digits.len() - self.scale as usize).unwrap_or((&digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn float(value: &str, by: &str) -> Result<String, ValueError> {
        increment_float(Some(value.as_bytes()), by.as_bytes()).map(|sum| String::from_utf8(sum).unwrap())
    }

    #[test]
    fn whole_numbers_have_one_spelling() {
        for text in ["0", "1", "-1", "10", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(parse_int(text.as_bytes()), Some(text.parse().unwrap()), "{text}");
        }
        let refused = [
            "",
            "-",
            "+1",
            " 1",
            "1 ",
            "01",
            "-0",
            "00",
            "-01",
            "1.0",
            "1e3",
            "0x1",
            "--1",
            "1-",
            "9223372036854775808",
        ];
        for text in refused.iter().chain(&["-9223372036854775809", "99999999999999999999999", "1\0", "٣"]) {
            assert_eq!(parse_int(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_int(b"\xff"), None);
    }

    #[test]
    fn increments() {
        assert_eq!(increment(None, 1), Ok(1));
        assert_eq!(increment(None, -1), Ok(-1));
        assert_eq!(increment(Some(b"100"), 1), Ok(101));
        assert_eq!(increment(Some(b"17179869184"), 17_179_869_184), Ok(34_359_738_368));
        assert_eq!(increment(Some(b"17179869184"), -17_179_869_185), Ok(-1));
        for text in ["    11", "11    ", "    11    ", "", "3.0", "x"] {
            assert_eq!(increment(Some(text.as_bytes()), 1), Err(ValueError::NotAnInteger), "{text}");
        }
        assert_eq!(increment(Some(b"9223372036854775807"), 1), Err(ValueError::Overflow));
        assert_eq!(increment(Some(b"-9223372036854775808"), -1), Err(ValueError::Overflow));
        assert_eq!(increment(Some(b"-1"), i64::MAX), Ok(i64::MAX - 1));
    }

    #[test]
    fn floats_are_read_strictly() {
        let known =
            [("1", 1.0), ("-1.5", -1.5), ("+2", 2.0), (".5", 0.5), ("5.", 5.0), ("5.0e3", 5000.0), ("1E-2", 0.01)];
        for (text, number) in known.into_iter().chain([("0e-999", 0.0), ("00012", 12.0), ("5e-324", 5e-324)]) {
            assert_eq!(parse_float(text.as_bytes()), Some(number), "{text}");
        }
        for text in ["inf", "+inf", "INF", "Infinity"] {
            assert_eq!(parse_float(text.as_bytes()), Some(f64::INFINITY), "{text}");
        }
        assert_eq!(parse_float(b"-inf"), Some(f64::NEG_INFINITY));
        let refused =
            ["", " 1", "1 ", "nan", "-NaN", "1x", ".", "+", "-", "e5", "1e", "1..2", "1_0", "1e400", "1e-400"];
        for text in refused.iter().chain(&["-1e400", "0x10", "1,5", "\0", "1\0", "infinit"]) {
            assert_eq!(parse_float(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn increments_with_fractions() {
        let known = [
            ("1", "-1.1", "-0.1"),
            ("3", "1.5", "4.5"),
            ("1.5", "1.5", "3"),
            ("1", "0.25", "1.25"),
            ("17179869184", "1.5", "17179869185.5"),
            ("17179869184", "17179869184", "34359738368"),
            ("10.50", "0.1", "10.6"),
            ("10.6", "-5", "5.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("5.0e3", "200", "5200"),
            ("3.0e3", "200", "3200"),
            ("0.1", "0.2", "0.3"),
            ("-0", "0", "0"),
            ("-0.0", "-0.0", "0"),
            ("100", "-100", "0"),
            ("0", "0.00000000000000001", "0.00000000000000001"),
            ("0", "-1e-18", "0"),
            ("1", "1e-100", "1"),
            ("1e20", "0.5", "100000000000000000000.5"),
            ("1e40", "0", "10000000000000000303786028427003666890752"),
            (".5", "5.", "5.5"),
            ("1.000000000000000000000000000000000000000000000000000", "1", "2"),
        ];
        for (value, by, sum) in known {
            assert_eq!(float(value, by).as_deref(), Ok(sum), "{value} + {by}");
        }
        assert_eq!(increment_float(None, b"1.50").as_deref(), Ok(b"1.5".as_slice()));
    }

    #[test]
    fn increments_with_fractions_refuse() {
        for text in ["    11", "11    ", " 11 ", "", "v", "1\0\0", "nan", "1e400"] {
            assert_eq!(float(text, "1.0"), Err(ValueError::NotAFloat), "{text}");
            assert_eq!(float("1.0", text), Err(ValueError::NotAFloat), "{text}");
        }
        assert_eq!(float("0", "+inf"), Err(ValueError::NotAFinite));
        assert_eq!(float("inf", "-inf"), Err(ValueError::NotAFinite));
        assert_eq!(float("1.7e308", "1.7e308"), Err(ValueError::NotAFinite));
        assert_eq!(float(&"0".repeat(5119), "1").as_deref(), Ok("1"));
        assert_eq!(float(&"0".repeat(5120), "1"), Err(ValueError::NotAFloat));
    }

    #[test]
    fn what_was_added_is_gone_when_taken_away() {
        let sum = float("0", "0.024390243902439025").unwrap();
        assert_eq!(sum, "0.02439024390243902");
        assert_eq!(float(&sum, "-0.024390243902439025").as_deref(), Ok("0"));
    }

    proptest! {
        #[test]
        fn only_what_is_printed_is_read(number: i64, text in "[-+ 0-9]{0,22}") {
            prop_assert_eq!(parse_int(number.to_string().as_bytes()), Some(number));
            let plain = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
            prop_assert_eq!(parse_int(text.as_bytes()), plain);
        }

        #[test]
        fn no_sum_of_any_texts_panics(
            value in "[-+0-9.eEinf]{0,60}",
            by in "[-+]?[0-9]{0,45}[.]?[0-9]{0,45}(e[-+]?[0-9]{1,19})?",
        ) {
            if let Ok(sum) = float(&value, &by) {
                prop_assert!(parse_float(sum.as_bytes()).is_some());
            }
        }

        #[test]
        fn sums_are_those_of_exact_decimals(
            value in -100_000_000_000_000_000_000_i128..100_000_000_000_000_000_000,
            by in -100_000_000_000_000_000_000_i128..100_000_000_000_000_000_000,
            value_scale in 0_usize..=17,
            by_scale in 0_usize..=17,
        ) {
            let write = |units: i128, scale: usize| {
                let digits = format!("{:040}", units.abs());
                let (whole, fraction) = digits.split_at(40 - scale);
                format!("{}{whole}.{fraction}", if units < 0 { "-" } else { "" })
            };
            let level = |units: i128, scale: usize| units * 10_i128.pow(17 - u32::try_from(scale).unwrap());
            // The model: both with 17 digits behind the point, all written out, then cut by hand.
            let plain = write(level(value, value_scale) + level(by, by_scale), 17);
            let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
            let (whole, fraction) = digits.split_once('.').unwrap();
            let whole = match whole.trim_start_matches('0') { "" => "0", whole => whole };
            let expected = match fraction.trim_end_matches('0') {
                "" => format!("{sign}{whole}"),
                fraction => format!("{sign}{whole}.{fraction}"),
            };
            let sum = float(&write(value, value_scale), &write(by, by_scale));
            prop_assert_eq!(sum, Ok(expected));
        }

        #[test]
        fn more_digits_than_are_printed_are_rounded_to_even(units: i64, scale in 18_u32..=30) {
            let text = format!("{units}e-{scale}");
            let power = 10_i128.pow(scale - 17);
            let units = i128::from(units);
            let (floor, above) = (units.div_euclid(power), units.rem_euclid(power) * 2);
            let nearest = if above > power || (above == power && floor % 2 != 0) { floor + 1 } else { floor };
            prop_assert_eq!(float("0", &text), float("0", &format!("{nearest}e-17")));
        }

        #[test]
        fn floats_stay_near(value: f64, by: f64) {
            prop_assume!(value.is_finite() && by.is_finite() && (value + by).is_finite());
            let sum: f64 = float(&value.to_string(), &by.to_string()).unwrap().parse().unwrap();
            let error = (sum - (value + by)).abs();
            prop_assert!(error <= 1e-15 * (value.abs() + by.abs()) + 1e-17, "{} {} {}", value, by, sum);
        }
    }
}
