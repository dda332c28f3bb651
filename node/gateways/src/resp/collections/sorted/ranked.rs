//! Members in the order of their scores, and their places in it.

use std::ops::Range;

use bytes::Bytes;

use super::score::Score;

/// Entries up to which a run grows: what moves when one is put in.
const RUN_ENTRIES_MAX: usize = 512;

/// A member and its score. They are in the order of scores, and members of one score in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::resp) struct Entry {
    pub(in crate::resp) score: Score,
    pub(in crate::resp) member: Bytes,
}

/// Entries in their order, in runs: one is put in or taken out without moving all others, and a place is counted by runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranked {
    /// None of them is empty.
    runs: Vec<Vec<Entry>>,
    count: usize,
}

impl Ranked {
    /// Of entries that are in order.
    pub(super) fn of(ascending: Vec<Entry>) -> Self {
        let count = ascending.len();
        let mut rest = ascending.into_iter();
        // Half full, so that there is room.
        let next = || Some(rest.by_ref().take(RUN_ENTRIES_MAX / 2).collect::<Vec<_>>());
        let runs = std::iter::from_fn(next).take_while(|run| !run.is_empty()).collect();
        Self { runs, count }
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Puts an entry in that is not there yet.
    pub(super) fn insert(&mut self, entry: Entry) {
        self.count += 1;
        let at = self.runs.partition_point(|run| run.last().is_some_and(|last| *last < entry));
        let at = at.min(self.runs.len().saturating_sub(1));
        let Some(run) = self.runs.get_mut(at) else {
            self.runs.push(vec![entry]);
            return;
        };
        run.insert(run.partition_point(|other| *other < entry), entry);
        if run.len() > RUN_ENTRIES_MAX {
            let behind = run.split_off(run.len() / 2);
            self.runs.insert(at + 1, behind);
        }
    }

    /// Takes an entry out; whether it was there.
    pub(super) fn remove(&mut self, entry: &Entry) -> bool {
        let at = self.runs.partition_point(|run| run.last().is_some_and(|last| last < entry));
        let Some(run) = self.runs.get_mut(at) else { return false };
        let Ok(place) = run.binary_search(entry) else { return false };
        run.remove(place);
        if run.is_empty() {
            self.runs.remove(at);
        }
        self.count -= 1;
        true
    }

    /// How many entries there are before the first of which something does not hold; it holds of none behind that one.
    pub(super) fn count_while(&self, holds: impl Fn(&Entry) -> bool) -> usize {
        let at = self.runs.partition_point(|run| run.last().is_some_and(&holds));
        let whole: usize = self.runs.iter().take(at).map(Vec::len).sum();
        whole + self.runs.get(at).map_or(0, |run| run.partition_point(&holds))
    }

    /// The entries at some places.
    pub(super) fn entries(&self, ranks: Range<usize>) -> impl DoubleEndedIterator<Item = &Entry> {
        let mut parts: Vec<&[Entry]> = Vec::new();
        let mut first = 0;
        for run in &self.runs {
            parts.extend(run.get(part(&ranks, first, run.len())).filter(|part| !part.is_empty()));
            first += run.len();
            if first >= ranks.end {
                break;
            }
        }
        parts.into_iter().flatten()
    }

    /// All scores. What is put in the place of one must be equal to it.
    pub(super) fn scores_mut(&mut self) -> impl Iterator<Item = &mut Score> {
        self.runs.iter_mut().flatten().map(|entry| &mut entry.score)
    }

    /// Takes the entries at some places out.
    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) -> Vec<Entry> {
        let mut removed = Vec::new();
        let mut first = 0;
        for run in &mut self.runs {
            let count = run.len();
            removed.extend(run.drain(part(&ranks, first, count)));
            first += count;
        }
        self.runs.retain(|run| !run.is_empty());
        self.count -= removed.len();
        removed
    }
}

/// The part of a run that lies at some places, if the run's first entry is at `first`.
fn part(ranks: &Range<usize>, first: usize, count: usize) -> Range<usize> {
    let start = ranks.start.saturating_sub(first).min(count);
    start..ranks.end.saturating_sub(first).clamp(start, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(number: u16) -> Entry {
        Entry { score: Score::new(f64::from(number / 4)).unwrap(), member: number.to_be_bytes().to_vec().into() }
    }

    fn shown(ranked: &Ranked) -> Vec<Entry> {
        ranked.entries(0..usize::MAX).cloned().collect()
    }

    #[test]
    fn runs_are_cut_and_dropped() {
        let mut ranked = Ranked::default();
        let numbers = (0..4000_u16).map(|number| number.wrapping_mul(40_503));
        for number in numbers.clone() {
            ranked.insert(entry(number));
        }
        let mut expected: Vec<_> = numbers.clone().map(entry).collect();
        expected.sort();
        assert_eq!(shown(&ranked), expected);
        assert!(ranked.runs.len() > 4000 / RUN_ENTRIES_MAX);
        assert!(ranked.runs.iter().all(|run| (1..=RUN_ENTRIES_MAX).contains(&run.len())));
        for number in numbers {
            assert!(ranked.remove(&entry(number)));
            assert!(!ranked.remove(&entry(number)));
        }
        assert_eq!((ranked.count(), ranked.runs.len()), (0, 0));
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_list(
            first in proptest::collection::btree_set(0_u16..3000, 0..1500),
            more in proptest::collection::vec((0_u16..3000, any::<bool>()), 0..60),
            start in 0_usize..1600,
            length in 0_usize..1600,
            sought in 0_u16..3000,
        ) {
            let mut model: Vec<Entry> = first.into_iter().map(entry).collect();
            let mut ranked = Ranked::of(model.clone());
            for (number, is_put) in more {
                match (model.binary_search(&entry(number)), is_put) {
                    (Err(at), true) => {
                        model.insert(at, entry(number));
                        ranked.insert(entry(number));
                    }
                    (Ok(at), false) => {
                        model.remove(at);
                        prop_assert!(ranked.remove(&entry(number)));
                    }
                    (Err(_), false) => prop_assert!(!ranked.remove(&entry(number))),
                    (Ok(_), true) => {}
                }
            }
            prop_assert_eq!(ranked.count(), model.len());
            let before = model.iter().filter(|other| **other < entry(sought)).count();
            prop_assert_eq!(ranked.count_while(|other| *other < entry(sought)), before);
            let (from, to) = (start.min(model.len()), (start + length).min(model.len()));
            prop_assert!(ranked.entries(start..start + length).eq(&model[from..to]));
            prop_assert!(ranked.entries(start..start + length).rev().eq(model[from..to].iter().rev()));
            let removed = ranked.remove_ranks(start..start + length);
            prop_assert_eq!(removed, model.drain(from..to).collect::<Vec<_>>());
            prop_assert_eq!(ranked.count(), model.len());
            prop_assert_eq!(shown(&ranked), model);
        }
    }
}
