//! The log as others see it: opened, closed, and asked how it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use storgo_object::ports::Random;
use storgo_protocol::{GroupId, LogIncarnation};

use super::config::LogConfig;
use super::drive;
use super::error::LogError;
use super::group::GroupLog;
use super::open::{self, LogOpening};
use super::queue::Shared;
use crate::disk::Disk;

/// The log of a node. Clones are the same one; it is closed when the last goes, but only [`Log::close`] waits for it.
#[derive(Debug, Clone)]
pub struct Log(Arc<Handle>);

/// Closes the log when it is dropped.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) shared: Arc<Shared>,
    incarnation: LogIncarnation,
    worker: Mutex<Option<Worker>>,
    /// Whether reads go to blocking tasks; under simulation a seed has to decide all turns.
    is_threaded: bool,
}

/// Where the writer runs.
#[derive(Debug)]
enum Worker {
    Thread(std::thread::JoinHandle<()>),
    #[cfg(any(test, feature = "sim"))]
    Task(tokio::task::JoinHandle<()>),
}

/// How a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogStatus {
    /// Files that hold records.
    pub segments: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes of those that are still needed.
    pub live_bytes: u64,
    /// Payload bytes of recent entries in memory, with their overhead.
    pub cached_bytes: usize,
    /// Syncs since the log was opened.
    pub syncs: u64,
}

impl Log {
    /// Opens the log in `dir`, whose parent must exist, and makes it if it is not there.
    ///
    /// # Errors
    /// [`LogError`] if it cannot be opened; a damaged log is set aside instead, which the opening tells.
    pub async fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: LogConfig,
        random: Arc<dyn Random>,
    ) -> Result<(Self, LogOpening), LogError> {
        let dir = dir.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let (writer, opening) = open::open(&disk, &dir, config, random)?;
            let shared = Arc::clone(&writer.shared);
            let thread = drive::on_thread(writer).map_err(|source| LogError::Open {
                what: "starting the log's writer",
                path: dir,
                source: Arc::new(source),
            })?;
            Ok((shared, Worker::Thread(thread), opening))
        });
        let (shared, worker, opening) = opened.await.map_err(|_| LogError::Closed)??;
        Ok((Self::with(shared, worker, opening.incarnation, true), opening))
    }

    /// Opens a log whose writer is a task, and whose calls of the disk are made where they come from: nothing in it
    /// happens on another thread.
    ///
    /// # Errors
    /// As [`Log::open`].
    #[cfg(any(test, feature = "sim"))]
    pub fn open_simulated(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        config: LogConfig,
        random: Arc<dyn Random>,
    ) -> Result<(Self, LogOpening), LogError> {
        let (writer, opening) = open::open(disk, dir, config, random)?;
        let shared = Arc::clone(&writer.shared);
        let worker = Worker::Task(drive::as_task(writer));
        Ok((Self::with(shared, worker, opening.incarnation, false), opening))
    }

    fn with(shared: Arc<Shared>, worker: Worker, incarnation: LogIncarnation, is_threaded: bool) -> Self {
        Self(Arc::new(Handle { shared, incarnation, worker: Mutex::new(Some(worker)), is_threaded }))
    }

    /// Which log this is.
    #[must_use]
    pub fn incarnation(&self) -> LogIncarnation {
        self.0.incarnation
    }

    /// The part of one group. It needs not exist: a group begins with its first record.
    #[must_use]
    pub fn group(&self, id: GroupId) -> GroupLog {
        GroupLog::new(Arc::clone(&self.0), id)
    }

    /// The groups of which something is kept, in ascending order.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupId> {
        self.0.shared.lock().index.groups().collect()
    }

    /// How often groups were left, of those that were.
    #[must_use]
    pub fn left(&self) -> BTreeMap<GroupId, u64> {
        self.0.shared.lock().index.left().collect()
    }

    /// How the log is.
    #[must_use]
    pub fn status(&self) -> LogStatus {
        let state = self.0.shared.lock();
        let (all, segments) = state.index.total();
        let cached_bytes = state.index.cached_bytes();
        LogStatus { segments, bytes: all.bytes, live_bytes: all.live, cached_bytes, syncs: state.syncs }
    }

    /// Makes all that was asked for durable and lets go of the files. All later calls fail.
    ///
    /// # Errors
    /// [`LogError::Stopped`] if the log failed before or does now.
    pub async fn close(&self) -> Result<(), LogError> {
        self.0.shut();
        let worker = self.0.worker.lock().take();
        match worker {
            Some(Worker::Thread(thread)) => {
                let joined = tokio::task::spawn_blocking(move || thread.join()).await;
                drop(joined.map_err(|_| LogError::Closed)?);
            }
            #[cfg(any(test, feature = "sim"))]
            Some(Worker::Task(task)) => task.await.map_err(|_| LogError::Closed)?,
            None => {}
        }
        match &self.0.shared.lock().failed {
            Some(failure) => Err(failure.error()),
            None => Ok(()),
        }
    }
}

impl Handle {
    fn shut(&self) {
        self.shared.lock().closed = true;
        self.shared.wake();
    }

    /// Runs what reads from a disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        if self.is_threaded { tokio::task::spawn_blocking(job).await.map_err(|_| LogError::Closed)? } else { job() }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shut();
    }
}
