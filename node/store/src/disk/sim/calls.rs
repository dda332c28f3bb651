//! The calls of the [`Disk`] port on a simulated disk, each counted and each able to fail.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::{Inode, SimDisk, SimFile, lost};
use crate::disk::{Disk, DiskFile, Space};

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let empty = Inode::File { now: Vec::new(), durable: Vec::new(), lost: false };
        let inode = self.call("create", path, |state| state.add(path, empty))?;
        Ok(self.file(inode, path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open_file(path)
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename", to, |state| {
            let inode = state.find(from)?;
            let (entries, name) = state.entry(to)?;
            entries.insert(name.to_owned(), inode);
            let (entries, name) = state.entry(from)?;
            entries.remove(name);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call("remove", path, |state| {
            let (entries, name) = state.entry(path)?;
            entries.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let empty = Inode::Dir { now: BTreeMap::new(), durable: BTreeMap::new() };
        self.call("make_dir", path, |state| match state.add(path, empty) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            added => added.map(drop),
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call("sync_dir", path, |state| {
            let inode = state.find(path)?;
            match state.inodes.get_mut(&inode) {
                Some(Inode::Dir { now, durable }) => durable.clone_from(now),
                _ => return Err(io::ErrorKind::NotADirectory.into()),
            }
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.call("list", path, |state| match state.inodes.get(&state.find(path)?) {
            Some(Inode::Dir { now, .. }) => Ok(now.keys().cloned().collect()),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        })
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.call("space", path, |state| state.find(path).map(|_| Space { free_bytes: state.free_bytes }))
    }
}

impl DiskFile for SimFile {
    fn write_at(&self, first: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.call("write", &self.path, |state| {
            let (now, _, _) = state.file(self.inode)?;
            let first = usize::try_from(first).map_err(io::Error::other)?;
            let end = first + bytes.len();
            if now.len() < end {
                now.resize(end, 0);
            }
            now.splice(first..end, bytes.iter().copied());
            Ok(())
        })
    }

    fn read_at(&self, first: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.call("read", &self.path, |state| {
            let (now, _, _) = state.file(self.inode)?;
            let found = usize::try_from(first).ok().and_then(|first| now.get(first..)).unwrap_or_default();
            Ok(buffer.iter_mut().zip(found).map(|(to, from)| *to = *from).count())
        })
    }

    fn fill(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut first = 0;
        for part in parts {
            self.write_at(first, part)?;
            first += part.len() as u64;
        }
        Ok(())
    }

    fn read_first(&self, bytes: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; bytes];
        (self as &dyn DiskFile).read_exact_at(0, &mut buffer)?;
        Ok(buffer.into())
    }

    fn bytes(&self) -> io::Result<u64> {
        self.disk.call("bytes", &self.path, |state| Ok(state.file(self.inode)?.0.len() as u64))
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.disk.call("set_bytes", &self.path, |state| {
            let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
            state.file(self.inode)?.0.resize(bytes, 0);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync_call(&self.path, self.inode)
    }

    fn lock(&self) -> io::Result<()> {
        // One process is simulated at a time, and a crash lets go of what it had locked.
        Ok(())
    }

    fn sync_file_system(&self) -> io::Result<()> {
        self.disk.wait_at_gate(&self.path);
        let synced = self.disk.call("sync_file_system", &self.path, |state| {
            if self.told.swap(state.lost_writes, Ordering::Relaxed) < state.lost_writes {
                return Err(lost());
            }
            for inode in state.inodes.values_mut() {
                match inode {
                    Inode::File { now, durable, lost } if !*lost => durable.clone_from(now),
                    Inode::File { .. } => {}
                    Inode::Dir { now, durable } => durable.clone_from(now),
                }
            }
            Ok(())
        });
        if synced.is_err() {
            for inode in self.disk.0.lock().inodes.values_mut() {
                if let Inode::File { now, durable, lost } = inode {
                    *lost |= now != durable;
                }
            }
        }
        synced
    }
}
