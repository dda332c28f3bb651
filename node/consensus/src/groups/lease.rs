//! For how long a leader may answer without asking: a span from when it asked those that acknowledged it, in which nobody
//! else can be elected.
//!
//! The span is measured by the clock that openraft has, which stands still while the machine is suspended. So the boot
//! clock is looked at besides: when it went on alone, nothing that was acknowledged before counts.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::planted::{Planted, is_planted};
use crate::raft::Followed;

/// By so much more than before a machine must have been suspended to be noticed: less than leases are shorter than they
/// could be, and more than lies between two looks at a clock.
const SUSPENDED_MIN: Duration = Duration::from_millis(10);

/// The leases of one machine. It locks for no longer than it takes to compare.
#[derive(Debug)]
pub(super) struct Lease {
    length: Duration,
    awake: Mutex<Awake>,
}

#[derive(Debug, Clone, Copy)]
struct Awake {
    /// How long the machine had been suspended when that was last noticed; `None` if it was not known.
    suspended: Option<Duration>,
    /// When it was noticed; `None` for never.
    since: Option<Instant>,
}

impl Lease {
    pub(super) fn new(length: Duration, suspended: Option<Duration>) -> Self {
        let length = if is_planted(Planted::LeaseOutlivesElections) { length * 30 } else { length };
        Self { length, awake: Mutex::new(Awake { suspended, since: None }) }
    }

    /// Whether a lead holds at `now`. It is looked at behind that, and how long the machine was suspended in all last:
    /// what is acknowledged meanwhile may count, what the machine sleeps through meanwhile must.
    pub(super) fn holds(&self, followed: Option<Followed>, now: Instant, suspended: Option<Duration>) -> bool {
        match (followed, self.awake_since(suspended)) {
            (None, _) | (_, Err(Unknown)) => false,
            (Some(Followed::Alone), Ok(_)) => true,
            (Some(Followed::At(asked)), Ok(since)) => {
                now < asked + self.length && since.is_none_or(|woke| woke < asked)
            }
        }
    }

    /// When the machine was last noticed to have been suspended.
    fn awake_since(&self, suspended: Option<Duration>) -> Result<Option<Instant>, Unknown> {
        let suspended = suspended.ok_or(Unknown)?;
        let mut awake = self.awake.lock();
        let is_known = awake.suspended.is_some_and(|before| suspended < before + SUSPENDED_MIN);
        if !is_known {
            *awake = Awake { suspended: Some(suspended), since: Some(Instant::now()) };
        }
        Ok(awake.since)
    }
}

/// It cannot be told whether the machine was suspended.
struct Unknown;

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_millis(300);
    const NEVER: Option<Duration> = Some(Duration::ZERO);

    fn after(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_so_long_after_those_who_acknowledged_were_asked() {
        let (lease, asked) = (Lease::new(LENGTH, NEVER), Instant::now());
        let followed = Some(Followed::At(asked));
        assert!(lease.holds(followed, asked + after(299), NEVER));
        assert!(!lease.holds(followed, asked + after(300), NEVER));
        assert!(!lease.holds(None, asked, NEVER));
        assert!(lease.holds(Some(Followed::Alone), asked + after(1_000_000), NEVER));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_acknowledged_before_the_machine_was_suspended_does_not_count() {
        let (lease, before) = (Lease::new(LENGTH, NEVER), Instant::now());
        let holds = |asked, suspended| lease.holds(Some(Followed::At(asked)), Instant::now(), suspended);
        let a_minute = Some(Duration::from_mins(1));
        tokio::time::advance(after(10)).await;
        assert!(holds(before, NEVER));
        // For the clock that stood still it is but a moment later.
        assert!(!holds(before, a_minute));
        assert!(!holds(before, a_minute));
        assert!(!holds(Instant::now(), a_minute));
        tokio::time::advance(after(1)).await;
        assert!(holds(Instant::now(), a_minute));
        // Two clocks are never looked at in the same moment.
        assert!(holds(Instant::now(), Some(Duration::from_millis(60_009))));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_boot_clock_there_is_none() {
        let (lease, before) = (Lease::new(LENGTH, None), Instant::now());
        let holds = |asked, suspended| lease.holds(Some(Followed::At(asked)), Instant::now(), suspended);
        assert!(!holds(before, None));
        assert!(!lease.holds(Some(Followed::Alone), before, None));
        // What came before it could be read is not believed either.
        assert!(!holds(before, NEVER));
        tokio::time::advance(after(1)).await;
        assert!(holds(Instant::now(), NEVER));
        assert!(!holds(Instant::now(), None));
        assert!(holds(Instant::now(), NEVER));
    }
}
