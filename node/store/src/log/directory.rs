//! The directory of a log: its lock, its manifest, its files, and how all of it is set aside.
//!
//! | file | what |
//! |---|---|
//! | `lock` | held for as long as a process uses the log |
//! | `manifest` | which segments there must be; replaced by rename from `manifest.new` |
//! | `<number>.segment` | the segments |

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use storgo_protocol::DecodeError;
use storgo_protocol::limits::LOG_SET_ASIDE_MAX;
use storgo_protocol::log::LogManifest;

use super::error::LogError;
use super::segment::Segment;
use crate::disk::{Disk, DiskFile};

const LOCK: &str = "lock";
const MANIFEST: &str = "manifest";
const MANIFEST_NEW: &str = "manifest.new";
const ASIDE: &str = ".aside-";

/// An open directory of a log; no other process opens it meanwhile.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) path: PathBuf,
    _lock: Box<dyn DiskFile>,
}

impl Directory {
    /// Makes the directory if it is not there, and locks it.
    pub(super) fn open(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, LogError> {
        let failed = |what| failed(what, path);
        disk.make_dir(path).map_err(failed("making the directory"))?;
        disk.sync_dir(parent(path)).map_err(failed("syncing the directory's name"))?;
        let lock = path.join(LOCK);
        let file = match disk.open_to_write(&lock) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(&lock),
            opened => opened,
        };
        let file = file.map_err(failed("opening the lock"))?;
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(LogError::InUse { dir: path.to_owned() }),
            locked => locked.map_err(failed("locking the log")).map(|()| Self {
                disk: Arc::clone(disk),
                path: path.to_owned(),
                _lock: file,
            }),
        }
    }

    /// For `map_err` of a call on something in here.
    pub(super) fn failed(&self, what: &'static str) -> impl FnOnce(io::Error) -> LogError {
        failed(what, &self.path)
    }

    /// What the manifest says: `None` if there is none, or why it says nothing.
    pub(super) fn manifest(&self) -> Result<Option<Result<LogManifest, DecodeError>>, LogError> {
        let path = self.path.join(MANIFEST);
        let file = match self.disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(self.failed("opening the manifest"))?,
        };
        let mut bytes = [0; LogManifest::BYTES + 1];
        let count = file.read_at(0, &mut bytes).map_err(self.failed("reading the manifest"))?;
        match LogManifest::decode(bytes.get(..count).unwrap_or_default()) {
            Err(source @ DecodeError::Version { .. }) => Err(LogError::Newer { path, source }),
            decoded => Ok(Some(decoded)),
        }
    }

    /// Puts a manifest in place of the one before, durably.
    pub(super) fn put_manifest(&self, manifest: &LogManifest) -> io::Result<()> {
        let new = self.path.join(MANIFEST_NEW);
        let file = self.disk.create(&new)?;
        file.write_at(0, &manifest.encode())?;
        file.sync()?;
        self.disk.rename(&new, &self.path.join(MANIFEST))?;
        self.disk.sync_dir(&self.path)
    }

    /// The numbers of the segments that are there. Takes away what a manifest was not finished from; says what it does
    /// not know.
    pub(super) fn segments(&self) -> Result<BTreeSet<u64>, LogError> {
        let mut numbers = BTreeSet::new();
        for name in self.disk.list(&self.path).map_err(self.failed("listing the log"))? {
            match name.to_str() {
                Some(LOCK | MANIFEST) => {}
                Some(MANIFEST_NEW) => {
                    self.disk.remove(&self.path.join(MANIFEST_NEW)).map_err(self.failed("removing a leftover"))?;
                }
                Some(name) if Segment::number_of(name).is_some() => numbers.extend(Segment::number_of(name)),
                _ => tracing::warn!(name = %name.display(), dir = %self.path.display(), "not a file of the log"),
            }
        }
        Ok(numbers)
    }

    /// Gives the directory another name, with all that is in it; gives that name.
    pub(super) fn set_aside(self) -> Result<PathBuf, LogError> {
        let parent = parent(&self.path);
        let name = self.path.file_name().unwrap_or_default();
        let taken = self.disk.list(parent).map_err(self.failed("looking for logs set aside"))?;
        let aside = |number: usize| {
            let mut aside = name.to_owned();
            aside.push(format!("{ASIDE}{number}"));
            aside
        };
        let free = (1..=LOG_SET_ASIDE_MAX).map(aside).find(|name: &OsString| !taken.contains(name));
        let free = free.ok_or(LogError::SetAsideTooOften { dir: self.path.clone(), count: LOG_SET_ASIDE_MAX })?;
        let to = parent.join(free);
        self.disk.rename(&self.path, &to).map_err(self.failed("setting the log aside"))?;
        self.disk.sync_dir(parent).map_err(self.failed("syncing the directory's name"))?;
        Ok(to)
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |source| LogError::Open { what, path, source: Arc::new(source) }
}
