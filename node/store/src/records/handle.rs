//! The records as others see them: opened, closed, and the part of one group.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use storgo_object::ports::Random;
use storgo_protocol::GroupId;
use storgo_protocol::limits::{RECORDS_BLOB_BYTES_MAX, RECORDS_QUEUE_MAX};
use tokio::sync::{mpsc, oneshot};

use super::backend::Health;
use super::batch::{Applied, WriteBatch, check_bytes};
use super::config::RecordsConfig;
use super::drive;
use super::error::RecordsError;
use super::export::Export;
use super::import::Import;
use super::open::{self, RecordsOpening};
use super::request::{Done, Request};
use super::shared::Shared;
use super::view::View;
use super::writer::Writer;
use crate::NodeKey;
use crate::disk::Disk;

/// The applied state of a node's groups. Clones are the same; it is closed when the last goes, but only
/// [`Records::close`] waits for it.
#[derive(Debug, Clone)]
pub struct Records(Arc<Handle>);

#[derive(Debug)]
pub(super) struct Handle {
    /// None once the records are closed.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    shared: Arc<Shared>,
    key: NodeKey,
    health: Health,
    worker: Mutex<Option<Worker>>,
    /// Whether what reads goes to blocking tasks; under simulation a seed has to decide all turns.
    is_threaded: bool,
}

/// Where the writer runs.
#[derive(Debug)]
enum Worker {
    Thread(std::thread::JoinHandle<()>),
    #[cfg(any(test, feature = "sim"))]
    Task(tokio::task::JoinHandle<()>),
}

/// The records of one group. Clones are the same.
#[derive(Debug, Clone)]
pub struct GroupRecords {
    pub(super) handle: Arc<Handle>,
    id: GroupId,
}

impl Records {
    /// Opens the records in the file `path`, whose directory must exist, and makes them if they are not there.
    ///
    /// # Errors
    /// [`RecordsError`]; after [`RecordsError::Damaged`] and [`RecordsError::Missing`] the groups have to be filled
    /// from their other members, and a damaged file be moved away.
    pub async fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        config: RecordsConfig,
        random: Arc<dyn Random>,
    ) -> Result<(Self, RecordsOpening), RecordsError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let (writer, opening) = open::open(&*disk, &path, config, random)?;
            let (sender, requests) = mpsc::channel(RECORDS_QUEUE_MAX);
            let records = Self::with(&writer, sender, true);
            let thread = drive::on_thread(writer, requests).map_err(|source| RecordsError::Open {
                what: "starting the records' writer",
                path,
                source: Arc::new(source),
            })?;
            *records.0.worker.lock() = Some(Worker::Thread(thread));
            Ok((records, opening))
        });
        opened.await.map_err(|_| RecordsError::Closed)?
    }

    /// Opens records whose writer is a task, and whose calls of the disk are made where they come from: nothing in them
    /// happens on another thread.
    ///
    /// # Errors
    /// As [`Records::open`].
    #[cfg(any(test, feature = "sim"))]
    pub fn open_simulated(
        disk: &Arc<dyn Disk>,
        path: &Path,
        config: RecordsConfig,
        random: Arc<dyn Random>,
    ) -> Result<(Self, RecordsOpening), RecordsError> {
        let (writer, opening) = open::open(&**disk, path, config, random)?;
        let (sender, requests) = mpsc::channel(RECORDS_QUEUE_MAX);
        let records = Self::with(&writer, sender, false);
        *records.0.worker.lock() = Some(Worker::Task(drive::as_task(writer, requests)));
        Ok((records, opening))
    }

    fn with(writer: &Writer, requests: mpsc::Sender<Request>, is_threaded: bool) -> Self {
        Self(Arc::new(Handle {
            requests: Mutex::new(Some(requests)),
            shared: Arc::clone(&writer.shared),
            key: writer.key.clone(),
            health: writer.health.clone(),
            worker: Mutex::new(None),
            is_threaded,
        }))
    }

    /// The part of one group. It needs not exist: a group begins with its first commit or import.
    #[must_use]
    pub fn group(&self, id: GroupId) -> GroupRecords {
        GroupRecords { handle: Arc::clone(&self.0), id }
    }

    /// The groups that have applied anything, in ascending order.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupId> {
        self.0.shared.memory().groups().collect()
    }

    /// Makes all that was committed durable.
    ///
    /// # Errors
    /// [`RecordsError::Stopped`], [`RecordsError::Damaged`], [`RecordsError::Closed`].
    pub async fn flush(&self) -> Result<(), RecordsError> {
        self.0.ask(Request::Flush).await
    }

    /// Makes all that was committed durable and lets go of the file, once the last view is gone. All later calls fail.
    ///
    /// # Errors
    /// [`RecordsError::Stopped`] or [`RecordsError::Damaged`] if the records failed before or do now.
    pub async fn close(&self) -> Result<(), RecordsError> {
        self.0.requests.lock().take();
        let worker = self.0.worker.lock().take();
        match worker {
            Some(Worker::Thread(thread)) => {
                let joined = tokio::task::spawn_blocking(move || thread.join()).await;
                drop(joined.map_err(|_| RecordsError::Closed)?);
            }
            #[cfg(any(test, feature = "sim"))]
            Some(Worker::Task(task)) => task.await.map_err(|_| RecordsError::Closed)?,
            None => {}
        }
        // The writer let go of the database; who holds the last view of it closes it, which writes.
        let handle = Arc::clone(&self.0);
        self.0
            .run(move || {
                let (base, failed) = handle.shared.memory().close();
                drop(base);
                failed.map_or(Ok(()), Err)
            })
            .await?;
        match self.0.health.failure() {
            Some(failure) => {
                let source = redb::Error::Io(io::Error::new(failure.kind(), failure));
                Err(RecordsError::Stopped { what: "closing the records", source: Arc::new(source) })
            }
            None => Ok(()),
        }
    }
}

