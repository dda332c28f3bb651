//! Whether this node's clock is fit to stamp and to lead: compared with those of others, by the answers that they give
//! anyway.
//!
//! An answer says what the other's clock showed somewhere between question and answer, so half of that time is the error.
//! What it shows now follows by the time since, on a clock that only goes forward: so a clock that is set wrong is off at
//! once, not only when the next answer comes.
//!
//! Two questions. *Off* is a clock that differs by more than [`CLOCK_OFF_MS_MAX`] from more than half of all that are
//! known, its own counted: it gives up the lead, and one that is wrong disturbs nobody else. *Vouched for* is one that
//! agrees with more than half of a group's voters, itself counted: only that one may stamp, since a leader that has heard
//! of one other voter, and differs from it, cannot tell which of the two is wrong. Of two voters nobody ever can.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking_lot::Mutex;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{CLOCK_OFF_MS_MAX, CLOCKS_MAX};
use tokio::sync::{Notify, futures::OwnedNotified, watch};
use tokio::time::Instant;

use crate::planted::{Planted, is_planted};

/// One comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// This clock when the answer came.
    pub(crate) now_ms: u64,
    /// The other's when it answered.
    pub(crate) theirs_ms: u64,
    /// How long the answer took.
    pub(crate) took: Duration,
}

/// What is known of others' clocks.
#[derive(Debug)]
pub(crate) struct ClockGuard {
    known: Mutex<BTreeMap<PeerId, Known>>,
    off: watch::Sender<bool>,
    heard: std::sync::Arc<Notify>,
}

/// Another clock.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// What it showed,
    theirs_ms: u64,
    /// when,
    at: Instant,
    /// and how far from it that may be.
    error_ms: u64,
}

impl Known {
    fn now_ms(&self) -> u64 {
        self.theirs_ms.saturating_add(millis(self.at.elapsed()))
    }

    fn differs(&self, now_ms: u64) -> bool {
        self.now_ms().abs_diff(now_ms).saturating_sub(self.error_ms) > CLOCK_OFF_MS_MAX
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Default for ClockGuard {
    fn default() -> Self {
        Self { known: Mutex::default(), off: watch::Sender::new(false), heard: std::sync::Arc::default() }
    }
}

impl ClockGuard {
    pub(crate) fn note(&self, peer: PeerId, sample: Sample) {
        let half = sample.took / 2;
        let at = Instant::now().checked_sub(half).unwrap_or_else(Instant::now);
        let off = {
            let mut known = self.known.lock();
            if known.len() >= CLOCKS_MAX && !known.contains_key(&peer) {
                known.pop_first();
            }
            known.insert(peer, Known { theirs_ms: sample.theirs_ms, at, error_ms: millis(half) });
            2 * known.values().filter(|known| known.differs(sample.now_ms)).count() > known.len() + 1
        };
        self.off.send_if_modified(|current| std::mem::replace(current, off) != off);
        self.heard.notify_waiters();
    }

    /// By how many milliseconds a clock that shows this is ahead of the median of others'; `None` if none is known.
    pub(crate) fn ahead_ms(&self, now_ms: u64) -> Option<i64> {
        let ahead = |known: &Known| now_ms.cast_signed().saturating_sub(known.now_ms().cast_signed());
        let mut all: Vec<i64> = self.known.lock().values().map(ahead).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied()
    }

    /// Whether this node may not lead.
    pub(crate) fn is_off(&self) -> bool {
        *self.off.borrow()
    }

    /// Whether a clock that shows this agrees with most of a group's voters, of which `others` are those besides.
    pub(crate) fn is_vouched_for(&self, now_ms: u64, others: impl Iterator<Item = PeerId>) -> bool {
        let known = self.known.lock();
        let (mut voters, mut agree) = (1, 1);
        for other in others {
            voters += 1;
            agree += usize::from(known.get(&other).is_some_and(|known| !known.differs(now_ms)));
        }
        voters == 2 || 2 * agree > voters || is_planted(Planted::WrongClockStamps)
    }

    /// Whose clocks differ from one that shows this, when they were last heard of.
    pub(crate) fn differing(&self, now_ms: u64) -> BTreeSet<PeerId> {
        let known = self.known.lock();
        known.iter().filter(|(_, known)| known.differs(now_ms)).map(|(peer, _)| *peer).collect()
    }

    /// Resolves when another clock was heard of, from now on.
    pub(crate) fn heard(&self) -> OwnedNotified {
        std::sync::Arc::clone(&self.heard).notified_owned()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.off.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_000_000;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 32])
    }

