//! Scores: numbers in one order.

use crate::resp::numbers::parse_float;

/// The score of a member: a number, or an endless one, and never NaN.
///
/// Minus zero equals zero. It is told where a sum or a product gives it, and kept as zero, as Redis keeps it in small sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::resp) struct Score(f64);

// No score is NaN.
impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(std::cmp::Ordering::Equal)
    }
}

impl Score {
    pub(in crate::resp) const ZERO: Self = Self(0.0);
    /// What a member of a plain set counts for.
    pub(in crate::resp) const ONE: Self = Self(1.0);

    /// None of NaN.
    pub(in crate::resp) const fn new(number: f64) -> Option<Self> {
        if number.is_nan() { None } else { Some(Self(number)) }
    }

    /// As it is kept.
    pub(in crate::resp) const fn kept(self) -> Self {
        // This takes the sign off a zero.
        Self(self.0 + 0.0)
    }

    /// Reads an argument.
    pub(in crate::resp) fn parse(text: &[u8]) -> Option<Self> {
        parse_float(text).and_then(Self::new)
    }

    pub(in crate::resp) const fn number(self) -> f64 {
        self.0
    }

    /// The sum; none of two endless ones that have different signs.
    pub(in crate::resp) fn plus(self, by: Self) -> Option<Self> {
        Self::new(self.0 + by.0)
    }

    /// The product; none of an endless one and zero.
    pub(in crate::resp) fn times(self, weight: Self) -> Option<Self> {
        Self::new(self.0 * weight.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(number: f64) -> Score {
        Score::new(number).unwrap()
    }

    #[test]
    fn scores_have_one_order_and_one_zero() {
        assert_eq!(Score::new(f64::NAN), None);
        assert_eq!(Score::new(-f64::NAN), None);
        let ascending = [f64::NEG_INFINITY, f64::MIN, -1.0, -5e-324, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY];
        assert!(ascending.windows(2).all(|two| score(two[0]) < score(two[1])));
        assert_eq!(score(-0.0), score(0.0));
        assert!(score(-0.0).number().is_sign_negative() && score(-0.0).kept().number().is_sign_positive());
        assert_eq!(score(-1.5).kept(), score(-1.5));
        assert_eq!(score(-0.0).cmp(&score(0.0)), std::cmp::Ordering::Equal);
    }

    #[test]
    fn sums_and_products() {
        let endless = score(f64::INFINITY);
        assert_eq!(score(1.5).plus(score(-3.0)), Some(score(-1.5)));
        assert_eq!(endless.plus(score(f64::NEG_INFINITY)), None);
        assert_eq!(score(f64::MAX).plus(score(f64::MAX)), Some(endless));
        assert_eq!(endless.times(Score::ZERO), None);
        assert_eq!(Score::ZERO.times(score(-1.0)), Some(Score::ZERO));
        assert_eq!(score(2.0).times(score(-1.5)), Some(score(-3.0)));
    }

    #[test]
    fn arguments_are_read_strictly() {
        for (text, number) in [("1", 1.0), ("-1.5e3", -1500.0), ("+inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY)] {
            assert_eq!(Score::parse(text.as_bytes()), Some(score(number)), "{text}");
        }
        for text in ["", " 1", "1 ", "nan", "x", "1e400"] {
            assert_eq!(Score::parse(text.as_bytes()), None, "{text}");
        }
    }
}
