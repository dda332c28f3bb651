//! The sign of a clean stop: a file beside the index that stands there only while the index is whole.
//!
//! It is taken away durably before the index is used and put back after everything of the index is synced. It carries
//! the digest of all entries, because sled takes a damaged end of its log for a torn one and forgets it silently.

use std::io;
use std::path::Path;

use crate::disk::Disk;

const FILE: &str = "clean";
const MAGIC: [u8; 5] = *b"SGCL\x01";
const BYTES: usize = MAGIC.len() + 32;

/// Takes the sign away; gives the digest of the index that was left, if the last stop was clean.
pub(crate) fn take(disk: &dyn Disk, index: &Path) -> io::Result<Option<[u8; 32]>> {
    let path = index.join(FILE);
    let mut content = [0; BYTES + 1];
    let count = match disk.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?.read_at(0, &mut content)?,
    };
    disk.remove(&path)?;
    disk.sync_dir(index)?;
    let digest = content.get(..count).and_then(|content| content.strip_prefix(&MAGIC));
    Ok(digest.and_then(|digest| digest.try_into().ok()))
}

/// Puts the sign up, for an index with this digest.
pub(crate) fn put(disk: &dyn Disk, index: &Path, digest: [u8; 32]) -> io::Result<()> {
    let file = disk.create(&index.join(FILE))?;
    file.write_at(0, &[MAGIC.as_slice(), &digest].concat())?;
    file.sync()?;
    disk.sync_dir(index)
}
