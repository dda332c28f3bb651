//! The store of one node: opened, closed, and how its work is handed out.
//!
//! The asynchronous half, on which the answers of [`crate::shard_store`] stand. It hands blocking work to [`Core`] on blocking tasks, what is to be durable to the disks'
//! committers, and waits for their word.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use storgo_object::ports::{Lease, Random, StoreError};
use storgo_protocol::limits::{COMMIT_QUEUE_MAX, DISK_JOBS_MAX};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::commit::{Commit, Committer, Request};
use crate::config::StoreConfig;
use crate::core::{Core, Prepared};
use crate::disk::{Disk, OsDisk};
use crate::item::Item;
use crate::leases::LeaseRecord;
use crate::marker;
use crate::open::{self, IndexKind};
use crate::place::Slot;
use crate::read::{self, Fault};
use crate::volume::Volume;

/// Shards, nodes and layout records on the data directories of one node.
#[derive(Debug)]
pub struct Store {
    pub(crate) core: Arc<Core>,
    disk: Arc<dyn Disk>,
    index: PathBuf,
    /// One queue for each disk, by slot; none for a disk that did not open. Empty once the store is closed.
    queues: Mutex<Vec<Option<mpsc::Sender<Request>>>>,
    committers: Mutex<Vec<JoinHandle<()>>>,
    jobs: Arc<Semaphore>,
    /// Layout records are read, merged and written back: one at a time.
    pub(crate) records_turn: tokio::sync::Mutex<()>,
}

impl Store {
    /// Opens the data directories on the file system, and makes what is missing. Rebuilds the index unless the last
    /// stop was clean.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Io`] if no data directory or no index can be opened. A directory
    /// that fails beside others is fenced instead, which [`status`](storgo_object::ports::ShardStore::status) shows.
    pub async fn open(config: StoreConfig, random: Arc<dyn Random>) -> Result<Arc<Self>, StoreError> {
        Self::open_with(config, Arc::new(OsDisk::default()), random, IndexKind::Sled).await
    }

    /// Opens data directories on a simulated disk, with an index in memory that each start rebuilds.
    ///
    /// # Errors
    /// As [`Store::open`].
    #[cfg(any(test, feature = "sim"))]
    pub async fn open_simulated(
        config: StoreConfig,
        disk: Arc<dyn Disk>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, StoreError> {
        Self::open_with(config, disk, random, IndexKind::Memory).await
    }

    async fn open_with(
        config: StoreConfig,
        disk: Arc<dyn Disk>,
        random: Arc<dyn Random>,
        kind: IndexKind,
    ) -> Result<Arc<Self>, StoreError> {
        let index = config.index.clone();
        let opened = Arc::clone(&disk);
        let open = move || open::open(&config, &opened, &*random, kind);
        let (core, committers) = tokio::task::spawn_blocking(open).await.map_err(stopped)??;
        let mut queues = Vec::new();
        queues.resize_with(core.volumes.len(), || None);
        let mut threads = Vec::with_capacity(committers.len());
        for committer in committers {
            let (queue, requests) = mpsc::channel(COMMIT_QUEUE_MAX);
            let slot = committer.volume.slot;
            threads.push(spawn(committer, requests)?);
            if let Some(entry) = queues.get_mut(usize::from(slot.0)) {
                *entry = Some(queue);
            }
        }
        Ok(Arc::new(Self {
            core: Arc::new(core),
            disk,
            index,
            queues: Mutex::new(queues),
            committers: Mutex::new(threads),
            jobs: Arc::new(Semaphore::new(DISK_JOBS_MAX)),
            records_turn: tokio::sync::Mutex::new(()),
        }))
    }

    /// Finishes what was pushed, syncs the index and leaves the sign of a clean stop. Pushes are refused from now on.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be kept: the next start rebuilds it, nothing else is lost.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.queues.lock().clear();
        let threads = std::mem::take(&mut *self.committers.lock());
        let (disk, index) = (Arc::clone(&self.disk), self.index.clone());
        self.run(move |core| {
            if threads.is_empty() {
                return Ok(());
            }
            for thread in threads {
                if thread.join().is_err() {
                    return Err(StoreError::Unavailable { reason: "a committer failed".into() });
                }
            }
            core.volumes.iter().for_each(|volume| volume.release());
            // What a fenced disk did last is not in the index, and what was gone for a while no longer is.
            if core.volumes.iter().all(|volume| volume.is_indexed()) {
                core.catalog.flush()?;
                marker::put(&*disk, &index, core.catalog.digest()?).map_err(|source| StoreError::Io {
                    what: "leaving the sign of a clean stop",
                    disk: index,
                    source,
                })?;
            }
            Ok(())
        })
        .await
    }

