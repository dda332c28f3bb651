//! The port to a file system: what the store needs of one, and nothing that could hide when bytes become durable.
//!
//! It must not know shards, nodes or leases. Everything durable of this crate goes through it (the sled index is exempt:
//! nothing rests on it), so a simulated disk can count the calls, fail one, or lose what was not synced. Calls block;
//! they are made on blocking tasks and on the committers' threads.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;

use bytes::Bytes;

mod direct;
mod os;
#[cfg(any(test, feature = "sim"))]
pub mod sim;

pub use os::OsDisk;

/// A file system.
///
/// What a call changes is durable only after a sync: contents and length of a file by [`DiskFile::sync`], names in a
/// directory by [`Disk::sync_dir`]. A sync that failed may have lost what it should have kept, and must not be tried
/// again.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes a file that must not be there yet.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to read it.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::NotFound`] if there is none.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to read and write it.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::NotFound`] if there is none.
    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name on the same file system, in place of what had that name.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory in one that exists; it may be there already.
    ///
    /// # Errors
    /// What the system says.
    fn make_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, in ascending order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>>;

    /// How much room there is for a directory's files.
    ///
    /// # Errors
    /// What the system says.
    fn space(&self, path: &Path) -> io::Result<Space>;
}

/// An open file.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Writes all of `bytes` from byte `first` on.
    ///
    /// # Errors
    /// What the system says; any part may have been written.
    fn write_at(&self, first: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills `buffer` with the bytes from byte `first` on, as far as the file goes; says how many there were.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, first: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Fills a file that is still empty with `parts`, one behind the other.
    ///
    /// # Errors
    /// What the system says; any part may have been written.
    fn fill(&self, parts: &[&[u8]]) -> io::Result<()>;

    /// The first `bytes` bytes, for whoever wants all of a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if there are fewer, or what the system says.
    fn read_first(&self, bytes: usize) -> io::Result<Bytes>;

    /// Bytes of the file.
    ///
    /// # Errors
    /// What the system says.
    fn bytes(&self) -> io::Result<u64>;

    /// Makes the file so long: cut, or grown by zeros.
    ///
    /// # Errors
    /// What the system says.
    fn set_bytes(&self, bytes: u64) -> io::Result<()>;

    /// Makes contents and length durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self) -> io::Result<()>;

    /// Keeps other processes from locking the file for as long as it is open.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another has locked it; what the system says.
    fn lock(&self) -> io::Result<()>;

    /// Makes everything on the file's file system durable, names too; tells of any failure since the file was opened.
    ///
    /// # Errors
    /// What the system says.
    fn sync_file_system(&self) -> io::Result<()>;
}

impl dyn DiskFile + '_ {
    /// Fills the whole of `buffer`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the file ends before, or what the system says.
    pub fn read_exact_at(&self, first: u64, buffer: &mut [u8]) -> io::Result<()> {
        if self.read_at(first, buffer)? == buffer.len() {
            return Ok(());
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
}
