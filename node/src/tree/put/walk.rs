//! A directory, item by item in the order of a tree's paths.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;
use storgo_protocol::DecodeError;
use storgo_protocol::tree::{Printable, TreeBuilder, TreeFile, TreeItem, TreeName, TreeNode, TreeRoot, TreeTime};

use super::contents::{Contents, ContentsError};
use super::pipe::{PipeWriter, Stopped};
use super::report::PackReport;
use crate::error::{NodeError, io_error};
use crate::tree::attributes::{modified, permissions};

/// Why a directory was not packed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackError {
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The put failed, and says why.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Packs one directory.
pub(super) struct Packer<'p> {
    root: &'p Path,
    builder: TreeBuilder,
    contents: Contents,
    report: PackReport,
}

/// Reads a directory into the pipe: contents, catalogue, trailer.
pub(super) fn pack(root: &Path, pipe: PipeWriter) -> Result<PackReport, PackError> {
    // The directory that was named may be a link to one: its user said so.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::open(root, flags, Mode::empty()).map_err(|errno| io_error("opening", root)(errno.into()))?;
    let directory = File::from(open);
    let metadata = directory.metadata().map_err(io_error("looking at", root))?;
    let builder = TreeBuilder::default();
    let mut packer = Packer { root, builder, contents: Contents::new(pipe), report: PackReport::default() };
    packer.directory(&directory.into(), Path::new(""), 0)?;
    let root = TreeRoot { mode: permissions(metadata.mode()), modified: modified(&metadata) };
    let Packer { root: path, builder, contents, mut report } = packer;
    report.totals = *builder.totals();
    report.shared_files = contents.shared_files;
    report.shared_bytes = contents.shared_bytes;
    let rest = builder.finish(root, contents.bytes()).map_err(|source| unfit(path, source))?;
    contents.end(&rest)?;
    Ok(report)
}

impl Packer<'_> {
    /// All that is in an open directory, which stands at `path` below the root.
    fn directory(&mut self, directory: &OwnedFd, path: &Path, depth: u16) -> Result<(), PackError> {
        let here = self.root.join(path);
        let refused = |errno: Errno| io_error("reading", &here)(errno.into());
        let mut names = Vec::new();
        for entry in Dir::read_from(directory).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(TreeName::new(name).map_err(|source| unfit(&here.join(OsStr::from_bytes(name)), source))?);
            }
        }
        names.sort_unstable();
        for name in names {
            let path = path.join(OsStr::from_bytes(name.as_bytes()));
            self.item(directory, name, &path, depth)?;
        }
        Ok(())
    }

    fn item(&mut self, parent: &OwnedFd, name: TreeName, path: &Path, depth: u16) -> Result<(), PackError> {
        let found = match statat(parent, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return self.vanished(path),
            found => found.map_err(|errno| self.refused("looking at", path, errno))?,
        };
        let what = match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => return self.file(parent, name, path, depth),
            FileType::Directory => return self.subdirectory(parent, name, path, depth),
            FileType::Symlink => return self.link(parent, name, path, depth, &found),
            FileType::Fifo => "a pipe",
            FileType::Socket => "a socket",
            FileType::CharacterDevice | FileType::BlockDevice => "a device",
            FileType::Unknown => "of an unknown kind",
        };
        self.report.skipped.add(path, what);
        Ok(())
    }

    fn file(&mut self, parent: &OwnedFd, name: TreeName, path: &Path, depth: u16) -> Result<(), PackError> {
        // What was a file a moment ago may be a pipe by now, and nobody waits for one.
        let Some((mut file, metadata)) = self.open(parent, &name, path, OFlags::NONBLOCK)? else { return Ok(()) };
        if !metadata.is_file() {
            return self.vanished(path);
        }
        let stored = self.contents.add(&mut file).map_err(|error| match error {
            ContentsError::Read(source) => PackError::Node(io_error("reading", &self.root.join(path))(source)),
            ContentsError::Stopped(stopped) => PackError::Stopped(stopped),
        })?;
        if stored.changed {
            self.report.changed.add(path, "changed while it was read");
        }
        let file = TreeFile {
            mode: permissions(metadata.mode()),
            offset: stored.offset,
            bytes: stored.bytes,
            hash: stored.hash,
        };
        self.push(path, TreeItem { depth, name, modified: modified(&metadata), node: TreeNode::File(file) })
    }

    fn subdirectory(&mut self, parent: &OwnedFd, name: TreeName, path: &Path, depth: u16) -> Result<(), PackError> {
        let Some((directory, metadata)) = self.open(parent, &name, path, OFlags::DIRECTORY)? else { return Ok(()) };
        let node = TreeNode::Directory { mode: permissions(metadata.mode()) };
        self.push(path, TreeItem { depth, name, modified: modified(&metadata), node })?;
        self.directory(&directory.into(), path, depth + 1)
    }

    fn link(
        &mut self,
        parent: &OwnedFd,
        name: TreeName,
        path: &Path,
        depth: u16,
        found: &Stat,
    ) -> Result<(), PackError> {
        let target = match readlinkat(parent, name.as_bytes(), Vec::new()) {
            Err(Errno::NOENT | Errno::INVAL) => return self.vanished(path),
            target => target.map_err(|errno| self.refused("reading", path, errno))?,
        };
        let modified = TreeTime {
            seconds: found.st_mtime,
            nanoseconds: u32::try_from(found.st_mtime_nsec).unwrap_or(0).min(999_999_999),
        };
        let node = TreeNode::Link { target: target.into_bytes().into() };
        self.push(path, TreeItem { depth, name, modified, node })
    }

    /// Opens what stands under a name, and never what a link there leads to; `None` if it is not there any more.
    fn open(
        &mut self,
        parent: &OwnedFd,
        name: &TreeName,
        path: &Path,
        flags: OFlags,
    ) -> Result<Option<(File, Metadata)>, PackError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY | flags;
        let file = match openat(parent, name.as_bytes(), flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => {
                self.vanished(path)?;
                return Ok(None);
            }
            file => File::from(file.map_err(|errno| self.refused("opening", path, errno))?),
        };
        let metadata = file.metadata().map_err(io_error("looking at", &self.root.join(path)))?;
        Ok(Some((file, metadata)))
    }

    fn push(&mut self, path: &Path, item: TreeItem) -> Result<(), PackError> {
        self.builder.push(item).map_err(|source| unfit(&self.root.join(path), source).into())
    }

    #[expect(clippy::unnecessary_wraps, reason = "so that whoever notices returns with it")]
    fn vanished(&mut self, path: &Path) -> Result<(), PackError> {
        self.report.changed.add(path, "vanished while the directory was read");
        Ok(())
    }

    fn refused(&self, what: &'static str, path: &Path, errno: Errno) -> NodeError {
        io_error(what, &self.root.join(path))(errno.into())
    }
}

fn unfit(path: &Path, source: DecodeError) -> NodeError {
    let path = PathBuf::from(Printable(path.as_os_str().as_bytes()).to_string());
    NodeError::Unfit { path, source }
}
