//! Whether this node's clock is fit to lead: compared with those of others, by the answers that they give anyway.
//!
//! An answer says what the other's clock showed somewhere between question and answer, so half of that time is the error.
//! A clock is off when it differs by more than [`CLOCK_OFF_MS_MAX`] from more than half of all clocks known, its own
//! counted: one clock that is wrong disturbs nobody else, and of two nobody can tell which.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{CLOCK_OFF_MS_MAX, GROUP_SEATS_MAX};
use tokio::sync::watch;

/// One comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// This clock when it asked.
    pub(crate) sent_ms: u64,
    /// The other's when it answered.
    pub(crate) theirs_ms: u64,
    /// How long the answer took.
    pub(crate) took: Duration,
}

/// What is known of others' clocks.
#[derive(Debug)]
pub(crate) struct ClockGuard {
    differs: Mutex<BTreeMap<PeerId, bool>>,
    off: watch::Sender<bool>,
}

impl Default for ClockGuard {
    fn default() -> Self {
        Self { differs: Mutex::default(), off: watch::Sender::new(false) }
    }
}

/// Clocks that are remembered: those of all members of a few groups.
const CLOCKS_MAX: usize = 4 * GROUP_SEATS_MAX;

impl ClockGuard {
    pub(crate) fn note(&self, peer: PeerId, sample: Sample) {
        let took_ms = u64::try_from(sample.took.as_millis()).unwrap_or(u64::MAX);
        let expected = sample.sent_ms.saturating_add(took_ms / 2);
        let differs = sample.theirs_ms.abs_diff(expected).saturating_sub(took_ms / 2) > CLOCK_OFF_MS_MAX;
        let off = {
            let mut known = self.differs.lock();
            if known.len() >= CLOCKS_MAX && !known.contains_key(&peer) {
                known.pop_first();
            }
            known.insert(peer, differs);
            2 * known.values().filter(|differs| **differs).count() > known.len() + 1
        };
        self.off.send_if_modified(|current| std::mem::replace(current, off) != off);
    }

    /// Whether this node may not lead.
    pub(crate) fn is_off(&self) -> bool {
        *self.off.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.off.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 32])
    }

    fn note(guard: &ClockGuard, number: u8, ahead_ms: i64, took_ms: u64) {
        let sent_ms = 1_000_000;
        let theirs_ms = (sent_ms + took_ms / 2).saturating_add_signed(ahead_ms);
        guard.note(peer(number), Sample { sent_ms, theirs_ms, took: Duration::from_millis(took_ms) });
    }

    #[test]
    fn a_clock_is_off_when_most_others_say_so() {
        let guard = ClockGuard::default();
        note(&guard, 1, 501, 0);
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

    #[test]
    fn a_slow_answer_proves_less() {
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

    #[test]
    fn no_more_clocks_are_remembered_than_there_is_room_for() {
        let guard = ClockGuard::default();
        for number in 0..=u8::try_from(CLOCKS_MAX).unwrap() {
            note(&guard, number, 0, 0);
        }
        assert_eq!(guard.differs.lock().len(), CLOCKS_MAX);
    }
}
