//! The directory beside the target in which a tree is restored, until all of it is there.
//!
//! ```text
//!   TARGET.storgo-part/   only its owner may enter, one process at a time
//!     of                  which tree, and which directory of it
//!     new/                files that are being written
//!     tree/               files that are whole; becomes TARGET
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, mkdirat, renameat_with, syncfs};
use rustix::io::Errno;
use storgo_protocol::ContentId;
use storgo_protocol::limits::SMALL_FILE_BYTES_MAX;
use storgo_protocol::tree::{TreePath, TreeRoot};

use super::beneath::Beneath;
use crate::error::{NodeError, io_error};
use crate::private_file::sync_parent;
use crate::tree::attributes::set_open;

const PRIVATE: u32 = 0o700;

/// A restoration's own directory. Dropped before [`Staging::finish`] it stays, for the next run.
#[derive(Debug)]
pub(super) struct Staging {
    target: PathBuf,
    path: PathBuf,
    /// Holds the lock.
    lock: File,
    /// Where files are written.
    pub(super) new: Beneath,
    /// Where they stand when they are whole.
    pub(super) tree: Beneath,
    /// Whether an earlier run left something here.
    pub(super) resumed: bool,
}

impl Staging {
    /// Begins to restore the directory `under` of a tree as `target`, or goes on with what an interrupted run left.
    pub(super) fn open(target: &Path, content: ContentId, under: &TreePath) -> Result<Self, NodeError> {
        // Without a slash at the end, which would put everything inside of what is not there yet.
        let target: PathBuf = target.components().collect();
        if is_there(&target)? {
            return Err(NodeError::Exists { path: target });
        }
        let mut path = target.clone().into_os_string();
        path.push(".storgo-part");
        let path = PathBuf::from(path);
        let lock = open_private(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NodeError::Busy { path }),
            Err(TryLockError::Error(error)) => return Err(io_error("locking", &path)(error)),
        }
        let of = format!("{content}/{under}\n");
        let resumed = read(&path.join("of"))?.as_deref() == Some(of.as_bytes());
        if resumed {
            remove_directory(&path.join("new"))?;
        } else {
            start_afresh(&path)?;
        }
        for name in ["new", "tree"] {
            match mkdirat(&lock, name, rustix::fs::Mode::from_raw_mode(PRIVATE)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(io_error("making", &path.join(name))(errno.into())),
            }
        }
        if !resumed {
            write(&path.join("of"), of.as_bytes())?;
        }
        let open = |name| Beneath::open(lock.as_fd(), name).map_err(io_error("opening", &path.join(name)));
        let (new, tree) = (open("new")?, open("tree")?);
        Ok(Self { target, path, lock, new, tree, resumed })
    }

    /// Makes all that was restored durable, and gives it its name.
    pub(super) fn finish(self, root: TreeRoot) -> Result<(), NodeError> {
        syncfs(&self.lock).map_err(|errno| io_error("syncing", &self.path)(errno.into()))?;
        match renameat_with(&self.lock, "tree", CWD, &self.target, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(NodeError::Exists { path: self.target }),
            // Some file systems cannot rename without replacing; replaced would be an empty directory at the worst.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if !is_there(&self.target)? => {
                fs::rename(self.path.join("tree"), &self.target).map_err(io_error("naming", &self.target))?;
            }
            Err(errno) => return Err(io_error("naming", &self.target)(errno.into())),
        }
        // A directory that its owner may not write cannot be renamed, so it gets its mode only now.
        let tree = self.tree.root();
        let dressed = set_open(tree, root.mode, root.modified).and_then(|()| Ok(rustix::fs::fsync(tree)?));
        dressed.map_err(io_error("setting mode and time of", &self.target))?;
        fs::remove_dir_all(&self.path).map_err(io_error("removing", &self.path))?;
        sync_parent(&self.target)
    }
}

/// Opens the directory at `path`, made if it is not there. One that others made or may enter is not used: they could
/// change what is restored.
fn open_private(path: &Path) -> Result<File, NodeError> {
    match DirBuilder::new().mode(PRIVATE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io_error("making", path)(error)),
        _ => {}
    }
    let flags = i32::try_from((OFlags::DIRECTORY | OFlags::NOFOLLOW).bits()).unwrap_or(0);
    let open = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(io_error("opening", path))?;
    let found = open.metadata().map_err(io_error("looking at", path))?;
    if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0 {
        let reason = "it is somebody else's, or others than its owner may enter it";
        return Err(io_error("using", path)(io::Error::new(io::ErrorKind::PermissionDenied, reason)));
    }
    Ok(open)
}

/// What says of which tree this is goes first, so that nothing is ever taken for a part of another.
fn start_afresh(path: &Path) -> Result<(), NodeError> {
    match fs::remove_file(path.join("of")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("removing", path)(error)),
        _ => {}
    }
    remove_directory(&path.join("new"))?;
    remove_directory(&path.join("tree"))
}

fn remove_directory(path: &Path) -> Result<(), NodeError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("removing", path)(error)),
        _ => Ok(()),
    }
}

/// Whether anything stands under a name, be it a link that leads nowhere.
fn is_there(path: &Path) -> Result<bool, NodeError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("looking at", path)(error)),
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, NodeError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io_error("opening", path))?,
    };
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(io_error("reading", path))?;
    Ok(Some(bytes))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), NodeError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(io_error("writing", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_appears_meanwhile_is_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("target");
        let content = ContentId::from_bytes([1; 32]);
        let staging = Staging::open(&target, content, &TreePath::root()).unwrap();
        fs::create_dir(&target).unwrap();
        let inode = fs::metadata(&target).unwrap().ino();
        let finished = staging.finish(TreeRoot { mode: 0o700, ..TreeRoot::default() });
        assert!(matches!(finished, Err(NodeError::Exists { .. })), "{finished:?}");
        assert_eq!(fs::metadata(&target).unwrap().ino(), inode, "even an empty directory is somebody's");
        fs::remove_dir(&target).unwrap();
        let staging = Staging::open(&target, content, &TreePath::root()).unwrap();
        assert!(staging.resumed);
        staging.finish(TreeRoot { mode: 0o700, ..TreeRoot::default() }).unwrap();
        assert_ne!(fs::metadata(&target).unwrap().ino(), inode);
    }

    #[test]
    fn another_directory_of_the_tree_or_another_tree_is_started_afresh() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("target");
        let open = |content: u8, under: &str| {
            let under = TreePath::parse(under.as_bytes()).unwrap();
            let staging = Staging::open(&target, ContentId::from_bytes([content; 32]), &under).unwrap();
            let kept = staging.path.join("tree/kept");
            let found = kept.try_exists().unwrap();
            fs::write(kept, b"").unwrap();
            (staging.resumed, found)
        };
        assert_eq!(open(1, "a"), (false, false));
        assert_eq!(open(1, "a"), (true, true));
        assert_eq!(open(1, "b"), (false, false));
        assert_eq!(open(2, "b"), (false, false));
        assert_eq!(open(2, "b"), (true, true));
    }
}
