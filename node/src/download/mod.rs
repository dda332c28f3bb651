//! A download into a file: pieces in any order, an interrupted run continued, the target touched only at the end.
//!
//! ```text
//!   pieces ─► TARGET.storgo-part ─ fdatasync ─► TARGET.storgo-pieces ─ all there ─► rename to TARGET
//! ```
//!
//! It knows nothing of the network: the engine gives it verified bytes. What the record beside it names was on disk
//! before, and what an earlier run left is read back and compared with that record before it is relied on.

mod entry;
mod pieces;

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use storgo_object::{Order, Piece, Sink};
use storgo_protocol::limits::DOWNLOAD_SYNC_BYTES;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::Instant;

use crate::error::{NodeError, io_error};
use crate::private_file::sync_parent;

pub use pieces::Wanted;

use entry::Entry;
use pieces::PieceRecord;

/// How much of an interrupted download's time is lost at most.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);

/// A file that is being downloaded. Dropped before [`PartialFile::finish`] it stays, for the next run.
#[derive(Debug)]
pub struct PartialFile {
    wanted: Wanted,
    target: PathBuf,
    part_path: PathBuf,
    record_path: PathBuf,
    replace: bool,
    part: Arc<File>,
    /// What an earlier run left, by ascending number: its bytes were read back.
    held: Vec<Piece>,
    // Only the blocking task that syncs takes it, and there is one at a time.
    record: Arc<Mutex<PieceRecord>>,
    written: Vec<Entry>,
    written_bytes: u64,
    sync: Option<JoinHandle<io::Result<()>>>,
    sync_started: Instant,
}

/// What happens to a target that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the download is refused.
    Keep,
    /// It is replaced when the download is whole.
    Replace,
}

impl PartialFile {
    /// Starts the download of `wanted` to `target`, or continues one that was interrupted: all that it left is read,
    /// and what is not as it was written is forgotten. A partial file of something else is started afresh.
    ///
    /// # Errors
    /// [`NodeError::Exists`] when there is a target to keep, [`NodeError::Busy`] when another process downloads to
    /// it, [`NodeError::Io`] when the file system refuses.
    pub async fn open(target: &Path, wanted: Wanted, existing: Existing) -> Result<Self, NodeError> {
        let target = target.to_owned();
        spawn_blocking(move || Self::open_now(target, wanted, existing)).await.map_err(|error| died(&error))?
    }

    fn open_now(target: PathBuf, wanted: Wanted, existing: Existing) -> Result<Self, NodeError> {
        let replace = existing == Existing::Replace;
        if !replace && target.try_exists().map_err(io_error("looking at", &target))? {
            return Err(NodeError::Exists { path: target });
        }
        let (part_path, record_path) = (beside(&target, ".storgo-part"), beside(&target, ".storgo-pieces"));
        let part = open_locked(&part_path)?;
        let found = PieceRecord::load(&record_path, &wanted).map_err(io_error("reading", &record_path))?;
        let (record, held) = match found {
            Some((record, claimed)) => (record, read_back(&part, &part_path, &wanted, &claimed)?),
            None => (start_afresh(&part, &part_path, &record_path, &wanted)?, Vec::new()),
        };
        Ok(Self {
            wanted,
            target,
            part_path,
            record_path,
            replace,
            part: Arc::new(part),
            held,
            record: Arc::new(Mutex::new(record)),
            written: Vec::new(),
            written_bytes: 0,
            sync: None,
            sync_started: Instant::now(),
        })
    }

    /// Makes the file durable and gives it its name. The caller knows that all pieces were put.
    ///
    /// # Errors
    /// [`NodeError::Exists`] when somebody else made a target meanwhile, [`NodeError::Io`] when the file system
    /// refuses; the partial file stays.
    pub async fn finish(mut self) -> Result<(), NodeError> {
        self.sync_done().await.map_err(io_error("syncing", &self.part_path))?;
        self.start_sync();
        self.sync_done().await.map_err(io_error("syncing", &self.part_path))?;
        spawn_blocking(move || self.give_name()).await.map_err(|error| died(&error))?
    }

