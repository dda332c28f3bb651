//! What ZADD does to a member, as its options say.

use bytes::Bytes;

use super::score::Score;
use super::{Sorted, SortedError};
use crate::resp::numbers::ValueError;

/// Which members are given scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Who {
    #[default]
    All,
    /// Those that are not there (NX).
    Absent,
    /// Those that are there (XX).
    Present,
}

/// Which scores replace others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Which {
    #[default]
    All,
    /// Greater ones (GT).
    Greater,
    /// Lesser ones (LT).
    Lesser,
}

/// How scores are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::resp) struct Add {
    who: Who,
    which: Which,
    /// Whether members whose scores changed are counted too (CH).
    pub(in crate::resp) counts_changed: bool,
    /// Whether a score is added to that which is there (INCR).
    pub(in crate::resp) increments: bool,
}

/// What became of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::resp) enum Added {
    /// It is as before, as the options have it.
    Refused,
    /// It has that score already.
    Same(Score),
    /// It has another score.
    Changed(Score),
    /// It is new.
    New(Score),
}

impl Added {
    /// The score that it has now; none if the options kept it from getting one.
    pub(in crate::resp) const fn score(self) -> Option<Score> {
        match self {
            Self::Refused => None,
            Self::Same(score) | Self::Changed(score) | Self::New(score) => Some(score),
        }
    }
}

impl Add {
    /// Adds to a score (ZINCRBY).
    pub(in crate::resp) const INCREMENT: Self =
        Self { who: Who::All, which: Which::All, counts_changed: false, increments: true };

    /// Reads options, and the scores and members behind them.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with them, in the order in which Redis looks.
    pub(in crate::resp) fn parse(args: &[Bytes]) -> Result<(Self, Vec<(Bytes, Score)>), SortedError> {
        let (mut add, mut present, mut absent, mut greater, mut lesser) = (Self::default(), false, false, false, false);
        let mut rest = args;
        while let [option, behind @ ..] = rest {
            let flag = match option.to_ascii_lowercase().as_slice() {
                b"nx" => &mut absent,
                b"xx" => &mut present,
                b"gt" => &mut greater,
                b"lt" => &mut lesser,
                b"ch" => &mut add.counts_changed,
                b"incr" => &mut add.increments,
                _ => break,
            };
            *flag = true;
            rest = behind;
        }
        let (pairs, odd) = rest.as_chunks::<2>();
        if pairs.is_empty() || !odd.is_empty() {
            return Err(ValueError::Syntax.into());
        }
        (add.who, add.which) = match (present, absent, greater, lesser) {
            (true, true, _, _) => return Err(SortedError::PresentAndAbsent),
            (_, true, true, _) | (_, true, _, true) | (_, _, true, true) => return Err(SortedError::Directions),
            (true, _, greater, lesser) => (Who::Present, which(greater, lesser)),
            (_, true, ..) => (Who::Absent, Which::All),
            (_, _, greater, lesser) => (Who::All, which(greater, lesser)),
        };
        if add.increments && pairs.len() > 1 {
            return Err(SortedError::IncrementsMany);
        }
        let scored = |[score, member]: &[Bytes; 2]| {
            let score = Score::parse(score).ok_or(ValueError::NotAFloat)?;
            Ok((member.clone(), score))
        };
        Ok((add, pairs.iter().map(scored).collect::<Result<_, ValueError>>()?))
    }

    /// Gives a member a score, or adds to the one that it has.
    ///
    /// # Errors
    ///
    /// [`SortedError::NotANumber`] if the sum is none; nothing changed then.
    pub(in crate::resp) fn apply(self, set: &mut Sorted, member: &Bytes, score: Score) -> Result<Added, SortedError> {
        let Some(before) = set.score(member) else {
            if self.who == Who::Present {
                return Ok(Added::Refused);
            }
            set.set(member.clone(), score);
            return Ok(Added::New(score));
        };
        if self.who == Who::Absent {
            return Ok(Added::Refused);
        }
        let after = if self.increments { before.plus(score).ok_or(SortedError::NotANumber)? } else { score };
        let is_wanted = match self.which {
            Which::All => true,
            Which::Greater => after > before,
            Which::Lesser => after < before,
        };
        if !is_wanted {
            return Ok(Added::Refused);
        }
        set.set(member.clone(), after);
        Ok(if after == before { Added::Same(after) } else { Added::Changed(after) })
    }
}

