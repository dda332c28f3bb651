//! Which members a range takes, and in which order they are told.

use std::ops::Range;

use bytes::Bytes;

use super::ranked::Entry;
use super::score::Score;
use super::{Sorted, SortedError};
use crate::resp::collections::places;
use crate::resp::numbers::{ValueError, parse_int};

/// One end of a range, and whether what is there belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge<T> {
    With(T),
    Without(T),
}

/// Scores from one to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::resp) struct ScoreRange {
    min: Edge<Score>,
    max: Edge<Score>,
}

impl ScoreRange {
    /// Reads both ends: `1.5`, `(1.5` for what is beyond it, `-inf`, `+inf`.
    ///
    /// # Errors
    ///
    /// [`SortedError::ScoreEdge`].
    pub(in crate::resp) fn parse(min: &[u8], max: &[u8]) -> Result<Self, SortedError> {
        let edge = |text: &[u8]| match text.strip_prefix(b"(") {
            Some(text) => edge_score(text).map(Edge::Without),
            None => edge_score(text).map(Edge::With),
        };
        let ends = edge(min).zip(edge(max)).ok_or(SortedError::ScoreEdge)?;
        Ok(Self { min: ends.0, max: ends.1 })
    }

    fn ranks(&self, set: &Sorted) -> Range<usize> {
        let start = set.ranked.count_while(|entry| match self.min {
            Edge::With(min) => entry.score < min,
            Edge::Without(min) => entry.score <= min,
        });
        let end = set.ranked.count_while(|entry| match self.max {
            Edge::With(max) => entry.score <= max,
            Edge::Without(max) => entry.score < max,
        });
        start..end.max(start)
    }
}

/// Reads an end of a range as the language C reads numbers: less strictly than a score. Nothing is zero, spaces may stand in
/// front, and what is too large is endless.
fn edge_score(text: &[u8]) -> Option<Score> {
    let is_space = |byte: &u8| matches!(byte, b' ' | 0x09..=0x0d);
    let number = text.iter().position(|byte| !is_space(byte)).and_then(|at| text.get(at..)).unwrap_or_default();
    if text.is_empty() {
        return Some(Score::ZERO);
    }
    str::from_utf8(number).ok()?.parse().ok().and_then(Score::new)
}

/// One end of a range of members.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LexEdge {
    /// Before all.
    Least,
    /// Behind all.
    Most,
    At(Edge<Bytes>),
}

/// Members from one to another, where all have one score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::resp) struct LexRange {
    min: LexEdge,
    max: LexEdge,
}

impl LexRange {
    /// Reads both ends: `[a`, `(a` for what is beyond it, `-` and `+` for what is before and behind all.
    ///
    /// # Errors
    ///
    /// [`SortedError::LexEdge`].
    pub(in crate::resp) fn parse(min: &Bytes, max: &Bytes) -> Result<Self, SortedError> {
        let edge = |text: &Bytes| match text.as_ref() {
            b"-" => Some(LexEdge::Least),
            b"+" => Some(LexEdge::Most),
            [b'[', member @ ..] => Some(LexEdge::At(Edge::With(text.slice_ref(member)))),
            [b'(', member @ ..] => Some(LexEdge::At(Edge::Without(text.slice_ref(member)))),
            _ => None,
        };
        let ends = edge(min).zip(edge(max)).ok_or(SortedError::LexEdge)?;
        Ok(Self { min: ends.0, max: ends.1 })
    }

    fn ranks(&self, set: &Sorted) -> Range<usize> {
        let start = set.ranked.count_while(|entry| match &self.min {
            LexEdge::Least => false,
            LexEdge::Most => true,
            LexEdge::At(Edge::With(min)) => entry.member < min,
            LexEdge::At(Edge::Without(min)) => entry.member <= min,
        });
        let end = set.ranked.count_while(|entry| match &self.max {
            LexEdge::Least => false,
            LexEdge::Most => true,
            LexEdge::At(Edge::With(max)) => entry.member <= max,
            LexEdge::At(Edge::Without(max)) => entry.member < max,
        });
        start..end.max(start)
    }
}

/// What a range is one of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::resp) enum Selection {
    /// Places, both among them; negative ones count from the last.
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(LexRange),
}

/// A part of a range (LIMIT).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::resp) struct Limit {
    /// How many are left out first; all if negative.
    pub(in crate::resp) offset: i64,
    /// How many are taken then; all if negative.
    pub(in crate::resp) count: i64,
}

