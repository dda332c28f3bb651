//! Wall time and randomness, so that tests and the simulator decide both.

use std::fmt;
use std::time::{Duration, SystemTime};

use rand::Rng as _;

/// Wall time. Monotonic time is tokio's.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Seconds since 1970.
    fn now_seconds(&self) -> u64;

    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64 {
        self.now_seconds().saturating_mul(1000)
    }

    /// How long this machine was suspended since it started: so much clocks that only go forward have missed. `None` where
    /// that cannot be told.
    fn suspended(&self) -> Option<Duration> {
        None
    }
}

/// Randomness fit for keys.
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Random + '_ {
    /// A fresh array.
    #[must_use]
    pub fn array<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// Two looks at a clock lie no further apart than this, if what lies between them is to be compared with it.
#[cfg(target_os = "linux")]
const BETWEEN_CLOCKS_MAX: Duration = Duration::from_millis(1);

/// The system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_seconds(&self) -> u64 {
        self.now_ms() / 1000
    }

    fn now_ms(&self) -> u64 {
        #[expect(clippy::disallowed_methods, reason = "this is the production clock")]
        let now = SystemTime::now();
        now.duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    #[cfg(target_os = "linux")]
    fn suspended(&self) -> Option<Duration> {
        use rustix::time::{ClockId, clock_gettime};
        let read = |clock| Duration::try_from(clock_gettime(clock)).ok();
        let (before, boot, after) = (read(ClockId::Monotonic)?, read(ClockId::Boottime)?, read(ClockId::Monotonic)?);
        // Whoever was interrupted in between would take the time for sleep.
        (after.saturating_sub(before) <= BETWEEN_CLOCKS_MAX).then(|| boot.saturating_sub(before))
    }
}

/// The operating system's generator, through a generator seeded from it.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}
