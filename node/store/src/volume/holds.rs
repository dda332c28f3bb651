//! What somebody has of a volume for a while, and gives back by dropping it: room, a temporary file, its answer.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{STALL, Volume};

/// The committer waits for the disk until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a Volume);

impl<'a> Waiting<'a> {
    pub(super) const fn of(volume: &'a Volume) -> Self {
        Self(volume)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.0.state.lock().waiting.take().map(|since| since.elapsed());
        if let Some(waited) = waited.filter(|&waited| waited >= STALL) {
            tracing::warn!(disk = %self.0.path.display(), ?waited, "the disk answers again");
        }
        self.0.told_slow.store(false, Ordering::Relaxed);
    }
}

/// Room that nobody else is given; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    volume: Arc<Volume>,
    bytes: u64,
}

impl Reservation {
    pub(super) fn of(volume: &Arc<Volume>, bytes: u64) -> Self {
        Self { volume: Arc::clone(volume), bytes }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.volume.state.lock().reserved_bytes -= self.bytes;
    }
}

/// A file under a temporary name. It is taken away when this is dropped, unless it was given its name.
#[derive(Debug)]
pub(crate) struct Temporary {
    volume: Arc<Volume>,
    path: PathBuf,
    in_place: bool,
}

impl Temporary {
    pub(super) fn new(volume: &Arc<Volume>, path: PathBuf) -> Self {
        Self { volume: Arc::clone(volume), path, in_place: false }
    }

    /// Gives the file its name.
    pub(crate) fn rename(&mut self, target: &Path) -> io::Result<()> {
        self.volume.disk.rename(&self.path, target)?;
        self.in_place = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.in_place && self.volume.is_good() {
            self.volume.discard(&self.path);
        }
    }
}