    /// Runs blocking work, at most [`DISK_JOBS_MAX`] at once.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Core) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.jobs).acquire_owned().await.map_err(stopped)?;
        let core = Arc::clone(&self.core);
        let job = move || {
            let done = job(&core);
            drop(permit);
            done
        };
        tokio::task::spawn_blocking(job).await.map_err(stopped)?
    }

    fn queue(&self, slot: Slot) -> Result<mpsc::Sender<Request>, StoreError> {
        let queue = self.queues.lock().get(usize::from(slot.0)).cloned().flatten();
        queue.ok_or_else(|| StoreError::Unavailable { reason: "the store is stopped".into() })
    }

    /// Has a disk's committer look at an item that was found wrong, and waits until that is done.
    pub(crate) async fn inspect(&self, slot: Slot, item: Item) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        self.queue(slot)?.send(Request::Inspect(item, done)).await.map_err(stopped)?;
        answer.await.map_err(stopped)
    }

    /// The disks on which `look` finds an item right; the others forget it.
    pub(crate) async fn sound(
        &self,
        item: Item,
        look: fn(&Volume, Item, u64) -> Result<(), Fault>,
    ) -> Result<Vec<(Arc<Volume>, u64)>, StoreError> {
        let (sound, wrong) = self
            .run(move |core| {
                let looked = core.holders(item)?.into_iter().map(|(volume, bytes)| {
                    let sound = look(&volume, item, bytes).is_ok();
                    (volume, bytes, sound)
                });
                Ok(looked.partition::<Vec<_>, _>(|(_, _, sound)| *sound))
            })
            .await?;
        for (volume, _, _) in wrong {
            self.inspect(volume.slot, item).await?;
        }
        Ok(sound.into_iter().map(|(volume, bytes, _)| (volume, bytes)).collect())
    }

    /// Hands prepared files and their lease to the committers and waits for all of them.
    pub(crate) async fn commit(&self, item: Item, prepared: Vec<Prepared>, lease: &Lease) -> Result<(), StoreError> {
        let mut answers = Vec::with_capacity(prepared.len());
        let mut refused = Ok(());
        for part in prepared {
            match self.submit(item, part, lease).await {
                Ok(answer) => answers.push(answer),
                Err(error) => refused = refused.and(Err(error)),
            }
        }
        for answer in answers {
            let durable = answer.await.map_err(stopped).and_then(|durable| durable);
            refused = refused.and(durable);
        }
        refused
    }

    pub(crate) async fn submit(
        &self,
        item: Item,
        part: Prepared,
        lease: &Lease,
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let slot = part.volume.slot;
        let lease = LeaseRecord::new(item, part.bytes, lease);
        let known = self.core.catalog.lease(item, slot, lease.owner)?.map_or(0, |known| known.bytes);
        let held = self.core.quotas.hold(lease.owner, lease.bytes.saturating_sub(known));
        let quota = match held {
            Ok(quota) => quota,
            Err(error) => {
                // Its files are taken away, which blocks.
                self.run(move |_| {
                    drop(part);
                    Ok(())
                })
                .await?;
                return Err(error);
            }
        };
        let (done, answer) = oneshot::channel();
        let commit = Commit { files: part.files, lease, quota, place: part.place, done };
        self.queue(slot)?.send(Request::Commit(commit)).await.map_err(stopped)?;
        Ok(answer)
    }

    /// Reads an item from the first disk that gives it right.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        item: Item,
        read: impl Fn(&Volume) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (given, faults) = self
            .run(move |core| {
                let mut faults = Vec::new();
                for (volume, _) in core.holders(item)? {
                    match read(&volume) {
                        Ok(given) => return Ok((Some(given), faults)),
                        Err(fault) => faults.push((volume, fault)),
                    }
                }
                Ok((None, faults))
            })
            .await?;
        for (volume, fault) in &faults {
            if !matches!(fault, Fault::Outside | Fault::Failed(_)) {
                self.inspect(volume.slot, item).await?;
            }
        }
        let faults = faults.into_iter().map(|(volume, fault)| (volume.path.clone(), fault)).collect();
        given.ok_or_else(|| read::refusal(item, faults))
    }
}

/// Starts a committer. Should it panic (sled may, over a damaged file), its disk is given up, and whoever waits is told.
pub(crate) fn spawn(committer: Committer, requests: mpsc::Receiver<Request>) -> Result<JoinHandle<()>, StoreError> {
    let (volume, disk) = (Arc::clone(&committer.volume), committer.volume.path.clone());
    std::thread::Builder::new()
        .name(format!("disk-{}", committer.volume.slot.0))
        .spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| committer.run(requests))).is_err() {
                volume.fence("its committer panicked".into());
            }
        })
        .map_err(|source| StoreError::Io { what: "starting a committer", disk, source })
}

/// The other side of a queue or a task is gone.
pub(crate) fn stopped(error: impl std::error::Error) -> StoreError {
    StoreError::Unavailable { reason: format!("the store is stopped: {error}") }
}
