//! Waiting for a condition, with a deadline: the only way in which a test lets time pass.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before it counts as never: far beyond what a busy machine needs.
pub const PATIENCE: Duration = Duration::from_mins(1);

const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until `probe` finds something.
///
/// # Panics
/// When [`PATIENCE`] is over.
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        // What happens in another process rings no bell here, so it is looked at again in a moment.
        thread::park_timeout(LOOK_AGAIN);
    }
}
