//! The sign of a clean stop: a file beside the index that stands there only while the index is whole.
//!
//! It is taken away durably before the index is used and put back after everything of the index is synced.

use std::io;
use std::path::Path;

use crate::disk::Disk;

const FILE: &str = "clean";
const CONTENT: [u8; 5] = *b"SGCL\x01";

/// Takes the sign away and says whether it was there.
pub(crate) fn take(disk: &dyn Disk, index: &Path) -> io::Result<bool> {
    let path = index.join(FILE);
    let mut content = [0; CONTENT.len() + 1];
    let count = match disk.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?.read_at(0, &mut content)?,
    };
    disk.remove(&path)?;
    disk.sync_dir(index)?;
    Ok(content.get(..count) == Some(&CONTENT))
}

/// Puts the sign up.
pub(crate) fn put(disk: &dyn Disk, index: &Path) -> io::Result<()> {
    let file = disk.create(&index.join(FILE))?;
    file.write_at(0, &CONTENT)?;
    file.sync()?;
    disk.sync_dir(index)
}
