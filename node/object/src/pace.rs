//! How long peers take now, and so when one of them is late: a multiple of the median of recent answers.
//!
//! The median, because less than half of the peers may be slow on purpose, and must not make slowness the measure. It
//! knows times and lengths, and neither peers nor what was asked.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use storgo_protocol::limits::{LATE_MS_MAX, LATE_MS_MIN, PACE_SAMPLES_MAX, PULL_LATE_MS_START, QUESTION_LATE_MS_START};

/// How many medians an answer may take.
const MEDIANS: u32 = 2;

/// Bytes that stand for what a pull takes besides its bytes, so that times of short and long ones compare.
const PULL_BASE_BYTES: usize = 64 * 1024;

/// The pace of one engine's peers.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    // Held only for look-ups, never across an await.
    questions: Mutex<Window>,
    pulls: Mutex<Window>,
}

/// Recent times, in nanoseconds for each unit.
#[derive(Debug, Default)]
struct Window {
    times: VecDeque<u64>,
}

impl Pace {
    /// Notes that an answer without bulk came after this time.
    pub(crate) fn answered(&self, took: Duration) {
        self.questions.lock().add(took, 1);
    }

    /// Notes that this many payload bytes came after this time.
    pub(crate) fn pulled(&self, bytes: usize, took: Duration) {
        self.pulls.lock().add(took, PULL_BASE_BYTES + bytes);
    }

    /// After what time an answer without bulk is late.
    pub(crate) fn question_patience(&self) -> Duration {
        self.questions.lock().patience(1, QUESTION_LATE_MS_START)
    }

    /// After what time this many payload bytes are late.
    pub(crate) fn pull_patience(&self, bytes: usize) -> Duration {
        self.pulls.lock().patience(PULL_BASE_BYTES + bytes, PULL_LATE_MS_START)
    }
}

impl Window {
    fn add(&mut self, took: Duration, units: usize) {
        if self.times.len() >= PACE_SAMPLES_MAX {
            self.times.pop_front();
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.times.push_back(nanos / units.max(1) as u64);
    }

    fn patience(&self, units: usize, start_ms: u64) -> Duration {
        let Some(median) = self.median() else { return Duration::from_millis(start_ms) };
        let usual = Duration::from_nanos(median.saturating_mul(units as u64));
        usual.saturating_mul(MEDIANS).clamp(Duration::from_millis(LATE_MS_MIN), Duration::from_millis(LATE_MS_MAX))
    }

    fn median(&self) -> Option<u64> {
        let mut times: Vec<u64> = self.times.iter().copied().collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn patience_follows_the_pace_between_its_bounds() {
        let pace = Pace::default();
        assert_eq!(pace.question_patience(), Duration::from_millis(QUESTION_LATE_MS_START));
        assert_eq!(pace.pull_patience(1), Duration::from_millis(PULL_LATE_MS_START));
        pace.answered(Duration::from_millis(1));
        assert_eq!(pace.question_patience(), Duration::from_millis(LATE_MS_MIN));
        (0..PACE_SAMPLES_MAX).for_each(|_| pace.answered(SECOND));
        assert_eq!(pace.question_patience(), 2 * SECOND);
        (0..PACE_SAMPLES_MAX).for_each(|_| pace.answered(1000 * SECOND));
        assert_eq!(pace.question_patience(), Duration::from_millis(LATE_MS_MAX));
        assert_eq!(pace.questions.lock().times.len(), PACE_SAMPLES_MAX);
    }

    #[test]
    fn a_long_shard_may_take_longer_and_a_few_slow_ones_change_nothing() {
        let pace = Pace::default();
        (0..40).for_each(|_| pace.pulled(1_000_000, SECOND));
        (0..20).for_each(|_| pace.pulled(1_000_000, 100 * SECOND));
        let usual = pace.pull_patience(1_000_000);
        assert!(usual > SECOND && usual < 3 * SECOND, "{usual:?}");
        assert!(pace.pull_patience(4_000_000) > 3 * usual);
    }
}