    fn give_name(self) -> Result<(), NodeError> {
        self.part.sync_all().map_err(io_error("syncing", &self.part_path))?;
        let flags = if self.replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        match renameat_with(CWD, &self.part_path, CWD, &self.target, flags) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(NodeError::Exists { path: self.target }),
            // Some file systems cannot rename without replacing; a link cannot replace either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.link_name()?,
            Err(errno) => return Err(io_error("renaming", &self.part_path)(errno.into())),
        }
        fs::remove_file(&self.record_path).map_err(io_error("removing", &self.record_path))?;
        sync_parent(&self.target)
    }

    fn link_name(&self) -> Result<(), NodeError> {
        match fs::hard_link(&self.part_path, &self.target) {
            Ok(()) => fs::remove_file(&self.part_path).map_err(io_error("removing", &self.part_path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(NodeError::Exists { path: self.target.clone() })
            }
            Err(error) => Err(io_error("naming", &self.target)(error)),
        }
    }

    /// Syncs about each [`SYNC_INTERVAL`], and waits for the disk when it falls far behind.
    async fn sync_when_due(&mut self) -> io::Result<()> {
        let idle = self.sync.as_ref().is_none_or(JoinHandle::is_finished);
        let due = idle && self.sync_started.elapsed() >= SYNC_INTERVAL;
        if due || self.written_bytes >= DOWNLOAD_SYNC_BYTES {
            self.sync_done().await?;
            self.start_sync();
        }
        Ok(())
    }

    /// Syncs what was written so far, then records it, while further pieces come.
    fn start_sync(&mut self) {
        let pieces = std::mem::take(&mut self.written);
        self.written_bytes = 0;
        self.sync_started = Instant::now();
        let (part, record) = (Arc::clone(&self.part), Arc::clone(&self.record));
        self.sync = Some(spawn_blocking(move || {
            part.sync_data()?;
            record.lock().add(&pieces)
        }));
    }

    async fn sync_done(&mut self) -> io::Result<()> {
        match self.sync.take() {
            Some(sync) => sync.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Sink for PartialFile {
    fn order(&self) -> Order {
        Order::Any
    }

    fn has(&self, piece: &Piece) -> bool {
        let found = self.held.binary_search_by_key(&piece.number, |held| held.number);
        found.is_ok_and(|at| self.held.get(at) == Some(piece))
    }

    async fn put(&mut self, piece: &Piece, bytes: Bytes) -> io::Result<()> {
        let (piece, length) = (*piece, bytes.len() as u64);
        let place = self.wanted.place(piece.offset, length);
        let place = place.ok_or_else(|| io::Error::other("a piece outside what was asked for"))?;
        let part = Arc::clone(&self.part);
        let writing = spawn_blocking(move || part.write_all_at(&bytes, place).map(|()| Entry::of(piece, &bytes)));
        self.written.push(writing.await.map_err(io::Error::other)??);
        self.written_bytes += length;
        self.sync_when_due().await
    }
}

fn died(error: &JoinError) -> NodeError {
    NodeError::Died { part: "the download", reason: error.to_string() }
}

fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens and locks the partial file. Between the two another process may have finished it: then the file that was
/// opened is its target by now, and a new one is made.
fn open_locked(path: &Path) -> Result<File, NodeError> {
    loop {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(io_error("opening", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NodeError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(io_error("locking", path)(error)),
        }
        let opened = file.metadata().map_err(io_error("looking at", path))?;
        match fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (opened.dev(), opened.ino()) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error("looking at", path)(error)),
        }
    }
}

/// Gives the partial file its full length and reads the pieces that it is said to hold; those that it does hold.
fn read_back(part: &File, path: &Path, wanted: &Wanted, claimed: &[Entry]) -> Result<Vec<Piece>, NodeError> {
    part.set_len(wanted.bytes()).map_err(io_error("sizing", path))?;
    let held = entry::those_in(part, wanted, claimed).map_err(io_error("reading", path))?;
    let forgotten = claimed.len() - held.len();
    if forgotten > 0 {
        tracing::warn!(path = %path.display(), pieces = forgotten, "changed since it was written; fetched again");
    }
    Ok(held)
}

/// Empties the partial file. The old record goes first, and for good: after a power cut it must not speak for bytes
/// that were never its own.
fn start_afresh(part: &File, part_path: &Path, record_path: &Path, wanted: &Wanted) -> Result<PieceRecord, NodeError> {
    match fs::remove_file(record_path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("removing", record_path)(error)),
        _ => sync_parent(record_path)?,
    }
    part.set_len(0).and_then(|()| part.set_len(wanted.bytes())).map_err(io_error("sizing", part_path))?;
    PieceRecord::create(record_path, wanted).map_err(io_error("making", record_path))
}
