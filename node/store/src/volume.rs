//! One data directory in use: whether it is good, how full it is, and room kept for what is being written.
//!
//! It must not know formats. A volume that failed is fenced: neither read nor written until the node starts again,
//! because after a failed sync nobody knows what the disk kept.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::io::Errno;
use storgo_object::ports::{DiskState, DiskStatus, StoreError};
use storgo_protocol::limits::{DISK_RESERVE_BYTES, DISK_STALL_MS, QUARANTINE_FILES_MAX};

use crate::catalog::Tally;
use crate::disk::{Disk, DiskFile};
use crate::item::Item;
use crate::place::{DiskId, Slot};

mod holds;

pub(crate) use holds::{Reservation, Temporary, Waiting};

/// The directory of files that are not yet in place.
pub(crate) const TMP: &str = "tmp";

/// The directory of files that failed their check.
pub(crate) const QUARANTINE: &str = "quarantine";

/// From when on a disk is slow.
const STALL: Duration = Duration::from_millis(DISK_STALL_MS);

/// One data directory.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) slot: Slot,
    pub(crate) id: DiskId,
    pub(crate) path: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    /// The file of the disk's id, locked for this process; through it the whole file system is synced. A disk that did
    /// not open has none.
    file: Mutex<Option<Arc<dyn DiskFile>>>,
    /// Bytes that it may hold in all, if that is limited.
    pub(crate) share_bytes: Option<u64>,
    /// Held for a few additions each time, never across an await.
    state: Mutex<State>,
    next_tmp: AtomicU64,
    /// Whether it was said that the disk is slow.
    told_slow: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    fence: Option<String>,
    tally: Tally,
    quarantined: u64,
    reserved_bytes: u64,
    gone: bool,
    /// Since when the committer waits for the disk, if it does.
    waiting: Option<Instant>,
}

