//! The store of one node: opened, closed, and how its work is handed out.
//!
//! The asynchronous half, on which the answers of [`crate::shard_store`] stand. It hands blocking work to [`Core`] on
//! blocking tasks, which bring what is to be durable to the disks' desks, and waits for their word.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use storgo_object::ports::{Lease, Random, StoreError};
use storgo_protocol::limits::DISK_JOBS_MAX;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;

use crate::answer::{self, Answer};
use crate::commit::{Commit, Request};
use crate::config::StoreConfig;
use crate::core::{Core, Prepared};
use crate::desk::Desk;
use crate::disk::{Disk, OsDisk};
use crate::item::Item;
use crate::leases::LeaseRecord;
use crate::marker;
use crate::open::{self, IndexKind};
use crate::place::Slot;
use crate::read::{self, Fault};
use crate::volume::Volume;

/// One desk for each disk, by slot; none for a disk that did not open.
type Desks = [Option<Arc<Desk>>];

/// Shards, nodes and layout records on the data directories of one node.
#[derive(Debug)]
pub struct Store {
    pub(crate) core: Arc<Core>,
    disk: Arc<dyn Disk>,
    index: PathBuf,
    desks: Arc<Desks>,
    closed: AtomicBool,
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
        let (core, committers) = spawn_blocking(open).await.map_err(stopped)??;
        let mut desks = Vec::new();
        desks.resize_with(core.volumes.len(), || None);
        for committer in committers {
            if let Some(desk) = desks.get_mut(usize::from(committer.volume.slot.0)) {
                *desk = Some(Arc::new(Desk::new(committer)));
            }
        }
        Ok(Arc::new(Self {
            core: Arc::new(core),
            disk,
            index,
            desks: desks.into(),
            closed: AtomicBool::new(false),
            jobs: Arc::new(Semaphore::new(DISK_JOBS_MAX)),
            records_turn: tokio::sync::Mutex::new(()),
        }))
    }

    /// Finishes what was pushed, syncs the index and leaves the sign of a clean stop. Pushes are refused from now on.
    ///
    /// # Errors
    /// [`StoreError`] if the index could not be kept: the next start rebuilds it, nothing else is lost.
    pub async fn close(&self) -> Result<(), StoreError> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let (disk, index, desks) = (Arc::clone(&self.disk), self.index.clone(), Arc::clone(&self.desks));
        self.run(move |core| {
            desks.iter().flatten().for_each(|desk| desk.close());
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
        spawn_blocking(job).await.map_err(stopped)?
    }

    /// Has a disk's committer look at an item that was found wrong, and waits until that is done.
    pub(crate) async fn inspect(&self, slot: Slot, item: Item) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        let desks = Arc::clone(&self.desks);
        self.run(move |_| {
            let desk = desk(&desks, slot)?;
            desk.leave(Request::Inspect(item, done))?;
            desk.work();
            Ok(())
        })
        .await?;
        answer.await.map_err(stopped)
    }

    /// The disks on which `look` finds an item right; the others forget it.
    pub(crate) async fn sound(
        &self,
        item: Item,
        look: fn(&Volume, Item, u64) -> Result<(), Fault>,
    ) -> Result<Vec<(Arc<Volume>, u64)>, StoreError> {
        // Most of what is pushed is new: no blocking task has to say that nothing is there.
        if self.core.catalog.holders(item)?.is_empty() {
            return Ok(Vec::new());
        }
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

    /// Prepares files in one blocking task, which brings them with their leases to the desks of their disks; waits until
    /// all of it is durable. One task, because each wake-up costs as much as hashing a tenth of a shard.
    pub(crate) async fn keep(
        &self,
        lease: &Lease,
        prepare: impl FnOnce(&Core) -> Result<Vec<Prepared>, StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable { reason: "the store is stopped".into() });
        }
        let permit = Arc::clone(&self.jobs).acquire_owned().await.map_err(stopped)?;
        let (core, desks, lease) = (Arc::clone(&self.core), Arc::clone(&self.desks), lease.clone());
        let (answer, outcome) = answer::owed();
        let job = move || {
            let _permit = permit;
            match prepare(&core) {
                Ok(prepared) => bring(&core, &desks, prepared, &lease, answer),
                Err(error) => answer.give(Err(error)),
            }
        };
        // What becomes of the task is told by its answer, a panic too.
        drop(spawn_blocking(job));
        outcome.wait().await
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

/// Leaves everything at the desks of its disks, and works at each unless somebody is at it.
fn bring(core: &Core, desks: &Desks, prepared: Vec<Prepared>, lease: &Lease, answer: Answer) {
    let mut owed: Vec<&Arc<Desk>> = Vec::with_capacity(1);
    for part in prepared {
        match leave(core, desks, part, lease, answer.and_another()) {
            Ok(desk) if owed.iter().any(|other| Arc::ptr_eq(other, desk)) => {}
            Ok(desk) => owed.push(desk),
            Err(error) => answer.and_another().give(Err(error)),
        }
    }
    answer.give(Ok(()));
    if let Some((here, elsewhere)) = owed.split_first() {
        // No disk waits for another.
        for desk in elsewhere {
            let desk = Arc::clone(desk);
            drop(spawn_blocking(move || desk.work()));
        }
        here.work();
    }
}

/// Leaves one part at its desk, which is returned.
fn leave<'d>(
    core: &Core,
    desks: &'d Desks,
    part: Prepared,
    lease: &Lease,
    answer: Answer,
) -> Result<&'d Arc<Desk>, StoreError> {
    let slot = part.volume.slot;
    let desk = desk(desks, slot)?;
    let lease = LeaseRecord::new(part.item, part.bytes, lease);
    let known = core.catalog.lease(part.item, slot, lease.owner)?.map_or(0, |known| known.bytes);
    let quota = core.quotas.hold(lease.owner, lease.bytes.saturating_sub(known))?;
    desk.leave(Request::Commit(Commit { files: part.files, lease, quota, place: part.place, answer }))?;
    Ok(desk)
}

fn desk(desks: &Desks, slot: Slot) -> Result<&Arc<Desk>, StoreError> {
    let desk = desks.get(usize::from(slot.0)).and_then(Option::as_ref);
    desk.ok_or_else(|| StoreError::Unavailable { reason: "the disk is not in use".into() })
}

/// The other side of a queue or a task is gone.
pub(crate) fn stopped(error: impl std::error::Error) -> StoreError {
    StoreError::Unavailable { reason: format!("the store is stopped: {error}") }
}
