//! How fast something goes: what was done since it began to move, over the last seconds.
//!
//! It knows no units and reads no clock.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Over how long is smoothed: several chunks, which count only when they are whole, even on a slow line.
const WINDOW: Duration = Duration::from_secs(10);

/// Before this, a speed would say more of chance than of the way.
const FIRST: Duration = Duration::from_secs(1);

/// What was done by when, the oldest first, since something first moved.
#[derive(Debug, Default)]
pub(crate) struct Speed(VecDeque<(Instant, u64)>);

impl Speed {
    /// Notes how much is done `now`. What was done before the first note is not counted.
    pub(crate) fn note(&mut self, now: Instant, done: u64) {
        // The oldest that is kept is the last one that is a whole window old.
        while self.0.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back((now, done));
    }

    /// How much was done in how long; `None` while there is too little to tell.
    pub(crate) fn measured(&self) -> Option<(u64, Duration)> {
        let ((start, before), (end, done)) = (self.0.front()?, self.0.back()?);
        let took = end.duration_since(*start);
        (took >= FIRST).then(|| (done.saturating_sub(*before), took))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_moved_lately_counts() {
        let (mut speed, start) = (Speed::default(), Instant::now());
        let at = |tenths: u32| start + Duration::from_millis(100) * tenths;
        assert_eq!(speed.measured(), None);
        // A thousand were there already.
        speed.note(at(0), 1000);
        speed.note(at(9), 1400);
        assert_eq!(speed.measured(), None, "too early");
        speed.note(at(10), 1500);
        assert_eq!(speed.measured(), Some((500, Duration::from_secs(1))));
        for tenths in 11..=300 {
            speed.note(at(tenths), 1500);
        }
        assert_eq!(speed.measured(), Some((0, WINDOW)), "it stands still");
        assert!(speed.0.len() <= 102, "bounded");
    }
}
