//! The one writer of a disk: makes what waits durable, in rounds that share their syncs, and only then says so.
//!
//! ```text
//!   staged files ─┐                leases: append, sync
//!   leases ───────┼─► one round ─► files:  sync each, rename each
//!   (a queue)     ┘                names:  sync each directory once ─► index ─► acknowledge all
//! ```
//!
//! It works wherever its [`Desk`](crate::desk::Desk) lets it. The lease goes first, so that what stands in place always
//! has one; a lease without its item is dropped at the next replay. Any failure but a lack of room fences
//! the disk, and nobody who waited is told that it worked. A round of many files syncs the file system once instead of
//! the log and each file, and once instead of each directory.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use storgo_object::ports::StoreError;
use storgo_protocol::limits::SYNC_EACH_MAX;
use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::catalog::Catalog;
use crate::disk::DiskFile;
use crate::index::IndexError;
use crate::item::Item;
use crate::leases::{LeaseLog, LeaseRecord};
use crate::placing::PlaceHold;
use crate::quota::{QuotaHold, Quotas};
use crate::volume::{Reservation, Temporary, Volume};

mod compact;
mod inspect;

/// A file that was written under a temporary name, not synced.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) item: Item,
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) tmp: Temporary,
    pub(crate) bytes: u64,
    /// Held for its drop, once the bytes are counted as used.
    pub(crate) _reservation: Reservation,
}

/// Files and a lease that become durable together.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) files: Vec<Staged>,
    pub(crate) lease: LeaseRecord,
    pub(crate) quota: QuotaHold,
    pub(crate) place: Option<PlaceHold>,
    pub(crate) answer: Answer,
}

/// What a committer is asked.
#[derive(Debug)]
pub(crate) enum Request {
    /// Make this durable.
    Commit(Commit),
    /// Read an item again that a reader found wrong, and if it is, take it away.
    Inspect(Item, oneshot::Sender<()>),
}

/// The writer of one disk.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) volume: Arc<Volume>,
    pub(crate) catalog: Catalog,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) log: LeaseLog,
    /// Leases that hold; the log has more records than that.
    pub(crate) live_leases: u64,
}

/// Why a round failed, in a form that every waiter can be told.
enum Failure {
    NoSpace,
    Disk(&'static str, io::Error),
    Index(IndexError),
}

impl Committer {
    /// Does what is asked, all commits in one round.
    pub(crate) fn serve(&mut self, requests: Vec<Request>) {
        let mut commits = Vec::with_capacity(requests.len());
        let mut inspections = Vec::new();
        for request in requests {
            match request {
                Request::Commit(commit) => commits.push(commit),
                Request::Inspect(item, done) => inspections.push((item, done)),
            }
        }
        let volume = Arc::clone(&self.volume);
        let _waiting = volume.wait();
        if !commits.is_empty() {
            self.commit(commits);
        }
        for (item, done) in inspections {
            self.inspect(item);
            // A reader that went away does not need the answer.
            let _ = done.send(());
        }
        self.compact();
    }

    fn commit(&mut self, mut commits: Vec<Commit>) {
        let outcome = match self.volume.refusal() {
            Some(refusal) => Err(refusal),
            None => self.make_durable(&mut commits).map_err(|failure| self.give_up(failure)),
        };
        for commit in commits {
            let Commit { files, quota, place, answer, .. } = commit;
            // What is durable is counted by now: the holds end before the answer, so that no byte is counted twice,
            // and what is not in place is taken away.
            drop((files, quota, place));
            answer.give(outcome.as_ref().map_err(same).copied());
        }
    }

