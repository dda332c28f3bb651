//! Small files that only their owner may read: made once, whichever of several processes comes first, or replaced
//! whole.
//!
//! It knows nothing of what they say. A file either has all its bytes on disk under its name or is not there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use storgo_object::ports::Random;
use storgo_protocol::limits::SMALL_FILE_BYTES_MAX;

use crate::error::{NodeError, io_error};

/// Makes a directory of mode 0700 with its parents, unless it is there.
pub(crate) fn make_directory(path: &Path) -> Result<(), NodeError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error("making", path))
}

/// Reads a file; `None` if it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, NodeError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("opening", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io_error("reading", path))?;
    if bytes.len() as u64 > SMALL_FILE_BYTES_MAX {
        return Err(NodeError::Damaged { path: path.to_owned(), reason: "it is too long to be storgo's".into() });
    }
    Ok(Some(bytes))
}

/// Reads a file, or makes it with `bytes` if there is none. Of several processes that make it at once one wins and
/// all read the same.
pub(crate) fn read_or_make(path: &Path, bytes: &[u8], random: &dyn Random) -> Result<Vec<u8>, NodeError> {
    if let Some(found) = read(path)? {
        return Ok(found);
    }
    let staged = stage(path, bytes, random)?;
    let linked = fs::hard_link(&staged, path);
    fs::remove_file(&staged).map_err(io_error("removing", &staged))?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io_error("making", path)(error)),
        _ => {
            sync_parent(path)?;
            read(path)?.ok_or_else(|| io_error("opening", path)(io::ErrorKind::NotFound.into()))
        }
    }
}

/// Puts `bytes` in the place of whatever the file held.
pub(crate) fn replace(path: &Path, bytes: &[u8], random: &dyn Random) -> Result<(), NodeError> {
    let staged = stage(path, bytes, random)?;
    fs::rename(&staged, path).map_err(io_error("replacing", path))?;
    sync_parent(path)
}

/// Makes the directory's entries durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), NodeError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(io_error("syncing", parent))
}

/// Writes the bytes durably under a name that nobody else uses.
fn stage(path: &Path, bytes: &[u8], random: &dyn Random) -> Result<PathBuf, NodeError> {
    let mut tag = [0; 8];
    random.fill(&mut tag);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}.new", u64::from_le_bytes(tag)));
    let staged = PathBuf::from(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staged)
        .map_err(io_error("making", &staged))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_error("writing", &staged))?;
    Ok(staged)
}
