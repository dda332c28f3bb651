//! What APPEND, GETRANGE, SETRANGE and LCS make of the bytes of strings.
//!
//! Knows nothing of keys and replies: a missing string is an empty one, and the longest string that may become is an
//! argument, in bytes.

use std::ops::{Range, RangeInclusive};

use super::numbers::ValueError;

/// A string with another behind it.
///
/// # Errors
///
/// [`ValueError::TooLong`] if that is longer than `bytes_max`.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/append/>
pub(super) fn append(value: &[u8], with: &[u8], bytes_max: usize) -> Result<Vec<u8>, ValueError> {
    if value.len().checked_add(with.len()).is_none_or(|bytes| bytes > bytes_max) {
        return Err(ValueError::TooLong);
    }
    Ok([value, with].concat())
}

/// The bytes from `start` to `end`, both among them; negative ones count from the end, -1 being the last byte.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/getrange/>, as Redis 7.0 has it: an end before the first byte is the first
/// byte, unless the start is behind it (later ones give nothing then).
#[must_use]
pub(super) fn get_range(value: &[u8], start: i64, end: i64) -> &[u8] {
    let span = forward_span(start, end, value.len() as u64);
    value.get(place(span.start)..place(span.end)).unwrap_or_default()
}

/// A string with bytes written over it from `offset` on; what is between its end and the offset becomes zeros. None if
/// there is nothing to write, which changes nothing whatever the offset.
///
/// # Errors
///
/// [`ValueError::OffsetOutOfRange`] if the offset is negative, [`ValueError::TooLong`] if the bytes would end behind
/// `bytes_max`.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/setrange/>
pub(super) fn set_range(
    value: &[u8],
    offset: i64,
    with: &[u8],
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, ValueError> {
    let offset = u64::try_from(offset).map_err(|_| ValueError::OffsetOutOfRange)?;
    if with.is_empty() {
        return Ok(None);
    }
    let offset = usize::try_from(offset).map_err(|_| ValueError::TooLong)?;
    let end = offset.checked_add(with.len()).filter(|end| *end <= bytes_max).ok_or(ValueError::TooLong)?;
    let mut changed = Vec::with_capacity(end.max(value.len()));
    changed.extend_from_slice(value.get(..offset).unwrap_or(value));
    changed.resize(offset, 0);
    changed.extend_from_slice(with);
    changed.extend_from_slice(value.get(end..).unwrap_or_default());
    Ok(Some(changed))
}

/// The part of `total` things from `start` to `end`, both in it; negative ones count from the end, and what is outside
/// becomes the nearest that is inside. Empty if the start is behind the end or the last thing.
pub(super) fn span(start: i64, end: i64, total: u64) -> Range<u64> {
    let total = i64::try_from(total).unwrap_or(i64::MAX);
    let inside = |index: i64| if index < 0 { (total + index).max(0) } else { index };
    let (start, end) = (inside(start), inside(end).min(total - 1));
    if start > end { 0..0 } else { start.unsigned_abs()..end.unsigned_abs() + 1 }
}

/// As [`span`], and empty if both count from the end in the wrong order, wherever they lead.
pub(super) fn forward_span(start: i64, end: i64, total: u64) -> Range<u64> {
    if start < 0 && end < 0 && start > end { 0..0 } else { span(start, end, total) }
}

/// The place of a byte in memory; none has the greatest, so that a place that does not fit is outside.
pub(super) fn place(byte: u64) -> usize {
    usize::try_from(byte).unwrap_or(usize::MAX)
}

/// The longest bytes that two strings both have in one order, though with others between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Lcs {
    /// The bytes.
    pub(super) string: Vec<u8>,
    matches: Vec<Match>,
}

/// Where bytes that two strings share are next to each other in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    /// The bytes in the first string, from the first to the last.
    pub(super) left: RangeInclusive<usize>,
    /// The bytes in the second string, from the first to the last.
    pub(super) right: RangeInclusive<usize>,
    /// How many bytes.
    pub(super) length: usize,
}

impl Lcs {
    /// How many bytes the strings share.
    #[must_use]
    pub(super) fn length(&self) -> usize {
        self.string.len()
    }

