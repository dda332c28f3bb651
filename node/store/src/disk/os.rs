//! The real file system. Large files that are written or read whole go past the page cache.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use bytes::Bytes;
use storgo_protocol::limits::DIRECT_BYTES_MIN;

use super::direct::{self, Buffers};
use super::{Disk, DiskFile, Space};

/// Files and directories are for the node's user alone.
const FILE_MODE: u32 = 0o600;

/// The file system of the machine. Syncs are `fdatasync` for files, which carries a changed length, and `fsync` for
/// directories.
#[derive(Debug, Clone, Default)]
pub struct OsDisk(Buffers);

impl OsDisk {
    fn file(&self, file: File) -> Box<dyn DiskFile> {
        Box::new(OsFile { file, buffers: self.0.clone() })
    }
}

impl Disk for OsDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)?;
        Ok(self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(File::open(path)?))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut names =
            fs::read_dir(path)?.map(|entry| entry.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let found = rustix::fs::statvfs(path)?;
        Ok(Space { free_bytes: found.f_bavail.saturating_mul(found.f_frsize) })
    }
}

#[derive(Debug)]
struct OsFile {
    file: File,
    buffers: Buffers,
}

impl DiskFile for OsFile {
    fn write_at(&self, first: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, first)
    }

    fn read_at(&self, first: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, first + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn fill(&self, parts: &[&[u8]]) -> io::Result<()> {
        if parts.iter().map(|part| part.len()).sum::<usize>() >= DIRECT_BYTES_MIN {
            return direct::write(&self.file, parts, &self.buffers);
        }
        self.file.write_all_at(&parts.concat(), 0)
    }

    fn read_first(&self, bytes: usize) -> io::Result<Bytes> {
        if bytes >= DIRECT_BYTES_MIN {
            return direct::read(&self.file, bytes, &self.buffers);
        }
        let mut buffer = vec![0; bytes];
        self.file.read_exact_at(&mut buffer, 0)?;
        Ok(buffer.into())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn lock(&self) -> io::Result<()> {
        Ok(self.file.try_lock()?)
    }

    fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.file)?)
    }
}