/// A range, and how it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::resp) struct Query {
    pub(in crate::resp) selection: Selection,
    /// Whether the last comes first; places count from there too.
    pub(in crate::resp) is_reverse: bool,
    pub(in crate::resp) limit: Option<Limit>,
}

impl Query {
    /// All that it selects, in ascending order and whole.
    pub(in crate::resp) const fn of(selection: Selection) -> Self {
        Self { selection, is_reverse: false, limit: None }
    }

    /// Where in a set that stands.
    pub(in crate::resp) fn ranks(&self, set: &Sorted) -> Range<usize> {
        let ranks = match &self.selection {
            Selection::Ranks(start, end) if self.is_reverse => mirrored(places(*start, *end, set.len()), set.len()),
            Selection::Ranks(start, end) => places(*start, *end, set.len()),
            Selection::Scores(range) => range.ranks(set),
            Selection::Members(range) => range.ranks(set),
        };
        let Some(limit) = self.limit else { return ranks };
        let first = usize::try_from(limit.offset).unwrap_or(usize::MAX).min(ranks.len());
        let count = usize::try_from(limit.count).unwrap_or(usize::MAX).min(ranks.len() - first);
        if self.is_reverse {
            let end = ranks.end - first;
            return end - count..end;
        }
        let start = ranks.start + first;
        start..start + count
    }

    /// What stands there, in the order in which it is told.
    pub(in crate::resp) fn entries<'a>(&self, set: &'a Sorted) -> Vec<&'a Entry> {
        let entries = set.entries(self.ranks(set));
        if self.is_reverse { entries.rev().collect() } else { entries.collect() }
    }
}

/// The same places counted from the other end.
const fn mirrored(ranks: Range<usize>, count: usize) -> Range<usize> {
    count - ranks.end..count - ranks.start
}