const fn which(greater: bool, lesser: bool) -> Which {
    match (greater, lesser) {
        (true, _) => Which::Greater,
        (_, true) => Which::Lesser,
        _ => Which::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Bytes> {
        line.split(' ').map(|word| Bytes::copy_from_slice(word.as_bytes())).collect()
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        let known = [
            ("nx", ValueError::Syntax.into()),
            ("nx 1", ValueError::Syntax.into()),
            ("1 a 2", ValueError::Syntax.into()),
            ("foo 1 a", ValueError::Syntax.into()),
            ("NX xx 1 a", SortedError::PresentAndAbsent),
            ("nx xx gt incr 1 a 2 b", SortedError::PresentAndAbsent),
            ("nx gt 1 a", SortedError::Directions),
            ("LT nx 1 a", SortedError::Directions),
            ("gt lt xx incr 1 a 2 b", SortedError::Directions),
            ("incr 1 a x b", SortedError::IncrementsMany),
            ("1 a x b", ValueError::NotAFloat.into()),
            ("nan a", ValueError::NotAFloat.into()),
        ];
        for (line, error) in known {
            assert_eq!(Add::parse(&words(line)), Err(error), "{line}");
        }
    }

    #[test]
    fn options_say_what_becomes_of_a_member() {
        let number = |number: f64| Score::new(number).unwrap();
        // Before each, a has 5 and b is not there.
        let known = [
            ("6 a", Added::Changed(number(6.0))),
            ("5 a", Added::Same(number(5.0))),
            ("5 b", Added::New(number(5.0))),
            ("nx 6 a", Added::Refused),
            ("nx 6 b", Added::New(number(6.0))),
            ("xx 6 a", Added::Changed(number(6.0))),
            ("xx 6 b", Added::Refused),
            ("gt 6 a", Added::Changed(number(6.0))),
            ("gt 5 a", Added::Refused),
            ("gt 4 a", Added::Refused),
            ("gt 4 b", Added::New(number(4.0))),
            ("lt 4 a", Added::Changed(number(4.0))),
            ("lt 5 a", Added::Refused),
            ("lt xx 4 b", Added::Refused),
            ("lt xx 4 a", Added::Changed(number(4.0))),
            ("incr 2 a", Added::Changed(number(7.0))),
            ("incr 0 a", Added::Same(number(5.0))),
            ("incr 2 b", Added::New(number(2.0))),
            ("nx incr 2 a", Added::Refused),
            ("gt incr 0 a", Added::Refused),
            ("gt incr -1 a", Added::Refused),
            ("lt incr -1 a", Added::Changed(number(4.0))),
        ];
        for (line, expected) in known {
            let mut set: Sorted = [(Bytes::from("a"), number(5.0))].into_iter().collect();
            let (add, members) = Add::parse(&words(line)).unwrap();
            assert_eq!(add.apply(&mut set, &members[0].0, members[0].1), Ok(expected), "{line}");
            let is = expected.score().or_else(|| line.ends_with('a').then_some(number(5.0)));
            assert_eq!(set.score(&members[0].0), is, "{line}");
        }
        let mut set: Sorted = [(Bytes::from("a"), number(f64::INFINITY))].into_iter().collect();
        let less = Add::INCREMENT.apply(&mut set, &"a".into(), number(f64::NEG_INFINITY));
        assert_eq!((less, set.score(b"a")), (Err(SortedError::NotANumber), Some(number(f64::INFINITY))));
    }

    #[test]
    fn options_may_come_in_any_order_and_more_than_once() {
        let (add, members) = Add::parse(&words("CH xx Ch GT 1 nx 2 b")).unwrap();
        assert!(add.counts_changed && !add.increments && add.who == Who::Present && add.which == Which::Greater);
        assert_eq!(members.iter().map(|(member, _)| member.as_ref()).collect::<Vec<_>>(), [b"nx".as_ref(), b"b"]);
    }
}