impl Volume {
    /// Makes everything on the volume's file system durable, names too. The file was opened at the start, so a failed
    /// write-back of any file since then is told.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        let file = self.file.lock().clone();
        file.ok_or(io::ErrorKind::NotFound)?.sync_file_system()
    }

    /// Makes the names in a directory durable. That needs a descriptor; without one the whole file system is synced.
    pub(crate) fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        match self.disk.sync_dir(directory) {
            Err(error) if lacks_descriptors(&error) => self.sync_file_system(),
            synced => synced,
        }
    }

    /// Says that the disk is waited for, so that nobody else has to find out that it is slow.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.state.lock().waiting = Some(Instant::now());
        Waiting::of(self)
    }

    /// How long the disk has not answered, if that is too long. Says so once.
    pub(crate) fn stall(&self) -> Option<Duration> {
        let waited = self.state.lock().waiting?.elapsed();
        if waited < STALL {
            return None;
        }
        if !self.told_slow.swap(true, Ordering::Relaxed) {
            tracing::warn!(disk = %self.path.display(), ?waited, "the disk does not answer; nothing new is put there");
        }
        Some(waited)
    }

    /// Whether one more damaged file may be set aside.
    pub(crate) fn may_quarantine(&self) -> bool {
        self.state.lock().quarantined < QUARANTINE_FILES_MAX
    }

    /// Lets another process have the disk.
    pub(crate) fn release(&self) {
        *self.file.lock() = None;
    }

    pub(crate) fn new(
        slot: Slot,
        id: DiskId,
        path: PathBuf,
        disk: Arc<dyn Disk>,
        share_bytes: Option<u64>,
        file: Option<Arc<dyn DiskFile>>,
    ) -> Self {
        Self {
            slot,
            id,
            path,
            disk,
            file: Mutex::new(file),
            share_bytes,
            state: Mutex::default(),
            next_tmp: AtomicU64::new(0),
            told_slow: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.state.lock().fence.is_none()
    }

    /// Gives the volume up until the next start.
    pub(crate) fn fence(&self, reason: String) {
        let mut state = self.state.lock();
        if state.fence.is_none() {
            tracing::error!(disk = %self.path.display(), %reason, "the disk is given up until the next start");
            state.fence = Some(reason);
        }
    }

    /// Gives the volume up for an error, which is returned as the store's.
    pub(crate) fn fence_for(&self, what: &'static str, source: io::Error) -> StoreError {
        self.fence(format!("{what} failed: {source}"));
        StoreError::Io { what, disk: self.path.clone(), source }
    }

    /// The error of a volume that was given up; `None` for a good one.
    pub(crate) fn refusal(&self) -> Option<StoreError> {
        let fence = self.state.lock().fence.clone()?;
        Some(StoreError::Unavailable { reason: format!("{}: {fence}", self.path.display()) })
    }

    /// A file name that was not used since the start.
    pub(crate) fn tmp_path(&self) -> PathBuf {
        self.path.join(TMP).join(self.next_tmp.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Makes a file under a temporary name.
    pub(crate) fn create(self: &Arc<Self>) -> io::Result<(Box<dyn DiskFile>, Temporary)> {
        let path = self.tmp_path();
        let file = self.disk.create(&path)?;
        Ok((file, Temporary::new(self, path)))
    }

    /// Takes a temporary file away. What stays is taken away at the next start.
    pub(crate) fn discard(&self, path: &Path) {
        if let Err(error) = self.disk.remove(path) {
            tracing::debug!(path = %path.display(), %error, "a temporary file stays until the next start");
        }
    }

    /// Notes that a file that was held is gone: the disk may have been away for a while, and its files come back.
    pub(crate) fn note_gone(&self) {
        self.state.lock().gone = true;
    }

    /// Whether the index says all that the disk holds.
    pub(crate) fn is_indexed(&self) -> bool {
        let state = self.state.lock();
        state.fence.is_none() && !state.gone
    }

    /// Keeps room for a file.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation, StoreError> {
        let on_disk = self.disk.space(&self.path).map_err(|source| self.fence_for("looking for room", source))?;
        let mut state = self.state.lock();
        let free = self.room(&state, on_disk.free_bytes);
        if free < bytes {
            return Err(StoreError::NoSpace { needed: bytes, free });
        }
        state.reserved_bytes += bytes;
        drop(state);
        Ok(Reservation::of(self, bytes))
    }

    pub(crate) fn set_tally(&self, tally: Tally) {
        self.state.lock().tally = tally;
    }

    /// Counts the files that are set aside; there are few.
    pub(crate) fn count_quarantined(&self) -> io::Result<()> {
        let names = self.disk.list(&self.path.join(QUARANTINE))?;
        self.state.lock().quarantined = names.len() as u64;
        Ok(())
    }

    /// Counts a file that is now in place; `before` are the bytes of the one that it took the place of.
    pub(crate) fn count_in(&self, item: Item, bytes: u64, before: Option<u64>) {
        let mut state = self.state.lock();
        state.tally.bytes = state.tally.bytes.saturating_sub(before.unwrap_or(0)) + bytes;
        match (item, before) {
            (Item::Shard(_), None) => state.tally.shards += 1,
            (Item::Node(_), None) => state.tally.nodes += 1,
            _ => {}
        }
    }

    /// Counts a file that is no longer in place.
    pub(crate) fn count_out(&self, item: Item, bytes: u64) {
        let mut state = self.state.lock();
        state.tally.bytes = state.tally.bytes.saturating_sub(bytes);
        match item {
            Item::Shard(_) => state.tally.shards = state.tally.shards.saturating_sub(1),
            Item::Node(_) => state.tally.nodes = state.tally.nodes.saturating_sub(1),
            Item::Records(_) | Item::Mark(_) => {}
        }
    }

    pub(crate) fn status(&self) -> DiskStatus {
        let stall = self.stall();
        // Looking for room on a disk that does not answer would wait too.
        let free = if self.is_good() && stall.is_none() { self.free_bytes() } else { 0 };
        let state = self.state.lock();
        let condition = match (&state.fence, stall) {
            (Some(reason), _) => DiskState::Fenced(reason.clone()),
            (None, Some(waited)) => {
                DiskState::Slow(format!("it has not answered for {} s; nothing new is put there", waited.as_secs()))
            }
            (None, None) => DiskState::Good,
        };
        DiskStatus {
            path: self.path.clone(),
            state: condition,
            capacity_bytes: state.tally.bytes + self.room(&state, free),
            used_bytes: state.tally.bytes,
            shards: state.tally.shards,
            nodes: state.tally.nodes,
            quarantined: state.quarantined,
        }
    }

    fn free_bytes(&self) -> u64 {
        self.disk.space(&self.path).map_or_else(
            |source| {
                self.fence(format!("looking for room failed: {source}"));
                0
            },
            |space| space.free_bytes,
        )
    }

    fn room(&self, state: &State, free_bytes: u64) -> u64 {
        let on_disk = free_bytes.saturating_sub(DISK_RESERVE_BYTES);
        let in_share = self.share_bytes.map_or(u64::MAX, |share| share.saturating_sub(state.tally.bytes));
        on_disk.min(in_share).saturating_sub(state.reserved_bytes)
    }
}

/// Whether an error says that this process, or the system, has too many files open: no fault of the disk.
pub(crate) fn lacks_descriptors(error: &io::Error) -> bool {
    let lack = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| lack.contains(&code))
}
