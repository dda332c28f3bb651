//! The clock by which metadata groups stamp: the system's. Only programs built with debug assertions can be told another
//! time, so that tests set the clock of a process wrong while it runs.

use std::sync::Arc;

use storgo_object::ports::{Clock, SystemClock};

/// The system's clock; where tests can be and one says so, that clock and what it is wrong by.
pub(crate) fn of_groups() -> Arc<dyn Clock> {
    #[cfg(debug_assertions)]
    if let Some(path) = std::env::var_os("STORGO_TEST_CLOCK") {
        return Arc::new(wrong::Wrong(path.into()));
    }
    Arc::new(SystemClock)
}

#[cfg(debug_assertions)]
mod wrong {
    use std::path::PathBuf;

    use storgo_object::ports::{Clock, SystemClock};

    /// The system's clock and the milliseconds that this file names; right while there is none.
    #[derive(Debug)]
    pub(super) struct Wrong(pub(super) PathBuf);

    impl Clock for Wrong {
        fn now_seconds(&self) -> u64 {
            self.now_ms() / 1000
        }

        fn now_ms(&self) -> u64 {
            let text = std::fs::read_to_string(&self.0).unwrap_or_default();
            SystemClock.now_ms().saturating_add_signed(text.trim().parse().unwrap_or_default())
        }
    }
}