    /// The matches of at least `length_min` bytes (MINMATCHLEN), from the last to the first.
    pub(super) fn matches(&self, length_min: usize) -> impl Iterator<Item = &Match> {
        self.matches.iter().filter(move |found| found.length >= length_min)
    }
}

/// What two strings share. Of several answers as long, the one that Redis finds: it walks from the ends, and where two
/// ways are as good, goes back in the second string.
///
/// # Limits
///
/// Redis needs 4 bytes for every pair of places, and refuses strings that need more than `bytes_max`; so does this. It
/// needs a bit for each, and as much time as there are pairs.
///
/// # Errors
///
/// [`ValueError::LcsMemory`] beyond that limit.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/lcs/>
pub(super) fn lcs(left: &[u8], right: &[u8], bytes_max: usize) -> Result<Lcs, ValueError> {
    let pairs = (left.len() as u128 + 1) * (right.len() as u128 + 1);
    if pairs * 4 > bytes_max as u128 {
        return Err(ValueError::LcsMemory);
    }
    if left.is_empty() || right.is_empty() {
        return Ok(Lcs::default());
    }
    Ok(walk_back(left, right, &Ways::between(left, right)))
}

/// For every pair of places in two strings whether the way back that keeps most goes back in the first string; where it
/// does not and the bytes differ, it goes back in the second.
struct Ways {
    words: Vec<u64>,
    words_per_row: usize,
}

impl Ways {
    fn between(left: &[u8], right: &[u8]) -> Self {
        let words_per_row = right.len().div_ceil(64);
        let mut words = vec![0; words_per_row * left.len()];
        // How much the part of the left string so far shares with each beginning of the right one.
        let mut shared = vec![0_u32; right.len()];
        for (byte, row) in left.iter().zip(words.chunks_exact_mut(words_per_row)) {
            let (mut before_both, mut before_right) = (0, 0);
            for ((bytes, shared), word) in right.chunks(64).zip(shared.chunks_mut(64)).zip(row) {
                for (bit, (other, shared)) in bytes.iter().zip(shared).enumerate() {
                    let before_left = *shared;
                    *shared = if byte == other { before_both + 1 } else { before_left.max(before_right) };
                    *word |= u64::from(before_left > before_right) << bit;
                    (before_both, before_right) = (before_left, *shared);
                }
            }
        }
        Self { words, words_per_row }
    }

    fn goes_left(&self, left: usize, right: usize) -> bool {
        let word = self.words.get(left * self.words_per_row + right / 64);
        word.is_some_and(|word| word >> (right % 64) & 1 == 1)
    }
}

