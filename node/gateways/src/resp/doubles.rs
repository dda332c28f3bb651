//! Numbers with a fraction as they are told: with 17 digits, from which each of 64 bits is read back as it was.
//!
//! It knows numbers and their texts, and nothing else.

/// Digits that tell any two numbers apart.
const DIGITS: i32 = 17;

/// A number as Redis 7.0 prints one: `%.17g` of the language C, and `inf` or `-inf` for endless ones.
#[must_use]
pub(super) fn text(number: f64) -> String {
    if number.is_infinite() {
        return String::from(if number > 0.0 { "inf" } else { "-inf" });
    }
    let shortened = |text: &str| {
        let fraction = text.trim_end_matches('0').trim_end_matches('.');
        String::from(if text.contains('.') { fraction } else { text })
    };
    let scientific = format!("{number:.*e}", 16);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..DIGITS).contains(&exponent) {
        let behind_point = usize::try_from(DIGITS - 1 - exponent).unwrap_or_default();
        return shortened(&format!("{number:.behind_point$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", shortened(digits), exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_printed_as_redis_prints_them() {
        let known = [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-1.5, "-1.5"),
            (0.1, "0.10000000000000001"),
            (3.3, "3.2999999999999998"),
            (100.0, "100"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1e100, "1e+100"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            // As near to one as to the other: the even digit.
            (f64::from(2_f32.powi(-25)), "2.9802322387695312e-08"),
            (99_999_999_999_999_984.0, "99999999999999984"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (number, expected) in known {
            assert_eq!(text(number), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(number: f64) {
            prop_assume!(!number.is_nan());
            prop_assert_eq!(text(number).parse::<f64>().unwrap().to_bits(), number.to_bits());
        }
    }
}
