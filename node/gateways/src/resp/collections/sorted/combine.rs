//! Sorted sets out of others: what is in any, in all, or in the first alone.

use std::collections::HashMap;

use bytes::Bytes;

use super::Sorted;
use super::score::Score;
use crate::resp::collections::Set;

/// Members that have scores, in a plain set too.
pub(in crate::resp) trait Scored {
    fn count(&self) -> usize;

    fn score_of(&self, member: &[u8]) -> Option<Score>;

    /// All of them, in some order.
    fn members(&self) -> Box<dyn Iterator<Item = (&Bytes, Score)> + '_>;
}

impl Scored for Sorted {
    fn count(&self) -> usize {
        self.len()
    }

    fn score_of(&self, member: &[u8]) -> Option<Score> {
        self.score(member)
    }

    fn members(&self) -> Box<dyn Iterator<Item = (&Bytes, Score)> + '_> {
        Box::new(self.iter().map(|entry| (&entry.member, entry.score)))
    }
}

impl Scored for Set {
    fn count(&self) -> usize {
        self.len()
    }

    fn score_of(&self, member: &[u8]) -> Option<Score> {
        self.contains(member).then_some(Score::ONE)
    }

    fn members(&self) -> Box<dyn Iterator<Item = (&Bytes, Score)> + '_> {
        Box::new(self.iter().map(|member| (member, Score::ONE)))
    }
}

/// None at all.
impl Scored for () {
    fn count(&self) -> usize {
        0
    }

    fn score_of(&self, _: &[u8]) -> Option<Score> {
        None
    }

    fn members(&self) -> Box<dyn Iterator<Item = (&Bytes, Score)> + '_> {
        Box::new(std::iter::empty())
    }
}

/// What becomes of a member's scores in several sets (AGGREGATE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::resp) enum Aggregate {
    #[default]
    Sum,
    Min,
    Max,
}

impl Aggregate {
    pub(in crate::resp) fn parse(text: &[u8]) -> Option<Self> {
        match text.to_ascii_lowercase().as_slice() {
            b"sum" => Some(Self::Sum),
            b"min" => Some(Self::Min),
            b"max" => Some(Self::Max),
            _ => None,
        }
    }

