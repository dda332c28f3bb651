//! Who waits until an entry is on this member's own disk, whether or not others have it.
//!
//! openraft may refuse a proposal and take the next one in the same term, as when a leader has not heard of its followers for
//! a moment. What was foreseen of the next one rests on the one that was refused, and is wrong. So all proposals are
//! expected in their order and at their places in the log, which change when members come or go: from the first on that is
//! not the one to come, nobody is told anything.

use std::collections::VecDeque;
use std::sync::Arc;

use openraft::EntryPayload;
use parking_lot::Mutex;
use storgo_protocol::meta::Stamp;
use tokio::sync::oneshot;

use super::types::Entry;
use crate::planted::{Planted, is_planted};

/// An entry by the term of the leader that proposed it, the index where it stands, and the stamp that leader gave, of which it
/// gives none twice.
type Mark = (u64, u64, Stamp);

/// The proposals that are to come to the log, in their order. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnDisk(Arc<Mutex<Expected>>);

#[derive(Debug, Default)]
struct Expected {
    /// In which they are made.
    term: u64,
    /// Where the first of them is to stand.
    index: u64,
    proposals: VecDeque<(Stamp, oneshot::Sender<()>)>,
    /// Whether another one came than was expected.
    is_astray: bool,
}

/// Resolves when an entry is on the disk; with an error if nobody will tell.
pub(crate) type OnOwnDisk = oneshot::Receiver<()>;

impl OwnDisk {
    /// Expects what is proposed from now on, in this term and from this index on, where nothing is under way.
    pub(super) fn begin(&self, term: u64, index: u64) {
        *self.0.lock() = Expected { term, index, ..Expected::default() };
    }

    /// Whether something else came to the log than was expected since the beginning.
    pub(super) fn is_astray(&self) -> bool {
        self.0.lock().is_astray
    }

    /// Expects a proposal behind those before; to be called before it is proposed.
    pub(super) fn expect(&self, stamp: Stamp) -> OnOwnDisk {
        let (tell, told) = oneshot::channel();
        let mut expected = self.0.lock();
        if !expected.is_astray {
            expected.proposals.push_back((stamp, tell));
        }
        told
    }

    /// Those who wait for entries that come to the log now, to be told when they are on the disk.
    pub(super) fn waiting_for(&self, entries: &[Entry]) -> Vec<oneshot::Sender<()>> {
        let mut expected = self.0.lock();
        if expected.proposals.is_empty() {
            return Vec::new();
        }
        let marks = entries.iter().filter_map(|entry| match &entry.payload {
            EntryPayload::Normal(proposed) => {
                Some((entry.log_id.committed_leader_id().term, entry.log_id.index, proposed.proposal().stamp))
            }
            // They change no record; what stands behind them stands elsewhere than was expected.
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
        });
        expected.come(marks)
    }
}

impl Expected {
    fn come(&mut self, marks: impl Iterator<Item = Mark>) -> Vec<oneshot::Sender<()>> {
        let mut waiting = Vec::new();
        for mark in marks {
            match self.proposals.pop_front() {
                Some((stamp, tell)) if (self.term, self.index, stamp) == mark => {
                    self.index += 1;
                    waiting.push(tell);
                }
                // Those of which nothing came are passed over, as if what is behind them did not rest on them.
                Some(_) if is_planted(Planted::GapsUnseen) => {
                    while let Some((stamp, tell)) = self.proposals.pop_front() {
                        if stamp == mark.2 {
                            waiting.push(tell);
                            break;
                        }
                    }
                }
                _ => {
                    *self = Self { is_astray: true, ..Self::default() };
                    break;
                }
            }
        }
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of an entry whose stamp has the number of its place.
    const fn mark(term: u64, index: u64) -> Mark {
        (term, index, Stamp::from_u64(index))
    }

    fn come(own: &OwnDisk, marks: &[Mark]) -> Vec<oneshot::Sender<()>> {
        own.0.lock().come(marks.iter().copied())
    }

    /// Whether each of these, expected in that order in term 3 from index 1 on, is told when those come.
    fn told<const N: usize>(expected: [u64; N], coming: &[Mark]) -> [bool; N] {
        let own = OwnDisk::default();
        own.begin(3, 1);
        let mut waiting = expected.map(|number| own.expect(Stamp::from_u64(number)));
        for tell in come(&own, coming) {
            tell.send(()).unwrap();
        }
        waiting.each_mut().map(|waits| waits.try_recv().is_ok())
    }

    #[test]
    fn nobody_is_told_of_what_comes_behind_a_gap_or_from_another_term_or_elsewhere() {
        let [a, b, c] = [mark(3, 1), mark(3, 2), mark(3, 3)];
        assert_eq!(told([1, 2, 3], &[a, b, c]), [true; 3]);
        assert_eq!(told([1, 2, 3], &[a, b]), [true, true, false]);
        let c_for_b = (3, 2, Stamp::from_u64(3));
        assert_eq!(told([1, 2, 3], &[a, c_for_b]), [true, false, false], "it rests on one that was refused");
        assert_eq!(told([1, 2, 3], &[a, mark(4, 2), c]), [true, false, false], "another leader stamped alike");
        assert_eq!(
            told([1, 2, 3], &[a, (3, 2, Stamp::from_u64(9)), b, c]),
            [true, false, false],
            "one came in between"
        );
        let shifted = [a, (3, 3, Stamp::from_u64(2)), (3, 4, Stamp::from_u64(3))];
        assert_eq!(told([1, 2, 3], &shifted), [true, false, false], "members came or went in between");
    }

    #[test]
    fn who_is_astray_tells_nobody_until_it_begins_anew() {
        let own = OwnDisk::default();
        own.begin(3, 1);
        let (before, stamp) = (own.expect(Stamp::from_u64(1)), Stamp::from_u64(2));
        assert!(come(&own, &[mark(3, 5)]).is_empty() && own.is_astray());
        drop(before);
        let mut late = own.expect(stamp);
        assert!(come(&own, &[mark(3, 2)]).is_empty() && late.try_recv().is_err());
        own.begin(3, 2);
        let again = own.expect(stamp);
        assert_eq!((come(&own, &[mark(3, 2)]).len(), own.is_astray()), (1, false));
        drop(again);
    }
}
