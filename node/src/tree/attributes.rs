//! Modes and times: read as they are, restored as far as anyone may set them.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, chmodat, fchmod, futimens, utimensat};
use storgo_protocol::limits::TREE_MODE_MAX;
use storgo_protocol::tree::{TreeFile, TreeTime};

use crate::error::{NodeError, io_error};

/// The permission bits of a mode.
#[expect(clippy::cast_possible_truncation, reason = "cut to the nine lowest bits")]
pub(super) const fn permissions(mode: u32) -> u16 {
    mode as u16 & TREE_MODE_MAX
}

/// When what was opened was changed last.
pub(super) fn modified(metadata: &Metadata) -> TreeTime {
    TreeTime {
        seconds: metadata.mtime(),
        nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or(0).min(999_999_999),
    }
}

/// Gives what is open its mode and time, mode first: setting it changes no time.
pub(super) fn set_open(fd: impl AsFd, mode: u16, modified: TreeTime) -> io::Result<()> {
    fchmod(&fd, Mode::from_raw_mode(u32::from(mode)))?;
    Ok(futimens(fd, &times(modified))?)
}

/// Gives a file in an open directory its mode and time. It is no link: whoever calls this has made it.
pub(super) fn set_named(directory: impl AsFd, name: &[u8], mode: u16, modified: TreeTime) -> io::Result<()> {
    chmodat(&directory, name, Mode::from_raw_mode(u32::from(mode)), AtFlags::empty())?;
    set_time(directory, name, modified)
}

/// Gives what is in an open directory its time; a link its own, not that of what it leads to.
pub(super) fn set_time(directory: impl AsFd, name: &[u8], modified: TreeTime) -> io::Result<()> {
    Ok(utimensat(directory, name, &times(modified), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Gives a file that was got out of a tree its mode and time.
///
/// # Errors
/// [`NodeError::Io`] when the file system refuses.
pub fn restore_attributes(path: &Path, file: &TreeFile, modified: TreeTime) -> Result<(), NodeError> {
    let mut options = OpenOptions::new();
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let open: io::Result<File> = options.read(true).custom_flags(flags).open(path);
    open.and_then(|open| set_open(open, file.mode, modified)).map_err(io_error("setting mode and time of", path))
}

fn times(modified: TreeTime) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: modified.seconds, tv_nsec: modified.nanoseconds.into() },
    }
}