fn walk_back(left: &[u8], right: &[u8], ways: &Ways) -> Lcs {
    let mut found = Lcs::default();
    // Whether the pair walked last is one of equal bytes, which the next belongs to if it is one too.
    let mut going_on = false;
    let (mut left_end, mut right_end) = (left.len(), right.len());
    while let (Some(i), Some(j)) = (left_end.checked_sub(1), right_end.checked_sub(1)) {
        let byte = left.get(i).filter(|byte| right.get(j) == Some(*byte));
        match (byte, found.matches.last_mut().filter(|_| going_on)) {
            (Some(_), Some(last)) => {
                *last = Match { left: i..=*last.left.end(), right: j..=*last.right.end(), length: last.length + 1 };
            }
            (Some(_), None) => found.matches.push(Match { left: i..=i, right: j..=j, length: 1 }),
            (None, _) => {}
        }
        going_on = byte.is_some();
        found.string.extend(byte);
        let goes_left = ways.goes_left(i, j);
        left_end -= usize::from(going_on || goes_left);
        right_end -= usize::from(going_on || !goes_left);
    }
    found.string.reverse();
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 512 << 20;

    #[test]
    fn appends() {
        assert_eq!(append(b"", b"bar", 3).as_deref(), Ok(b"bar".as_slice()));
        assert_eq!(append(b"bar", b"100", 6).as_deref(), Ok(b"bar100".as_slice()));
        assert_eq!(append(b"bar", b"", 3).as_deref(), Ok(b"bar".as_slice()));
        assert_eq!(append(b"bar", b"100", 5), Err(ValueError::TooLong));
    }

    #[test]
    fn ranges_of_a_string() {
        let known: [(i64, i64, &str); 12] = [
            (0, 3, "Hell"),
            (0, -1, "Hello World"),
            (-4, -1, "orld"),
            (5, 3, ""),
            (5, 5000, " World"),
            (-5000, 10000, "Hello World"),
            (0, 4_294_967_297, "Hello World"),
            (11, 20, ""),
            (-1, -100, ""),
            (-100, -101, ""),
            // As Redis 7.0 has it.
            (0, -100, "H"),
            (-100, -99, "H"),
        ];
        for (start, end, part) in known {
            assert_eq!(get_range(b"Hello World", start, end), part.as_bytes(), "{start} {end}");
        }
        for (start, end) in [(0, -1), (0, 0), (-1, -1), (i64::MIN, i64::MAX), (i64::MAX, i64::MIN)] {
            assert_eq!(get_range(b"", start, end), b"");
        }
        assert_eq!(get_range(b"bar", i64::MIN, i64::MAX), b"bar");
    }

    #[test]
    fn ranges_are_written() {
        let known = [
            ("", 0, "foo", "foo"),
            ("", 1, "foo", "\0foo"),
            ("foo", 0, "b", "boo"),
            ("foo", 1, "b", "fbo"),
            ("foo", 3, "b", "foob"),
            ("foo", 4, "bar", "foo\0bar"),
            ("1234", 1, "3", "1334"),
            ("1234", 5, "2", "1234\x002"),
            ("Hello World", 6, "Redis", "Hello Redis"),
        ];
        for (value, offset, with, expected) in known {
            let changed = set_range(value.as_bytes(), offset, with.as_bytes(), LIMIT);
            assert_eq!(changed, Ok(Some(expected.into())), "{value} {offset}");
        }
    }

    #[test]
    fn ranges_that_are_not_written() {
        assert_eq!(set_range(b"", 0, b"", LIMIT), Ok(None));
        assert_eq!(set_range(b"foo", i64::MAX, b"", LIMIT), Ok(None));
        assert_eq!(set_range(b"foo", -1, b"", LIMIT), Err(ValueError::OffsetOutOfRange));
        assert_eq!(set_range(b"hello", -1, b"world", LIMIT), Err(ValueError::OffsetOutOfRange));
        assert_eq!(set_range(b"hello", (512 << 20) - 4, b"world", LIMIT), Err(ValueError::TooLong));
        assert_eq!(set_range(b"", i64::MAX, b"A", LIMIT), Err(ValueError::TooLong));
        assert_eq!(set_range(b"", 5, b"abc", 8).unwrap().unwrap().len(), 8);
        assert_eq!(set_range(b"", 6, b"abc", 8), Err(ValueError::TooLong));
    }

    fn found(left: RangeInclusive<usize>, right: RangeInclusive<usize>) -> Match {
        let length = left.end() - left.start() + 1;
        Match { left, right, length }
    }

    #[test]
    fn shared_bytes() {
        let shared = lcs(b"ohmytext", b"mynewtext", LIMIT).unwrap();
        assert_eq!((shared.string.as_slice(), shared.length()), (b"mytext".as_slice(), 6));
        let matches = [found(4..=7, 5..=8), found(2..=3, 0..=1)];
        assert!(shared.matches(0).eq(&matches));
        assert!(shared.matches(4).eq(&matches[..1]));
        assert_eq!(shared.matches(5).count(), 0);
        assert_eq!(lcs(b"", b"", LIMIT), Ok(Lcs::default()));
        assert_eq!(lcs(b"abc", b"", LIMIT), Ok(Lcs::default()));
        assert_eq!(lcs(b"abc", b"xyz", LIMIT), Ok(Lcs::default()));
    }

    #[test]
    fn shared_bytes_of_two_genes() {
        let shared = "\
            CCTTCCCAGGTAACAAACCAACCAACTTTCGATCTCTTGTAGATCTGTTCTCTAAACGAACTTTAAAATCTGTGTGGCTGTCACTCGGCT\
            GCATGCTTAGTGCACTCACGCAGTATAATTAATAACTAATTACTGTCGTTGACAGGACACGAGTAACTCGTCTATCTTCTGCAGGCTGCT\
            TACGGTTTCGTCCGTGTTGCAGCCGATCATCAGCACATCTAGGTTT";
        let (left, right) = (format!("CA{shared}CGTCCGGGTGTG"), format!("ATTAAAGGTTTATA{shared}"));
        let shared = lcs(left.as_bytes(), right.as_bytes(), LIMIT).unwrap();
        assert_eq!(shared.length(), 227);
        let matches = [
            found(238..=238, 239..=239),
            found(236..=236, 238..=238),
            found(229..=230, 236..=237),
            found(224..=224, 235..=235),
            found(1..=222, 13..=234),
        ];
        assert!(shared.matches(0).eq(&matches), "{shared:?}");
        assert!(shared.matches(5).eq(&matches[4..]));
    }

    #[test]
    fn strings_too_long_to_compare_are_refused() {
        assert!(lcs(b"abc", b"abcd", 80).is_ok());
        assert_eq!(lcs(b"abc", b"abcd", 79), Err(ValueError::LcsMemory));
    }

    /// The whole table, and the walk through it, as the page of the command tells it.
    fn slow_lcs(left: &[u8], right: &[u8]) -> (Vec<u8>, Vec<Match>) {
        let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
        for i in 1..=left.len() {
            for j in 1..=right.len() {
                let differ = table[i - 1][j].max(table[i][j - 1]);
                table[i][j] = if left[i - 1] == right[j - 1] { table[i - 1][j - 1] + 1 } else { differ };
            }
        }
        let (mut i, mut j, mut pairs) = (left.len(), right.len(), Vec::new());
        while i > 0 && j > 0 {
            if left[i - 1] == right[j - 1] {
                (i, j) = (i - 1, j - 1);
                pairs.push((i, j));
            } else if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        let runs = pairs.chunk_by(|now, next| now.0 == next.0 + 1 && now.1 == next.1 + 1);
        let matches = runs.map(|run| {
            let (last, first) = (run[0], run[run.len() - 1]);
            found(first.0..=last.0, first.1..=last.1)
        });
        let matches = matches.collect();
        (pairs.iter().rev().map(|(i, _)| left[*i]).collect(), matches)
    }

    proptest! {
        #[test]
        fn ranges_are_those_of_indexes(value: Vec<u8>, start in -300_i64..300, end in -300_i64..300) {
            let total = i64::try_from(value.len()).unwrap();
            let index = |at: i64| if at < 0 { (total + at).max(0) } else { at };
            let backwards = start < 0 && end < 0 && start > end;
            let wanted = |at: &i64| !backwards && index(start) <= *at && *at <= index(end);
            let expected: Vec<u8> =
                (0..total).filter(wanted).map(|at| value[usize::try_from(at).unwrap()]).collect();
            prop_assert_eq!(get_range(&value, start, end), expected);
        }

        #[test]
        fn written_ranges_are_those_of_indexes(value: Vec<u8>, offset in 0_usize..200, with: Vec<u8>) {
            let changed = set_range(&value, i64::try_from(offset).unwrap(), &with, LIMIT).unwrap();
            prop_assert_eq!(changed.is_none(), with.is_empty());
            if let Some(changed) = changed {
                prop_assert_eq!(changed.len(), value.len().max(offset + with.len()));
                for (at, byte) in changed.iter().enumerate() {
                    let old = value.get(at).copied().unwrap_or(0);
                    let new = at.checked_sub(offset).and_then(|at| with.get(at)).copied();
                    prop_assert_eq!(*byte, new.unwrap_or(old));
                }
            }
        }

        #[test]
        fn shared_bytes_are_those_of_the_table(left in "[a-d]{0,150}", right in "[a-d]{0,150}") {
            let shared = lcs(left.as_bytes(), right.as_bytes(), LIMIT).unwrap();
            let (string, matches) = slow_lcs(left.as_bytes(), right.as_bytes());
            prop_assert_eq!(shared.string, string);
            prop_assert_eq!(shared.matches, matches);
        }
    }
}
