//! Where the work of one disk waits, and who does it: whoever brings some and finds nobody at it does all that waits.
//!
//! ```text
//!   blocking task ─► waiting ─┐ nobody at it: it leads
//!   blocking task ─► waiting ─┼─► rounds of the committer, until nothing waits
//!   blocking task ─► waiting ─┘ somebody at it: it goes; its answer comes from there
//! ```
//!
//! A thread of its own for each disk would be woken for each round, and the wake-ups cost more than what they start. Only
//! one thread is ever at a disk. It knows no files; it blocks, and so do those who call it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use storgo_object::ports::StoreError;
use storgo_protocol::limits::{COMMIT_BATCH_MAX, COMMIT_QUEUE_MAX};

use crate::commit::{Committer, Request};
use crate::volume::Volume;

/// The desk of one disk.
#[derive(Debug)]
pub(crate) struct Desk {
    volume: Arc<Volume>,
    /// Held for one look each time, also by who holds `committer`; never the other way round.
    waiting: Mutex<VecDeque<Request>>,
    /// Held while rounds are done; none once the store is closed.
    committer: Mutex<Option<Committer>>,
}

impl Desk {
    pub(crate) fn new(committer: Committer) -> Self {
        let volume = Arc::clone(&committer.volume);
        Self { volume, waiting: Mutex::default(), committer: Mutex::new(Some(committer)) }
    }

    /// Leaves a request here. It is done by [`Desk::work`], which the caller owes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if too much waits; the request is dropped.
    pub(crate) fn leave(&self, request: Request) -> Result<(), StoreError> {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= COMMIT_QUEUE_MAX {
            return Err(StoreError::Unavailable { reason: "too much waits for the disk".into() });
        }
        waiting.push_back(request);
        Ok(())
    }

    /// Does all that waits, unless somebody is at it.
    pub(crate) fn work(&self) {
        // Whoever is at it looks once more after it let go, so nothing that was left meanwhile stays.
        while !self.waiting.lock().is_empty() {
            let Some(mut committer) = self.committer.try_lock() else { return };
            self.serve(&mut committer);
        }
    }

    /// Does what waits, and nothing that comes later.
    pub(crate) fn close(&self) {
        let mut committer = self.committer.lock();
        self.serve(&mut committer);
        *committer = None;
    }

    /// Requests that nobody is at.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.lock().len()
    }

    fn serve(&self, committer: &mut Option<Committer>) {
        loop {
            let batch: Vec<Request> = {
                let mut waiting = self.waiting.lock();
                let count = waiting.len().min(COMMIT_BATCH_MAX);
                waiting.drain(..count).collect()
            };
            if batch.is_empty() {
                return;
            }
            // Without a committer what waits is dropped, which tells those who wait for it.
            let Some(committer) = committer else { continue };
            // sled may panic over a damaged file. Then the disk is given up, and whoever waits is told.
            if catch_unwind(AssertUnwindSafe(|| committer.serve(batch))).is_err() {
                self.volume.fence("its committer panicked".into());
            }
        }
    }
}
