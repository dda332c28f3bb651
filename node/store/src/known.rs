//! Which disk stood where at the last start, so that a mount point without its disk is not taken for a new disk.
//!
//! Files that are pushed into the directory below a mount point vanish as soon as the disk is mounted again; so do those
//! in a directory that is made there because the one on the disk is not to be seen. So a path that is remembered and has
//! nothing of the store's in it is not used until somebody takes the memory away. The memory is one file beside the
//! index; without it every missing or empty directory is a new disk.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use storgo_protocol::limits::KNOWN_DISKS_BYTES_MAX;

use crate::disk::Disk;
use crate::place::DiskId;

const MAGIC: [u8; 5] = *b"SGKD\x01";
const FILE: &str = "disks";
const FILE_NEW: &str = "disks.new";

/// The disks of the last start by their paths.
///
/// # Shape
/// `"SGKD"`, version 1, then for each disk in the order of their paths: id (16), length of the path (u16), path; last
/// BLAKE3 (32) of all before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct KnownDisks(pub(crate) BTreeMap<PathBuf, DiskId>);

impl KnownDisks {
    /// The file of the memory.
    pub(crate) fn path(index: &Path) -> PathBuf {
        index.join(FILE)
    }

    /// Reads the memory. A damaged one is said and forgotten: it only guards against a mistake.
    pub(crate) fn read(disk: &dyn Disk, index: &Path) -> io::Result<Self> {
        let file = match disk.open(&Self::path(index)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file?,
        };
        let mut bytes = vec![0; KNOWN_DISKS_BYTES_MAX];
        let count = file.read_at(0, &mut bytes)?;
        bytes.truncate(count);
        Ok(Self::decode(&bytes).unwrap_or_else(|| {
            tracing::warn!(path = %Self::path(index).display(), "the memory of the disks is damaged and is made anew");
            Self::default()
        }))
    }

    /// Puts the memory in place of the one that stands there.
    pub(crate) fn write(&self, disk: &dyn Disk, index: &Path) -> io::Result<()> {
        let new = index.join(FILE_NEW);
        match disk.remove(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(&new)?;
        file.write_at(0, &self.encode())?;
        file.sync()?;
        disk.rename(&new, &Self::path(index))?;
        disk.sync_dir(index)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for (path, id) in &self.0 {
            let path = path.as_os_str().as_bytes();
            // The system takes no path as long as that; one that it took would only not be remembered.
            let Ok(bytes) = u16::try_from(path.len()) else { continue };
            out.extend_from_slice(&id.0);
            out.extend_from_slice(&bytes.to_le_bytes());
            out.extend_from_slice(path);
        }
        let checksum = blake3::hash(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<32>()?;
        let mut rest = body.strip_prefix(&MAGIC)?;
        if blake3::hash(body) != *checksum {
            return None;
        }
        let mut known = BTreeMap::new();
        while !rest.is_empty() {
            let (id, behind) = rest.split_first_chunk::<16>()?;
            let (bytes, behind) = behind.split_first_chunk::<2>()?;
            let (path, behind) = behind.split_at_checked(usize::from(u16::from_le_bytes(*bytes)))?;
            known.insert(PathBuf::from(OsStr::from_bytes(path)), DiskId(*id));
            rest = behind;
        }
        Some(Self(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    #[test]
    fn a_memory_decodes_to_itself_and_no_damaged_one_does() {
        let known = KnownDisks([("/a", 1), ("/b/c\n", 2)].map(|(path, n)| (path.into(), DiskId([n; 16]))).into());
        let bytes = known.encode();
        assert_eq!(KnownDisks::decode(&bytes), Some(known));
        for at in 0..bytes.len() {
            for by in 1..=u8::MAX {
                let mut bad = bytes.clone();
                bad[at] ^= by;
                assert_eq!(KnownDisks::decode(&bad), None, "byte {at} by {by:#04x}");
            }
            assert_eq!(KnownDisks::decode(&bytes[..at]), None);
        }
    }

    #[test]
    fn a_damaged_memory_is_forgotten_and_a_new_one_lasts() {
        let (disk, index) = (SimDisk::new(), Path::new("/"));
        let known = KnownDisks([("/a".into(), DiskId([1; 16]))].into());
        disk.create(&index.join(FILE_NEW)).unwrap();
        known.write(&disk, index).unwrap();
        disk.restart(0);
        assert_eq!(KnownDisks::read(&disk, index).unwrap(), known);
        disk.tamper(&index.join(FILE), |bytes| bytes[9] ^= 1).unwrap();
        assert_eq!(KnownDisks::read(&disk, index).unwrap(), KnownDisks::default());
    }
}
