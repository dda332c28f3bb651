//! What a data directory looks like inside, and the id that stands in it.
//!
//! ```text
//!   disk                       the disk's id
//!   leases                     the lease log
//!   shards/00 … shards/ff      shard files, by the first byte of the stripe id
//!   nodes/00 … nodes/ff        nodes, the layout records and publish marks beside them
//!   tmp                        files that are not yet in place; those are removed at each start
//!   quarantine                 files that failed their check
//! ```
//!
//! The directories are made once, so that a push adds one name and syncs one directory. The id is written last: where
//! it stands, everything else does.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use storgo_object::ports::Random;

use crate::disk::{Disk, DiskFile};
use crate::item::{Item, bucket};
use crate::leases::{self, LeaseLog};
use crate::place::DiskId;
use crate::volume::{QUARANTINE, TMP};

const MAGIC: [u8; 4] = *b"SGDK";
const VERSION: u8 = 1;
/// The id's name in a data directory.
pub(crate) const FILE: &str = "disk";
const FILE_BYTES: usize = 5 + 16 + 32;

/// A data directory that is this process's alone, for as long as `file` is open.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) id: DiskId,
    /// The file of the id, locked: two processes that appended to one lease log would lose each other's leases.
    pub(crate) file: Arc<dyn DiskFile>,
}

/// Opens a data directory, and makes it ready if it is new.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if its id is damaged or a newer program's; [`io::ErrorKind::WouldBlock`] if another
/// process uses it; what the system says.
pub(crate) fn open(disk: &dyn Disk, root: &Path, random: &dyn Random) -> io::Result<Home> {
    make_path(disk, root)?;
    let known = read_id(disk, root)?;
    // Before anything is changed: what looks left over may be another process's work.
    let locked = known.map(|_| lock(disk, root)).transpose()?;
    make_directories(disk, root)?;
    empty(disk, &root.join(TMP))?;
    let names: HashSet<_> = disk.list(root)?.into_iter().collect();
    if !names.contains(leases::FILE.as_ref() as &std::ffi::OsStr) {
        if known.is_some() {
            tracing::warn!(disk = %root.display(), "the lease log is gone; an empty one takes its place");
        }
        LeaseLog::create(disk, root, &root.join(TMP).join(leases::FILE))?;
        disk.sync_dir(root)?;
    }
    if let (Some(id), Some(file)) = (known, locked) {
        return Ok(Home { id, file });
    }
    let mut id = [0; 16];
    random.fill(&mut id);
    let id = write_id(disk, root, DiskId(id))?;
    Ok(Home { id, file: lock(disk, root)? })
}

fn lock(disk: &dyn Disk, root: &Path) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.open(&root.join(FILE))?;
    file.lock().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(error.kind(), "another node uses this data directory"),
        _ => error,
    })?;
    Ok(file.into())
}

/// Makes a directory and those above it, as far as they are missing.
pub(crate) fn make_path(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match (disk.list(path), parent) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            make_path(disk, parent)?;
            disk.make_dir(path)?;
            disk.sync_dir(parent)
        }
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => disk.make_dir(path),
        (listed, _) => listed.map(drop),
    }
}

fn make_directories(disk: &dyn Disk, root: &Path) -> io::Result<()> {
    let below = Item::ROOTS.iter().chain(&[TMP, QUARANTINE]).map(|&name| name.to_owned());
    make_missing(disk, root, below)?;
    Item::ROOTS.iter().try_for_each(|name| make_missing(disk, &root.join(name), (0..=u8::MAX).map(bucket)))
}

fn make_missing(disk: &dyn Disk, parent: &Path, names: impl Iterator<Item = String>) -> io::Result<()> {
    let there: HashSet<_> = disk.list(parent)?.into_iter().collect();
    let missing: Vec<_> = names.filter(|name| !there.contains(name.as_ref() as &std::ffi::OsStr)).collect();
    missing.iter().try_for_each(|name| disk.make_dir(&parent.join(name)))?;
    // Also when nothing is missing: an earlier start may have died between making and syncing.
    disk.sync_dir(parent)
}

/// Takes the store's own temporary files away, and nobody else's: the directory may be one that was named by mistake.
fn empty(disk: &dyn Disk, tmp: &Path) -> io::Result<()> {
    for name in disk.list(tmp)? {
        let own = name == FILE || name == leases::FILE || name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        if own {
            disk.remove(&tmp.join(name))?;
        } else {
            tracing::warn!(path = %tmp.join(name).display(), "a file that is not storgo's is left alone");
        }
    }
    Ok(())
}

fn read_id(disk: &dyn Disk, root: &Path) -> io::Result<Option<DiskId>> {
    let file = match disk.open(&root.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = [0; FILE_BYTES + 1];
    let count = file.read_at(0, &mut bytes)?;
    let found = bytes.get(..count).unwrap_or_default();
    let refuse = |reason| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    if found.starts_with(&MAGIC) && found.get(4).is_some_and(|&version| version > VERSION) {
        return refuse("a newer storgo wrote this data directory");
    }
    match decode(found) {
        Some(id) => Ok(Some(id)),
        None => refuse("the disk's id is damaged"),
    }
}

fn write_id(disk: &dyn Disk, root: &Path, id: DiskId) -> io::Result<DiskId> {
    let tmp = root.join(TMP).join(FILE);
    let file = disk.create(&tmp)?;
    file.write_at(0, &encode(id))?;
    file.sync()?;
    disk.rename(&tmp, &root.join(FILE))?;
    disk.sync_dir(root)?;
    Ok(id)
}

fn encode(id: DiskId) -> Vec<u8> {
    let body = [MAGIC.as_slice(), &[VERSION], &id.0].concat();
    let checksum = blake3::hash(&body);
    [body.as_slice(), checksum.as_bytes()].concat()
}

fn decode(bytes: &[u8]) -> Option<DiskId> {
    let (body, checksum) = bytes.split_last_chunk::<32>()?;
    let id = body.strip_prefix(&MAGIC)?.strip_prefix(&[VERSION])?;
    (blake3::hash(body) == *checksum).then_some(DiskId(id.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_decodes_to_itself_and_no_damaged_one_does() {
        let id = DiskId(*b"0123456789abcdef");
        let bytes = encode(id);
        assert_eq!((decode(&bytes), bytes.len()), (Some(id), FILE_BYTES));
        for at in 0..bytes.len() {
            for by in 1..=u8::MAX {
                let mut bad = bytes.clone();
                bad[at] ^= by;
                assert_eq!(decode(&bad), None, "byte {at} by {by:#04x}");
            }
            assert_eq!(decode(&bytes[..at]), None);
        }
    }
}
