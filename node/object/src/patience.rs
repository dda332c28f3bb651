//! How often a busy peer is asked again: a bounded back-off, so that a put slows down instead of going elsewhere.

use std::time::Duration;

use storgo_protocol::limits::{BUSY_RETRIES_MAX, BUSY_WAIT_MS_MAX, BUSY_WAIT_MS_MIN};
use storgo_protocol::message::RefusalKind;

use crate::miss::Miss;

/// One question's patience: the wait doubles each time, up to its bound.
#[derive(Debug)]
pub(crate) struct Patience {
    tries_left: u32,
    wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries_left: BUSY_RETRIES_MAX, wait: Duration::from_millis(BUSY_WAIT_MS_MIN) }
    }
}

impl Patience {
    /// Asks until the peer is not busy or patience is at its end.
    pub(crate) async fn retry_busy<T, F>(mut self, mut ask: impl FnMut() -> F) -> Result<T, Miss>
    where
        F: Future<Output = Result<T, Miss>>,
    {
        loop {
            match ask().await {
                Err(Miss::Refused(refusal)) if refusal.kind == RefusalKind::Busy && self.tries_left > 0 => {
                    self.tries_left -= 1;
                    tokio::time::sleep(self.wait).await;
                    self.wait = (self.wait * 2).min(Duration::from_millis(BUSY_WAIT_MS_MAX));
                }
                answer => return answer,
            }
        }
    }
}