impl GroupRecords {
    /// The group.
    #[must_use]
    pub const fn id(&self) -> GroupId {
        self.id
    }

    /// The group's state as it is now. Does not wait, but may read from the disk.
    ///
    /// # Errors
    /// [`RecordsError::Stopped`], [`RecordsError::Damaged`], [`RecordsError::Closed`].
    pub fn view(&self) -> Result<View, RecordsError> {
        let seen = {
            let memory = self.handle.shared.memory();
            memory.check()?;
            memory.see(self.id)
        };
        View::new(self.id, self.handle.key.clone(), seen)
    }

    /// Makes the changes of a batch, and with them the group's place in its log; answers when they can be seen, which is at
    /// once while the disk keeps up. They are durable with the next flush.
    ///
    /// # Errors
    /// [`RecordsError::Order`] if the place does not lie behind the one before, [`RecordsError::TooLarge`];
    /// [`RecordsError::Stopped`], [`RecordsError::Damaged`], [`RecordsError::Closed`].
    pub async fn commit(&self, batch: WriteBatch, applied: Applied) -> Result<(), RecordsError> {
        batch.check()?;
        check_bytes(applied.blob.len(), RECORDS_BLOB_BYTES_MAX)?;
        let Handle { shared, .. } = &*self.handle;
        shared.room().await;
        let is_due = {
            let mut memory = shared.memory();
            memory.check()?;
            memory.commit(self.id, batch, applied)?;
            shared.is_due(&memory)
        };
        if is_due {
            self.handle.ask_in_passing(Request::Write);
        }
        Ok(())
    }

    /// Whether records can still be committed: they stop for good at the first failure, whoever met it.
    ///
    /// # Errors
    /// What they stopped for, or [`RecordsError::Closed`].
    pub fn check(&self) -> Result<(), RecordsError> {
        self.handle.shared.memory().check()
    }

    /// Where in its log the group stands.
    #[must_use]
    pub fn applied(&self) -> Option<Applied> {
        self.handle.shared.memory().applied(self.id).cloned()
    }

    /// Where in its log the group stands for sure, whatever happens: the log may be purged so far and no further.
    #[must_use]
    pub fn durable_applied(&self) -> Option<Applied> {
        self.handle.shared.memory().durable(self.id).cloned()
    }

    /// Makes all that was committed to this group durable.
    ///
    /// # Errors
    /// As [`Records::flush`].
    pub async fn flush(&self) -> Result<(), RecordsError> {
        self.handle.ask(|done| Request::FlushGroup(self.id, done)).await
    }

    /// Forgets the group; durable when it answers.
    ///
    /// # Errors
    /// As [`Records::flush`].
    pub async fn remove(&self) -> Result<(), RecordsError> {
        self.handle.ask(|done| Request::Remove(self.id, done)).await
    }

    /// The group's state as it is now, to be sent away in pages.
    ///
    /// # Errors
    /// As [`GroupRecords::view`]. `None` if nothing was applied yet.
    pub fn export(&self) -> Result<Option<Export>, RecordsError> {
        Ok(Export::new(self.view()?))
    }

    /// Begins to take a state that replaces the group's own once all of it is there.
    ///
    /// # Errors
    /// As [`Records::flush`].
    pub async fn import(&self) -> Result<Import, RecordsError> {
        let section = self.handle.ask(Request::Begin).await?;
        Ok(Import::new(self.clone(), section))
    }
}

impl Handle {
    /// Asks the writer and waits for its word.
    pub(super) async fn ask<T>(&self, request: impl FnOnce(Done<T>) -> Request) -> Result<T, RecordsError> {
        let requests = self.requests.lock().clone().ok_or(RecordsError::Closed)?;
        let (done, answer) = oneshot::channel();
        requests.send(request(done)).await.map_err(|_| self.gone())?;
        answer.await.map_err(|_| self.gone())?
    }

    /// Asks without waiting, for what does no harm undone: without room for it the writer has much to do, and goes on until
    /// nothing is due; an unfinished import is forgotten at the next start at the latest.
    pub(super) fn ask_in_passing(&self, request: Request) {
        if let Some(requests) = &*self.requests.lock()
            && let Err(error) = requests.try_send(request)
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "the records' writer has much to do");
        }
    }

    /// Why nobody answers.
    fn gone(&self) -> RecordsError {
        self.shared.memory().check().err().unwrap_or(RecordsError::Closed)
    }

    /// Runs what reads from a disk or takes long.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, RecordsError> {
        if self.is_threaded { tokio::task::spawn_blocking(job).await.map_err(|_| RecordsError::Closed)? } else { job() }
    }
}
