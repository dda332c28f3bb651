//! Sorted sets: members, each with a score, found by name and by place.
//!
//! ```text
//!   bytes ─► body ─► Sorted ─► range: which places │ add: what ZADD's options allow │ combine: sets out of sets
//!     ▲                  │
//!     └────── body ◄─────┘      score: one order of numbers       ranked: members in that order, and their places
//! ```
//!
//! It knows nothing of keys, replies and clocks. One value holds the whole of a set, so that a command costs as much as
//! there is in it; what this saves is the same again for each of many commands that are done in one step.

mod add;
mod body;
mod combine;
mod range;
mod ranked;
mod score;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::ELEMENT_BYTES;
use crate::resp::numbers::ValueError;

pub(in crate::resp) use add::{Add, Added};
pub(in crate::resp) use combine::{Aggregate, Scored, Weighted, difference, intersection, shared_count, union};
pub(in crate::resp) use range::{LexRange, Limit, Query, ScoreRange, Selection};
pub(in crate::resp) use ranked::Entry;
pub(in crate::resp) use score::Score;

use ranked::Ranked;

/// What Redis says of arguments to commands on sorted sets that make no sense. Its text lacks the leading code word, which
/// is `ERR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::resp) enum SortedError {
    /// Something that is wrong with other arguments too.
    Value(ValueError),
    /// Members are to be there, and not to be there.
    PresentAndAbsent,
    /// Scores are to move in two ways, or those of members that are not there.
    Directions,
    /// Several scores were to be added to.
    IncrementsMany,
    /// A sum of scores is none.
    NotANumber,
    /// An end of a range of scores is none.
    ScoreEdge,
    /// An end of a range of members is none.
    LexEdge,
}

impl From<ValueError> for SortedError {
    fn from(error: ValueError) -> Self {
        Self::Value(error)
    }
}

impl fmt::Display for SortedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value(error) => return error.fmt(f),
            Self::PresentAndAbsent => "XX and NX options at the same time are not compatible",
            Self::Directions => "GT, LT, and/or NX options at the same time are not compatible",
            Self::IncrementsMany => "INCR option supports a single increment-element pair",
            Self::NotANumber => "resulting score is not a number (NaN)",
            Self::ScoreEdge => "min or max is not a float",
            Self::LexEdge => "min or max not valid string range item",
        })
    }
}

impl std::error::Error for SortedError {}

/// Members with their scores.
#[derive(Debug, Clone, Default)]
pub(in crate::resp) struct Sorted {
    scores: HashMap<Bytes, Score>,
    /// The same in order.
    ranked: Ranked,
    weight: usize,
}

// What is in order is the same where the scores are.
impl PartialEq for Sorted {
    fn eq(&self, other: &Self) -> bool {
        self.scores == other.scores
    }
}

impl Eq for Sorted {}

impl From<HashMap<Bytes, Score>> for Sorted {
    fn from(scores: HashMap<Bytes, Score>) -> Self {
        let entry = |(member, score): (&Bytes, &Score)| Entry { score: *score, member: member.clone() };
        let mut ascending: Vec<_> = scores.iter().map(entry).collect();
        ascending.sort_unstable();
        let weight = scores.keys().map(|member| member_weight(member)).sum();
        Self { scores, ranked: Ranked::of(ascending), weight }
    }
}

impl FromIterator<(Bytes, Score)> for Sorted {
    fn from_iter<T: IntoIterator<Item = (Bytes, Score)>>(members: T) -> Self {
        members.into_iter().collect::<HashMap<_, _>>().into()
    }
}

/// What a member weighs: it is found in two ways, by name and by place.
pub(in crate::resp) const fn member_weight(member: &[u8]) -> usize {
    MEMBER_BYTES + member.len()
}

/// Bytes that a member counts beside its own.
const MEMBER_BYTES: usize = 3 * ELEMENT_BYTES;