    fn make_durable(&mut self, commits: &mut [Commit]) -> Result<(), Failure> {
        let leases = self.new_leases(commits).map_err(Failure::Index)?;
        self.log.write(&leases).map_err(|error| match error {
            error if is_full(&error) => Failure::NoSpace,
            error => Failure::Disk("writing leases", error),
        })?;
        let mut files: Vec<_> = commits.iter_mut().flat_map(|commit| &mut commit.files).collect();
        // One sync of the whole file system is dearer than one of a file, and much cheaper than many.
        let whole = files.len() > SYNC_EACH_MAX;
        if whole {
            self.volume.sync_file_system().map_err(|error| Failure::Disk("syncing leases and files", error))?;
        } else {
            if !leases.is_empty() {
                self.log.sync().map_err(|error| Failure::Disk("syncing leases", error))?;
            }
            sync_each(&files)?;
        }
        let directories = self.rename(&mut files)?;
        if whole {
            self.volume.sync_file_system().map_err(|error| Failure::Disk("syncing names", error))?;
        } else {
            self.sync_directories(directories)?;
        }
        self.note(commits, &leases).map_err(Failure::Index)
    }

    /// Puts files in place; gives the directories that this changed.
    fn rename(&self, files: &mut [&mut Staged]) -> Result<BTreeSet<PathBuf>, Failure> {
        let (volume, mut directories) = (&self.volume, BTreeSet::new());
        for staged in files {
            let target = volume.path.join(staged.item.path());
            staged.tmp.rename(&target).map_err(|error| Failure::Disk("renaming a file", error))?;
            directories.insert(volume.path.join(staged.item.directory()));
        }
        Ok(directories)
    }

    fn sync_directories(&self, directories: BTreeSet<PathBuf>) -> Result<(), Failure> {
        for directory in directories {
            self.volume.sync_dir(&directory).map_err(|error| Failure::Disk("syncing a directory", error))?;
        }
        Ok(())
    }

    /// The leases of a round that say something new, each once.
    fn new_leases(&self, commits: &[Commit]) -> Result<Vec<LeaseRecord>, IndexError> {
        let mut leases: Vec<LeaseRecord> = Vec::with_capacity(commits.len());
        for lease in commits.iter().map(|commit| &commit.lease) {
            let known = self.catalog.lease(lease.item, self.volume.slot, lease.owner)?;
            if !known.is_some_and(|known| known.covers(lease)) && !leases.contains(lease) {
                leases.push(lease.clone());
            }
        }
        Ok(leases)
    }

    /// Brings index and totals up to what is durable.
    fn note(&mut self, commits: &[Commit], leases: &[LeaseRecord]) -> Result<(), IndexError> {
        let slot = self.volume.slot;
        for staged in commits.iter().flat_map(|commit| &commit.files) {
            let before = self.catalog.file(staged.item, slot)?;
            self.catalog.add(slot, &[(staged.item, staged.bytes)], &[])?;
            self.volume.count_in(staged.item, staged.bytes, before);
        }
        for lease in leases {
            match self.catalog.lease(lease.item, slot, lease.owner)? {
                Some(before) => self.quotas.subtract(lease.owner, before.bytes),
                None => self.live_leases += 1,
            }
            self.catalog.add(slot, &[], std::slice::from_ref(lease))?;
            self.quotas.add(lease.owner, lease.bytes);
        }
        Ok(())
    }

    fn give_up(&self, failure: Failure) -> StoreError {
        match failure {
            Failure::NoSpace => StoreError::NoSpace { needed: LeaseRecord::BYTES as u64, free: 0 },
            Failure::Disk(what, error) => self.volume.fence_for(what, error),
            Failure::Index(error) => {
                self.volume.fence(format!("{error}; the index is rebuilt at the next start"));
                error.into()
            }
        }
    }
}

fn sync_each(files: &[&mut Staged]) -> Result<(), Failure> {
    files.iter().try_for_each(|staged| staged.file.sync()).map_err(|error| Failure::Disk("syncing a file", error))
}

/// Whether an error says that there is no room, which is no fault of the disk.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The same error for the next who waited; the cause of a failed call is told by kind and text.
fn same(error: &StoreError) -> StoreError {
    match error {
        StoreError::NoSpace { needed, free } => StoreError::NoSpace { needed: *needed, free: *free },
        StoreError::Io { what, disk, source } => {
            StoreError::Io { what, disk: disk.clone(), source: io::Error::new(source.kind(), source.to_string()) }
        }
        other => StoreError::Unavailable { reason: other.to_string() },
    }
}
