//! A node's data directory: who the node is, and that no other process uses it.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use storgo_object::ports::Random;
use storgo_protocol::Identity;

use crate::error::{NodeError, io_error};
use crate::{private_file, seed};

/// The file whose lock says that a node runs here. Whoever gets the lock knows that none does.
pub const LOCK_NAME: &str = "lock";

/// An open data directory. Locked until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    identity: Identity,
    _lock: File,
}

impl DataDir {
    /// Opens a data directory, and makes it at first use.
    ///
    /// # Errors
    /// [`NodeError::Busy`] when a node runs there, [`NodeError::Damaged`] when its identity cannot be read.
    pub(crate) fn open(path: &Path, random: &dyn Random) -> Result<Self, NodeError> {
        private_file::make_directory(path)?;
        let lock = lock(&path.join(LOCK_NAME), path)?;
        let seed = seed::read_or_make(&path.join("identity"), "node-identity", random)?;
        Ok(Self { path: path.to_owned(), identity: Identity::from_seed(&seed), _lock: lock })
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn lock(path: &Path, directory: &Path) -> Result<File, NodeError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(io_error("opening", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(NodeError::Busy { path: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io_error("locking", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use storgo_object::ports::OsRandom;

    use super::*;

    #[test]
    fn one_process_at_a_time_and_the_same_identity_each_time() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        let first = DataDir::open(&path, &OsRandom).unwrap();
        assert!(matches!(DataDir::open(&path, &OsRandom), Err(NodeError::Busy { .. })));
        let id = first.identity().id();
        drop(first);
        assert_eq!(DataDir::open(&path, &OsRandom).unwrap().identity().id(), id);
    }

    #[test]
    fn a_damaged_identity_is_said_and_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        drop(DataDir::open(root.path(), &OsRandom).unwrap());
        let file = root.path().join("identity");
        private_file::replace(&file, b"storgo node-identity 1 00 00000000\n", &OsRandom).unwrap();
        let error = DataDir::open(root.path(), &OsRandom).unwrap_err();
        assert!(matches!(error, NodeError::Damaged { .. }), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), b"storgo node-identity 1 00 00000000\n");
    }
}