impl Limit {
    /// Reads both numbers.
    ///
    /// # Errors
    ///
    /// [`ValueError::NotAnInteger`].
    pub(in crate::resp) fn parse(offset: &[u8], count: &[u8]) -> Result<Self, SortedError> {
        let int = |text| parse_int(text).ok_or(ValueError::NotAnInteger);
        Ok(Self { offset: int(offset)?, count: int(count)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(members: &[(&str, f64)]) -> Sorted {
        let scored =
            |(member, number): &(&str, f64)| (Bytes::copy_from_slice(member.as_bytes()), Score::new(*number).unwrap());
        members.iter().map(scored).collect()
    }

    fn told(set: &Sorted, query: &Query) -> String {
        let members = query.entries(set).into_iter().map(|entry| String::from_utf8(entry.member.to_vec()).unwrap());
        members.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ranges_of_scores() {
        let ends = f64::INFINITY;
        let set = set(&[("a", -ends), ("b", 1.0), ("c", 2.0), ("d", 2.0), ("e", 3.0), ("f", ends)]);
        let known = [
            ("-inf", "+inf", "a b c d e f"),
            ("(-inf", "(+inf", "b c d e"),
            ("1", "2", "b c d"),
            ("(1", "3", "c d e"),
            ("1", "(2", "b"),
            ("(2", "(2", ""),
            ("2", "2", "c d"),
            ("2", "(2", ""),
            ("3", "1", ""),
            ("1.5", "1e400", "c d e f"),
            ("-1e400", "", "a"),
            ("(", "1", "b"),
            (" 1", "\t2", "b c d"),
            ("4", "5", ""),
            ("(3", "(inf", ""),
            ("INF", "infinity", "f"),
        ];
        for (min, max, expected) in known {
            let range = ScoreRange::parse(min.as_bytes(), max.as_bytes()).unwrap();
            assert_eq!(told(&set, &Query::of(Selection::Scores(range))), expected, "{min} {max}");
        }
        for text in ["nan", "(nan", "x", "1 ", " ", "((1", "[1", "1(", "-", "+", "1\0"] {
            assert_eq!(ScoreRange::parse(text.as_bytes(), b"1"), Err(SortedError::ScoreEdge), "{text}");
            assert_eq!(ScoreRange::parse(b"1", text.as_bytes()), Err(SortedError::ScoreEdge), "{text}");
        }
    }

    #[test]
    fn ranges_of_members() {
        let set = set(&[("", 0.0), ("a", 0.0), ("aa", 0.0), ("b", 0.0), ("c", 0.0)]);
        let known = [
            ("-", "+", " a aa b c"),
            ("+", "-", ""),
            ("-", "-", ""),
            ("+", "+", ""),
            ("[a", "[b", "a aa b"),
            ("(a", "(b", "aa"),
            ("[a", "(a", ""),
            ("(a", "[a", ""),
            ("[", "(a", ""),
            ("(", "(aa", "a"),
            ("[d", "+", ""),
            ("-", "[0", ""),
            ("[c", "[a", ""),
            ("[bb", "+", "c"),
        ];
        for (min, max, expected) in known {
            let range = LexRange::parse(&min.into(), &max.into()).unwrap();
            assert_eq!(told(&set, &Query::of(Selection::Members(range))), expected, "{min} {max}");
        }
        for text in ["", "a", "--", "+x", "-x", "]a", " [a"] {
            assert_eq!(LexRange::parse(&text.into(), &"+".into()), Err(SortedError::LexEdge), "{text}");
            assert_eq!(LexRange::parse(&"-".into(), &text.into()), Err(SortedError::LexEdge), "{text}");
        }
    }

    #[test]
    fn ranges_of_places_and_their_parts() {
        let set = set(&[("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0)]);
        let known = [
            (0, -1, "a b c d", "d c b a"),
            (1, 2, "b c", "c b"),
            (0, 0, "a", "d"),
            (-2, -1, "c d", "b a"),
            (-100, 1, "a b", "d c"),
            (2, 1, "", ""),
            (4, 9, "", ""),
            (0, -5, "", ""),
            (i64::MIN, i64::MAX, "a b c d", "d c b a"),
            (i64::MAX, i64::MIN, "", ""),
        ];
        for (start, end, forwards, backwards) in known {
            let mut query = Query::of(Selection::Ranks(start, end));
            assert_eq!(told(&set, &query), forwards, "{start} {end}");
            query.is_reverse = true;
            assert_eq!(told(&set, &query), backwards, "{start} {end}");
        }
        let scores = || Selection::Scores(ScoreRange::parse(b"2", b"inf").unwrap());
        let limits = [
            (0, 2, "b c", "d c"),
            (1, 1, "c", "c"),
            (1, -1, "c d", "c b"),
            (0, 0, "", ""),
            (-1, 5, "", ""),
            (3, 5, "", ""),
            (i64::MAX, i64::MAX, "", ""),
        ];
        for (offset, count, forwards, backwards) in limits {
            let limit = Some(Limit { offset, count });
            let told = |is_reverse| told(&set, &Query { selection: scores(), is_reverse, limit });
            assert_eq!((told(false).as_str(), told(true).as_str()), (forwards, backwards), "{offset} {count}");
        }
        assert_eq!(Limit::parse(b"1", b"x"), Err(ValueError::NotAnInteger.into()));
        assert_eq!(Limit::parse(b"1", b"-2"), Ok(Limit { offset: 1, count: -2 }));
    }

    /// An end of a range of whole scores, and whether a score is inside.
    fn edge() -> impl Strategy<Value = (i8, bool)> {
        (-4..4_i8, any::<bool>())
    }

    proptest! {
        #[test]
        fn ranges_of_scores_are_those_of_a_list(
            members in proptest::collection::vec(-4..4_i8, 0..30),
            (min, without_min) in edge(),
            (max, without_max) in edge(),
            limit in proptest::option::of((-1..12_i64, -1..12_i64)),
            is_reverse: bool,
        ) {
            let names: Vec<_> = (0..members.len()).map(|at| format!("{at:02}")).collect();
            let scored: Vec<_> = names.iter().map(String::as_str).zip(members.iter().map(|score| f64::from(*score))).collect();
            let text = |number, without| format!("{}{number}", if without { "(" } else { "" });
            let range = ScoreRange::parse(text(min, without_min).as_bytes(), text(max, without_max).as_bytes()).unwrap();
            let limit = limit.map(|(offset, count)| Limit { offset, count });
            let query = Query { selection: Selection::Scores(range), is_reverse, limit };

            let inside = |score: i8| min <= score && score <= max && !(without_min && score == min) && !(without_max && score == max);
            let mut model: Vec<_> = members.iter().copied().zip(&names).filter(|(score, _)| inside(*score)).collect();
            model.sort();
            if is_reverse {
                model.reverse();
            }
            let mut model: Vec<_> = model.into_iter().map(|(_, name)| name.as_str()).collect();
            if let Some(Limit { offset, count }) = limit {
                model = if offset < 0 { Vec::new() } else { model.into_iter().skip(usize::try_from(offset).unwrap()).collect() };
                if let Ok(count) = usize::try_from(count) {
                    model.truncate(count);
                }
            }
            prop_assert_eq!(told(&set(&scored), &query), model.join(" "));
        }
    }
}