    /// The sum of endless scores with different signs is zero, and so is one with no score.
    fn of(self, one: Score, other: Option<Score>) -> Score {
        match (self, other) {
            (Self::Sum, other) => other.and_then(|other| one.plus(other)).unwrap_or(Score::ZERO),
            (_, None) => one,
            // Of equal ones the first: zero may have a sign.
            (Self::Min, Some(other)) => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            (Self::Max, Some(other)) => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

/// A set, and what its scores are multiplied with.
pub(in crate::resp) type Weighted<'a> = (&'a dyn Scored, Score);

/// All members of any of the sets.
pub(in crate::resp) fn union(sets: &[Weighted<'_>], aggregate: Aggregate) -> Sorted {
    let mut scores: HashMap<Bytes, Score> = HashMap::new();
    for (set, weight) in smallest_first(sets) {
        for (member, score) in set.members() {
            let score = score.times(weight).unwrap_or(Score::ZERO);
            scores.entry(member.clone()).and_modify(|sum| *sum = aggregate.of(*sum, Some(score))).or_insert(score);
        }
    }
    scores.into()
}

/// The members that all sets have.
pub(in crate::resp) fn intersection(sets: &[Weighted<'_>], aggregate: Aggregate) -> Sorted {
    shared(sets, aggregate).map(|(member, score)| (member.clone(), score)).collect()
}

/// How many members all sets have; no more than `most` are counted.
pub(in crate::resp) fn shared_count(sets: &[&dyn Scored], most: usize) -> usize {
    let weighted: Vec<_> = sets.iter().map(|set| (*set, Score::ONE)).collect();
    shared(&weighted, Aggregate::Sum).take(most).count()
}

fn shared<'a>(sets: &[Weighted<'a>], aggregate: Aggregate) -> impl Iterator<Item = (&'a Bytes, Score)> {
    let sets = smallest_first(sets);
    let first = sets.first().map(|(set, weight)| (set.members(), *weight));
    let members = first.into_iter().flat_map(|(members, weight)| members.map(move |member| (member, weight)));
    members.filter_map(move |((member, score), weight)| {
        let first = score.times(weight).unwrap_or(Score::ZERO);
        // Redis counts a product that is none as zero in a union and in the smallest set, and not in others.
        let of_others = sets.iter().skip(1).map(|(set, weight)| Some(set.score_of(member)?.times(*weight)));
        let score = of_others.into_iter().try_fold(first, |sum, score| Some(aggregate.of(sum, score?)))?;
        Some((member, score))
    })
}

/// The members of the first set that no other has.
pub(in crate::resp) fn difference(sets: &[&dyn Scored]) -> Sorted {
    let Some((first, others)) = sets.split_first() else { return Sorted::default() };
    let is_alone = |member: &[u8]| others.iter().all(|other| other.score_of(member).is_none());
    first.members().filter(|(member, _)| is_alone(member)).map(|(member, score)| (member.clone(), score)).collect()
}

/// Sums of fractions depend on their order: this is Redis's.
fn smallest_first<'a>(sets: &[Weighted<'a>]) -> Vec<Weighted<'a>> {
    let mut sets = sets.to_vec();
    sets.sort_by_key(|(set, _)| set.count());
    sets
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Model = BTreeMap<u8, i8>;

    fn score(number: i8) -> Score {
        Score::new(f64::from(number)).unwrap()
    }

    fn sorted(model: &BTreeMap<u8, Score>) -> Sorted {
        model.iter().map(|(member, score)| (Bytes::from(vec![*member]), *score)).collect()
    }

    fn of(model: &Model) -> Sorted {
        sorted(&model.iter().map(|(member, number)| (*member, score(*number))).collect())
    }

    #[test]
    fn endless_scores() {
        let endless = Score::new(f64::INFINITY).unwrap();
        let minus = Score::new(f64::NEG_INFINITY).unwrap();
        let one = sorted(&[(1, endless), (2, minus), (3, score(2))].into());
        let other = sorted(&[(1, minus), (2, minus), (3, score(0))].into());
        let sets = [(&one as &dyn Scored, Score::ONE), (&other as &dyn Scored, Score::ONE)];
        let sum = sorted(&[(1, Score::ZERO), (2, minus), (3, score(2))].into());
        assert_eq!(union(&sets, Aggregate::Sum), sum);
        assert_eq!(intersection(&sets, Aggregate::Sum), sum);
        let least = sorted(&[(1, minus), (2, minus), (3, score(0))].into());
        assert_eq!(intersection(&sets, Aggregate::Min), least);
        let weighted = [(&one as &dyn Scored, Score::ZERO), (&other as &dyn Scored, endless)];
        assert_eq!(union(&weighted, Aggregate::Max), sorted(&[(1, score(0)), (2, score(0)), (3, score(0))].into()));
        // Endless times none: zero in a union, and what makes a sum of an intersection zero.
        let plain = sorted(&[(1, score(7))].into());
        let weighted = [(&plain as &dyn Scored, Score::ONE), (&one as &dyn Scored, Score::ZERO)];
        let of_one = |set: &Sorted| set.score(&[1]).unwrap();
        assert_eq!(of_one(&union(&weighted, Aggregate::Sum)), score(7));
        assert_eq!(of_one(&intersection(&weighted, Aggregate::Sum)), score(0));
        assert_eq!(of_one(&intersection(&weighted, Aggregate::Min)), score(7));
    }

    #[test]
    fn words_of_aggregates() {
        let known = [("SUM", Some(Aggregate::Sum)), ("min", Some(Aggregate::Min)), ("Max", Some(Aggregate::Max))];
        for (text, expected) in known.into_iter().chain([("", None), ("avg", None)]) {
            assert_eq!(Aggregate::parse(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn sets_are_those_of_maps(
            models in proptest::collection::vec(
                (proptest::collection::btree_map(0..24_u8, -5..5_i8, 0..20), -2..3_i8), 1..4),
            way in 0..3_usize,
            most in 0..8_usize,
        ) {
            let aggregate = [Aggregate::Sum, Aggregate::Min, Aggregate::Max][way];
            let fold = |numbers: Vec<i8>| match aggregate {
                Aggregate::Sum => numbers.into_iter().sum::<i8>(),
                Aggregate::Min => numbers.into_iter().min().unwrap(),
                Aggregate::Max => numbers.into_iter().max().unwrap(),
            };
            let all: Model = (0..24_u8).filter_map(|member| {
                let numbers: Vec<i8> = models.iter().filter_map(|(set, weight)| Some(set.get(&member)? * weight)).collect();
                (!numbers.is_empty()).then(|| (member, fold(numbers)))
            }).collect();
            let in_all = |member: &u8| models.iter().all(|(set, _)| set.contains_key(member));
            let both: Model = all.iter().filter(|(member, _)| in_all(member)).map(|(member, number)| (*member, *number)).collect();
            let in_others = |member: &u8| models.iter().skip(1).any(|(set, _)| set.contains_key(member));
            let alone: Model = models[0].0.iter().filter(|(member, _)| !in_others(member)).map(|(member, number)| (*member, *number)).collect();

            let sets: Vec<_> = models.iter().map(|(set, weight)| (of(set), score(*weight))).collect();
            let weighted: Vec<Weighted<'_>> = sets.iter().map(|(set, weight)| (set as &dyn Scored, *weight)).collect();
            let plain: Vec<&dyn Scored> = sets.iter().map(|(set, _)| set as &dyn Scored).collect();
            prop_assert_eq!(union(&weighted, aggregate), of(&all));
            prop_assert_eq!(intersection(&weighted, aggregate), of(&both));
            prop_assert_eq!(shared_count(&plain, usize::MAX), both.len());
            prop_assert_eq!(shared_count(&plain, most), both.len().min(most));
            prop_assert_eq!(difference(&plain), of(&alone));
        }
    }
}