    /// Hears of a clock that is ahead of this one by so much, as far as can be told.
    fn note(guard: &ClockGuard, number: u8, ahead_ms: i64, took_ms: u64) {
        let theirs_ms = (NOW_MS - took_ms / 2).saturating_add_signed(ahead_ms);
        guard.note(peer(number), Sample { now_ms: NOW_MS, theirs_ms, took: Duration::from_millis(took_ms) });
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_is_off_when_most_others_say_so() {
        let guard = ClockGuard::default();
        assert_eq!(guard.ahead_ms(NOW_MS), None);
        note(&guard, 1, 501, 0);
        assert_eq!(guard.ahead_ms(NOW_MS), Some(-501));
        // Of two clocks nobody can tell which is wrong.
        assert!(!guard.is_off());
        note(&guard, 2, 500, 0);
        assert!(!guard.is_off());
        note(&guard, 2, 501, 0);
        assert!(guard.is_off());
        note(&guard, 1, -400, 0);
        assert!(!guard.is_off());
        note(&guard, 1, -1_000, 0);
        assert!(guard.is_off());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_proves_less() {
        let guard = ClockGuard::default();
        for number in 1..=4 {
            note(&guard, number, 900, 1000);
        }
        assert!(!guard.is_off());
        for number in 1..=4 {
            note(&guard, number, 1001, 1000);
        }
        assert!(guard.is_off());
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_clock_that_most_voters_agree_with_may_stamp() {
        let guard = ClockGuard::default();
        let vouched = |now_ms, others: &[u8]| guard.is_vouched_for(now_ms, others.iter().map(|other| peer(*other)));
        assert!(vouched(NOW_MS, &[]));
        assert!(!vouched(NOW_MS, &[1, 2]), "nobody was heard of");
        note(&guard, 1, 60_000, 0);
        assert!(!vouched(NOW_MS, &[1, 2]), "one of the two is wrong");
        assert!(vouched(NOW_MS, &[1]), "of two voters nobody ever knows");
        note(&guard, 2, 0, 0);
        assert!(vouched(NOW_MS, &[1, 2]));
        assert!(!vouched(NOW_MS, &[1, 2, 3, 4]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_is_off_before_anybody_answers() {
        let guard = ClockGuard::default();
        (1..=2).for_each(|number| note(&guard, number, 0, 0));
        let vouched = |now_ms| guard.is_vouched_for(now_ms, [peer(1), peer(2)].into_iter());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(vouched(NOW_MS + 10_000));
        assert!(!vouched(NOW_MS + 10_501));
        assert!(!vouched(NOW_MS));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_differs_is_named() {
        let guard = ClockGuard::default();
        (1..=2).for_each(|number| note(&guard, number, 500, 0));
        assert_eq!(guard.differing(NOW_MS), BTreeSet::new());
        note(&guard, 3, -501, 0);
        assert_eq!(guard.differing(NOW_MS), BTreeSet::from([peer(3)]));
        assert!(!guard.is_off());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_clocks_are_remembered_than_there_is_room_for() {
        let guard = ClockGuard::default();
        for number in 0..=CLOCKS_MAX as u64 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            let sample = Sample { now_ms: NOW_MS, theirs_ms: NOW_MS, took: Duration::ZERO };
            guard.note(PeerId::from_bytes(bytes), sample);
        }
        assert_eq!(guard.known.lock().len(), CLOCKS_MAX);
    }
}
