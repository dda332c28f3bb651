//! Where callers and the writer meet: the index, the queue, and the word that the log has stopped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};
use storgo_protocol::limits::{LOG_HINTS_MAX, LOG_QUEUE_BYTES_MAX};
use storgo_protocol::log::LogRecord;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::error::{Failure, LogError};
use super::index::Index;
use super::segment::Segment;

/// Who is told when records are durable. It runs on the writer's thread and must not block.
pub(super) type Done = Box<dyn FnOnce(Result<(), LogError>) + Send>;

/// A record with the serial of the change that it made.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) serial: u64,
    pub(super) record: LogRecord,
}

/// Records of one call.
pub(super) struct Pending {
    pub(super) records: Vec<Queued>,
    pub(super) done: Option<Done>,
    /// Held for its drop.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("records", &self.records.len()).finish_non_exhaustive()
    }
}

/// What callers and the writer both see. The lock is held for look-ups and for taking the queue, never for a disk.
#[derive(Debug)]
pub(super) struct State {
    pub(super) index: Index,
    pub(super) segments: BTreeMap<u64, Arc<Segment>>,
    pub(super) queue: Vec<Pending>,
    /// Somebody waits for the queue to be written.
    pub(super) wanted: bool,
    pub(super) closed: bool,
    pub(super) failed: Option<Failure>,
    pub(super) syncs: u64,
}

/// The state, and how the writer is woken.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) woken: Condvar,
    pub(super) notify: Notify,
    room: Arc<Semaphore>,
}

impl State {
    /// Refuses once the log has stopped.
    pub(super) fn check(&self) -> Result<(), LogError> {
        match &self.failed {
            Some(failure) => Err(failure.error()),
            None if self.closed => Err(LogError::Closed),
            None => Ok(()),
        }
    }

    /// Lets records take effect and queues them. Without `done` they wait for others to be written with, unless too many
    /// do.
    pub(super) fn submit(&mut self, records: Vec<LogRecord>, done: Option<Done>, room: Option<OwnedSemaphorePermit>) {
        self.wanted |= done.is_some() || self.queue.len() >= LOG_HINTS_MAX;
        let records = records.into_iter().map(|record| Queued { serial: self.index.apply(&record, None), record });
        let records = records.collect();
        self.queue.push(Pending { records, done, _room: room });
    }
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        let room = Arc::new(Semaphore::new(LOG_QUEUE_BYTES_MAX));
        Self { state: Mutex::new(state), woken: Condvar::new(), notify: Notify::new(), room }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Tells the writer that there is something to do.
    pub(super) fn wake(&self) {
        self.woken.notify_one();
        self.notify.notify_one();
    }

    /// Waits until records of so many bytes may be queued.
    pub(super) async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, LogError> {
        let permits = u32::try_from(bytes.clamp(1, LOG_QUEUE_BYTES_MAX)).unwrap_or(u32::MAX);
        Arc::clone(&self.room).acquire_many_owned(permits).await.map_err(|_| LogError::Closed)
    }

    /// Stops the log for good, and tells all who wait.
    pub(super) fn stop(&self, failure: &Failure) {
        let waiting = {
            let mut state = self.lock();
            state.failed.get_or_insert_with(|| failure.clone());
            std::mem::take(&mut state.queue)
        };
        for done in waiting.into_iter().filter_map(|pending| pending.done) {
            done(Err(failure.error()));
        }
    }
}
