//! The index in sled.
//!
//! sled's flush syncs no file on Linux, so after anything but a clean stop the directory is thrown away; that decision
//! is the opener's. This file only opens, and throws away what does not open.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::{Change, Index, IndexError, Visit};

/// Bytes of index pages that stay in memory.
const CACHE_BYTES: u64 = 64 << 20;

/// A sled tree in a directory of its own.
#[derive(Debug)]
pub(crate) struct SledIndex {
    db: sled::Db,
    path: PathBuf,
}

impl SledIndex {
    /// Opens the index of the last clean stop; `None` if it does not open.
    pub(crate) fn reopen(path: &Path) -> Option<Self> {
        match Self::open(path) {
            Ok(index) => Some(index),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the index does not open and is rebuilt");
                None
            }
        }
    }

    /// Opens an empty index in place of what is there.
    pub(crate) fn fresh(path: &Path) -> Result<Self, IndexError> {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Self::open(path),
        }
    }

    fn open(path: &Path) -> Result<Self, IndexError> {
        // Nothing rests on the index, so there is nothing to flush before the clean stop.
        let db = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None).open()?;
        Ok(Self { db, path: path.to_owned() })
    }
}

impl Index for SledIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.db.get(key)?.map(|value| value.to_vec()))
    }

    fn apply(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        // Not as a batch: for each of those sled writes out its buffer and wakes every thread that it has, which was a
        // quarter of what a node's CPU did during a put.
        for (key, value) in changes {
            match value {
                Some(value) => self.db.insert(key, value)?,
                None => self.db.remove(key)?,
            };
        }
        Ok(())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<(), IndexError> {
        let first = after.map_or(Bound::Included(prefix), Bound::Excluded);
        for entry in self.db.range::<&[u8], _>((first, Bound::Unbounded)) {
            let (key, value) = entry?;
            if !key.starts_with(prefix) || visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), IndexError> {
        self.db.flush()?;
        sync_files(&self.path)?;
        Ok(())
    }
}

/// Syncs the files below a directory and the directories themselves, which sled's flush leaves out.
fn sync_files(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_files(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(path)?.sync_all()
}