impl Sorted {
    /// How Redis keeps it, as it is set by default.
    pub(in crate::resp) fn encoding(&self) -> &'static str {
        const MEMBERS_MAX: usize = 128;
        const MEMBER_BYTES_MAX: usize = 64;
        let is_small = self.len() <= MEMBERS_MAX && self.iter().all(|entry| entry.member.len() <= MEMBER_BYTES_MAX);
        if is_small { "listpack" } else { "skiplist" }
    }

    /// How many members there are.
    pub(in crate::resp) const fn len(&self) -> usize {
        self.ranked.count()
    }

    pub(in crate::resp) fn score(&self, member: &[u8]) -> Option<Score> {
        self.scores.get(member).copied()
    }

    /// How many members stand before this one.
    pub(in crate::resp) fn rank(&self, member: &[u8]) -> Option<usize> {
        let score = self.score(member)?;
        Some(self.ranked.count_while(|other| (other.score, other.member.as_ref()) < (score, member)))
    }

    /// Gives a member a score; the one it had.
    pub(in crate::resp) fn set(&mut self, member: Bytes, score: Score) -> Option<Score> {
        let score = score.kept();
        let before = self.scores.insert(member.clone(), score);
        match before {
            Some(before) if before == score => return Some(before),
            Some(before) => {
                self.ranked.remove(&Entry { score: before, member: member.clone() });
            }
            None => self.weight += member_weight(&member),
        }
        self.ranked.insert(Entry { score, member });
        before
    }

    /// Takes a member out; the score it had.
    pub(in crate::resp) fn remove(&mut self, member: &[u8]) -> Option<Score> {
        let (member, score) = self.scores.remove_entry(member)?;
        self.weight -= member_weight(&member);
        self.ranked.remove(&Entry { score, member });
        Some(score)
    }

    /// What stands at some places.
    pub(in crate::resp) fn entries(&self, ranks: Range<usize>) -> impl DoubleEndedIterator<Item = &Entry> {
        self.ranked.entries(ranks)
    }

    /// Takes out what stands at some places.
    pub(in crate::resp) fn remove_ranks(&mut self, ranks: Range<usize>) -> Vec<Entry> {
        let removed = self.ranked.remove_ranks(ranks);
        for entry in &removed {
            self.scores.remove(&entry.member);
            self.weight -= member_weight(&entry.member);
        }
        removed
    }

    /// The same as it is kept: what was told of a zero may have had a sign.
    pub(in crate::resp) fn kept(mut self) -> Self {
        let scores = self.scores.values_mut().chain(self.ranked.scores_mut());
        scores.for_each(|score| *score = score.kept());
        self
    }

    /// All, in order.
    pub(in crate::resp) fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries(0..self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Set(u8, i8),
        Remove(u8),
        RemoveRanks(usize, usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (any::<u8>(), -3..3_i8).prop_map(|(member, score)| Step::Set(member, score)),
            2 => any::<u8>().prop_map(Step::Remove),
            1 => (0..40_usize, 0..6_usize).prop_map(|(start, count)| Step::RemoveRanks(start, start + count)),
        ];
        proptest::collection::vec(step, 0..80)
    }

    fn name(member: u8) -> Bytes {
        // Names of several lengths, some the beginnings of others.
        vec![b'a' + member % 7; usize::from(member % 11)].into()
    }

    fn score(number: i8) -> Score {
        Score::new(f64::from(number)).unwrap()
    }

    proptest! {
        #[test]
        fn it_is_a_map_and_a_list(steps in steps()) {
            let (mut sorted, mut model) = (Sorted::default(), BTreeMap::<Bytes, Score>::new());
            for step in steps {
                let mut list: Vec<_> = model.iter().map(|(member, score)| (*score, member.clone())).collect();
                list.sort();
                match step {
                    Step::Set(member, number) => {
                        let before = model.insert(name(member), score(number));
                        prop_assert_eq!(sorted.set(name(member), score(number)), before);
                    }
                    Step::Remove(member) => prop_assert_eq!(sorted.remove(&name(member)), model.remove(&name(member))),
                    Step::RemoveRanks(start, end) => {
                        let gone = &list[start.min(list.len())..end.min(list.len())];
                        let removed = sorted.remove_ranks(start..end);
                        prop_assert!(removed.iter().map(|entry| (entry.score, entry.member.clone())).eq(gone.iter().cloned()));
                        model.retain(|member, score| !gone.contains(&(*score, member.clone())));
                    }
                }
                let mut list: Vec<_> = model.iter().map(|(member, score)| (*score, member.clone())).collect();
                list.sort();
                prop_assert!(sorted.iter().map(|entry| (entry.score, entry.member.clone())).eq(list.iter().cloned()));
                for (rank, (score, member)) in list.iter().enumerate() {
                    prop_assert_eq!((sorted.rank(member), sorted.score(member)), (Some(rank), Some(*score)));
                }
                prop_assert_eq!((sorted.len(), sorted.rank(b"none")), (model.len(), None));
                prop_assert_eq!(sorted.weight, model.keys().map(|member| member_weight(member)).sum::<usize>());
                prop_assert_eq!(&sorted, &model.clone().into_iter().collect::<Sorted>());
            }
        }
    }
}
