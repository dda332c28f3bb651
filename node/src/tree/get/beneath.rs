//! A directory of this machine, and what is beneath it: reached name by name, each opened in the one above, no link
//! followed. So whatever the names are, and whoever exchanges a directory for a link meanwhile, nothing outside is
//! touched.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, mkdirat, openat, renameat, renameat_with, symlinkat, unlinkat};
use rustix::io::Errno;
use storgo_protocol::tree::TreePath;

const OPEN_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What everything is made with, until it gets the mode that it is to have.
const PRIVATE_DIRECTORY: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// An open directory, and the one beneath it that was used last.
#[derive(Debug)]
pub(super) struct Beneath {
    root: OwnedFd,
    last: Option<(TreePath, OwnedFd)>,
}

impl Beneath {
    /// What is beneath the directory `name` of an open one.
    pub(super) fn open(parent: BorrowedFd<'_>, name: &str) -> io::Result<Self> {
        Ok(Self { root: openat(parent, name, OPEN_DIRECTORY, Mode::empty())?, last: None })
    }

    /// The directory itself.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Makes a directory, or takes one that an earlier run made.
    pub(super) fn make_directory(&mut self, path: &TreePath) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        match mkdirat(parent, name, PRIVATE_DIRECTORY) {
            Err(Errno::EXIST) => {
                // It may have had its mode already, and not be open to its owner any more.
                let found = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if !rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir() {
                    return Err(Errno::NOTDIR.into());
                }
                if found.st_mode & PRIVATE_DIRECTORY.bits() != PRIVATE_DIRECTORY.bits() {
                    rustix::fs::chmodat(parent, name, PRIVATE_DIRECTORY, AtFlags::empty())?;
                }
                Ok(())
            }
            made => Ok(made?),
        }
    }

    /// Opens a directory.
    pub(super) fn open_directory(&mut self, path: &TreePath) -> io::Result<BorrowedFd<'_>> {
        if path.is_root() {
            return Ok(self.root.as_fd());
        }
        let known = self.last.take().filter(|(last, _)| last == path);
        let open = match known {
            Some((_, open)) => open,
            None => self.descend(path)?,
        };
        Ok(self.last.insert((path.clone(), open)).1.as_fd())
    }

    /// Opens the directory that a path is in; gives it with the path's last name.
    pub(super) fn parent<'p>(&mut self, path: &'p TreePath) -> io::Result<(BorrowedFd<'_>, &'p [u8])> {
        let (above, _) = path.split_last().ok_or(io::ErrorKind::InvalidInput)?;
        let name = path.names().last().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.open_directory(&above)?, name))
    }

    /// Opens a file for reading; a link in its place is an error.
    pub(super) fn open_file(&mut self, path: &TreePath) -> io::Result<File> {
        let (parent, name) = self.parent(path)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(parent, name, flags, Mode::empty())?.into())
    }

    /// Makes a link; one that an earlier run made is replaced.
    pub(super) fn make_link(&mut self, path: &TreePath, target: &[u8]) -> io::Result<()> {
        self.remove(path)?;
        let (parent, name) = self.parent(path)?;
        Ok(symlinkat(target, parent, name)?)
    }

    /// Removes a file or a link, if there is one.
    pub(super) fn remove(&mut self, path: &TreePath) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        match unlinkat(parent, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }

    /// Moves a finished file to its path, where nothing may be.
    pub(super) fn take_in(&mut self, from: BorrowedFd<'_>, name: &str, path: &TreePath) -> io::Result<()> {
        let (parent, last) = self.parent(path)?;
        match renameat_with(from, name, parent, last, RenameFlags::NOREPLACE) {
            // Some file systems cannot rename without replacing. Nobody else writes here, and what was there is gone.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(renameat(from, name, parent, last)?),
            moved => Ok(moved?),
        }
    }

    fn descend(&self, path: &TreePath) -> io::Result<OwnedFd> {
        let mut open: Option<OwnedFd> = None;
        for name in path.names() {
            let above = open.as_ref().map_or(self.root.as_fd(), |open| open.as_fd());
            open = Some(openat(above, name, OPEN_DIRECTORY, Mode::empty())?);
        }
        open.ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }
}

/// Makes a new file in an open directory.
pub(super) fn new_file(directory: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(directory, name, flags, PRIVATE_FILE)?.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, open};

    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_or_file_is_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let (inside, outside) = (scratch.path().join("inside"), scratch.path().join("outside"));
        fs::create_dir_all(outside.join("sub")).unwrap();
        fs::write(outside.join("file"), b"alive").unwrap();
        fs::create_dir_all(inside.join("real")).unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        symlink("../outside", inside.join("real/link")).unwrap();
        symlink("../outside/file", inside.join("to-file")).unwrap();
        fs::write(inside.join("new"), b"new").unwrap();

        let here = open(scratch.path(), OPEN_DIRECTORY, Mode::empty()).unwrap();
        assert!(Beneath::open(here.as_fd(), "inside/link").is_err());
        let mut beneath = Beneath::open(here.as_fd(), "inside").unwrap();
        for through in ["link", "link/sub", "real/link", "real/link/sub"] {
            assert!(beneath.open_directory(&path(through)).is_err(), "{through}");
            let below = path(&format!("{through}/made"));
            assert!(beneath.make_directory(&below).is_err() && beneath.make_link(&below, b"x").is_err(), "{through}");
            assert!(beneath.remove(&path(&format!("{through}/file"))).is_err(), "{through}");
            let root = open(&inside, OPEN_DIRECTORY, Mode::empty()).unwrap();
            assert!(beneath.take_in(root.as_fd(), "new", &below).is_err(), "{through}");
        }
        for link in ["link", "real/link"] {
            assert!(beneath.make_directory(&path(link)).is_err(), "{link} is no directory that an earlier run made");
        }
        assert!(beneath.open_file(&path("to-file")).is_err() && beneath.open_file(&path("link/file")).is_err());
        assert!(beneath.open_directory(&path("real")).is_ok());
        assert_eq!(outside.read_dir().unwrap().count(), 2);
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"alive");
    }

    #[test]
    fn nothing_is_taken_in_over_what_is_there() {
        let scratch = tempfile::tempdir().unwrap();
        for (name, bytes) in [("one", "1"), ("two", "2")] {
            fs::write(scratch.path().join(name), bytes).unwrap();
        }
        let here = open(scratch.path(), OPEN_DIRECTORY, Mode::empty()).unwrap();
        let mut beneath = Beneath::open(CWD.as_fd(), scratch.path().to_str().unwrap()).unwrap();
        let refused = beneath.take_in(here.as_fd(), "one", &path("two")).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(scratch.path().join("two")).unwrap(), b"2");
        assert!(new_file(here.as_fd(), "two").is_err());
    }
}
