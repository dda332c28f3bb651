//! Reading and writing large files past the page cache, where the file system lets one.
//!
//! What is written once, synced at once and read whole gains nothing from the page cache and pays it dearly: the copy,
//! the pages and their writing back are most of a buffered push (`docs/performance.md` has the figures). The kernel
//! asks for aligned buffers, so bytes pass through buffers that are kept for that. A file system that refuses is
//! served through the page cache. It must not know what the bytes are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use storgo_protocol::limits::{DIRECT_BUFFER_BYTES, DIRECT_BUFFERS_KEPT_MAX, DISK_BLOCK_BYTES};

/// Addresses, offsets and lengths are multiples of this.
const BLOCK: usize = DISK_BLOCK_BYTES;

/// Buffers that were used before, and are used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Buffer>>>);

/// Bytes whose first lies on a block boundary.
#[derive(Debug)]
struct Buffer {
    bytes: Box<[u8]>,
    first: usize,
}

/// The first bytes of a buffer, which goes back to the others when this is dropped.
#[derive(Debug)]
struct Lent {
    buffer: Option<Buffer>,
    bytes: usize,
    home: Buffers,
}

impl Buffers {
    /// A buffer of at least `bytes`.
    fn lend(&self, bytes: usize) -> Lent {
        let kept = if bytes <= DIRECT_BUFFER_BYTES { self.0.lock().pop() } else { None };
        let buffer = kept.unwrap_or_else(|| Buffer::new(bytes.max(DIRECT_BUFFER_BYTES)));
        Lent { buffer: Some(buffer), bytes, home: self.clone() }
    }
}

impl Buffer {
    fn new(bytes: usize) -> Self {
        let bytes = vec![0; bytes.next_multiple_of(BLOCK) + BLOCK].into_boxed_slice();
        let first = bytes.as_ptr().align_offset(BLOCK).min(BLOCK);
        Self { bytes, first }
    }

    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.first..).unwrap_or_default()
    }
}

impl Lent {
    /// All of the buffer, a multiple of [`BLOCK`] and a bit.
    fn as_mut(&mut self) -> &mut [u8] {
        self.buffer.as_mut().map(Buffer::as_mut).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        let all = self.buffer.as_ref().and_then(|buffer| buffer.bytes.get(buffer.first..));
        all.and_then(|bytes| bytes.get(..self.bytes)).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(buffer) = self.buffer.take() else { return };
        let mut kept = self.home.0.lock();
        if kept.len() < DIRECT_BUFFERS_KEPT_MAX && buffer.bytes.len() <= DIRECT_BUFFER_BYTES + BLOCK {
            kept.push(buffer);
        }
    }
}

/// Fills an empty file with `parts`, one behind the other.
pub(super) fn write(file: &File, parts: &[&[u8]], buffers: &Buffers) -> io::Result<()> {
    let written = write_pieces(file, parts, buffers);
    set_direct(file, false)?;
    let bytes = written?;
    // The last block was written whole. To cut it the kernel reads it again, and writes it once more at the next sync.
    if bytes.is_multiple_of(DISK_BLOCK_BYTES as u64) { Ok(()) } else { file.set_len(bytes) }
}

/// Gives how many bytes the parts are.
fn write_pieces(file: &File, parts: &[&[u8]], buffers: &Buffers) -> io::Result<u64> {
    let mut direct = set_direct(file, true)?;
    let mut lent = buffers.lend(DIRECT_BUFFER_BYTES);
    let (mut first, mut filled) = (0, 0);
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            let room = lent.as_mut().get_mut(filled..DIRECT_BUFFER_BYTES).unwrap_or_default();
            let (now, later) = rest.split_at(room.len().min(rest.len()));
            room.get_mut(..now.len()).unwrap_or_default().copy_from_slice(now);
            (rest, filled) = (later, filled + now.len());
            if filled == DIRECT_BUFFER_BYTES {
                direct = write_piece(file, first, lent.as_mut(), filled, direct)?;
                (first, filled) = (first + filled as u64, 0);
            }
        }
    }
    write_piece(file, first, lent.as_mut(), filled, direct)?;
    Ok(first + filled as u64)
}

/// Writes the first `count` bytes of a buffer and what is missing to a whole block; says whether the file system still
/// takes whole blocks.
fn write_piece(file: &File, first: u64, buffer: &mut [u8], count: usize, direct: bool) -> io::Result<bool> {
    if direct {
        let end = count.next_multiple_of(BLOCK);
        buffer.get_mut(count..end).unwrap_or_default().fill(0);
        match file.write_all_at(buffer.get(..end).unwrap_or_default(), first) {
            Err(error) if is_refusal(&error) => drop(set_direct(file, false)?),
            written => return written.map(|()| true),
        }
    }
    file.write_all_at(buffer.get(..count).unwrap_or_default(), first).map(|()| false)
}

/// Reads the first `bytes` bytes of a file.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] if there are fewer, or what the system says.
pub(super) fn read(file: &File, bytes: usize, buffers: &Buffers) -> io::Result<Bytes> {
    let mut lent = buffers.lend(bytes);
    let read = read_blocks(file, lent.as_mut(), bytes);
    set_direct(file, false)?;
    read?;
    Ok(Bytes::from_owner(lent))
}

fn read_blocks(file: &File, buffer: &mut [u8], bytes: usize) -> io::Result<()> {
    let (mut filled, mut direct) = (0, set_direct(file, true)?);
    while filled < bytes {
        let room = buffer.get_mut(filled..bytes.next_multiple_of(BLOCK)).unwrap_or_default();
        match file.read_at(room, filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if direct && is_refusal(&error) => direct = set_direct(file, false)?,
            Err(error) => return Err(error),
        }
        // A read that ended inside a block can only be continued through the page cache.
        if direct && filled < bytes && !filled.is_multiple_of(BLOCK) {
            direct = set_direct(file, false)?;
        }
    }
    Ok(())
}

/// Whether the file system does not do this, at least not with these offsets and lengths.
fn is_refusal(error: &io::Error) -> bool {
    [Errno::INVAL, Errno::OPNOTSUPP].iter().any(|refusal| error.raw_os_error() == Some(refusal.raw_os_error()))
}

/// Turns the page cache off or on for a file; gives whether it is off.
fn set_direct(file: &File, direct: bool) -> io::Result<bool> {
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, direct);
    match fcntl_setfl(file, flags) {
        Ok(()) => Ok(direct),
        Err(Errno::INVAL | Errno::OPNOTSUPP) if direct => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn lengths() -> impl Iterator<Item = usize> {
        let edges = [1, BLOCK, DIRECT_BUFFER_BYTES, 2 * DIRECT_BUFFER_BYTES];
        edges.into_iter().flat_map(|edge| [edge - 1, edge, edge + 1]).chain([300_000])
    }

    /// Every length around the edges comes back, whether the file system takes whole blocks or not; what is read does
    /// not depend on who wrote it.
    fn round_trip(directory: &Path) -> bool {
        let buffers = Buffers::default();
        let mut went_past_the_cache = false;
        for bytes in lengths() {
            let mut wanted = vec![0; bytes];
            blake3::Hasher::new().update(&bytes.to_le_bytes()).finalize_xof().fill(&mut wanted);
            let path = directory.join(bytes.to_string());
            let file = File::create_new(&path).unwrap();
            let (head, tail) = wanted.split_at(bytes / 3);
            write(&file, &[head, &[], tail], &buffers).unwrap();
            went_past_the_cache |= set_direct(&file, true).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), wanted, "{bytes} bytes");
            let file = File::open(&path).unwrap();
            assert_eq!(read(&file, bytes, &buffers).unwrap(), wanted, "{bytes} bytes");
            let short = read(&file, bytes + 1, &buffers).unwrap_err();
            assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
            // The file is an ordinary one again.
            file.read_exact_at(&mut vec![0; bytes.min(7)], 0).unwrap();
        }
        assert!(buffers.0.lock().len() <= DIRECT_BUFFERS_KEPT_MAX);
        went_past_the_cache
    }

    #[test]
    fn any_length_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        println!("past the page cache: {}", round_trip(dir.path()));
    }

    #[test]
    fn buffers_lie_on_blocks_and_are_used_again() {
        let buffers = Buffers::default();
        for bytes in [1, DIRECT_BUFFER_BYTES, DIRECT_BUFFER_BYTES + 1] {
            let mut lent = buffers.lend(bytes);
            assert!(lent.as_mut().as_ptr().addr().is_multiple_of(BLOCK));
            assert!(lent.as_mut().len() >= bytes.next_multiple_of(BLOCK));
            assert_eq!(lent.as_ref().len(), bytes);
        }
        let kept: Vec<_> = (0..2 * DIRECT_BUFFERS_KEPT_MAX).map(|_| buffers.lend(1)).collect();
        drop(kept);
        assert_eq!(buffers.0.lock().len(), DIRECT_BUFFERS_KEPT_MAX);
    }

    #[test]
    fn no_byte_of_an_earlier_use_gets_into_a_file() {
        let (dir, buffers) = (tempfile::tempdir().unwrap(), Buffers::default());
        let file = File::create_new(dir.path().join("a")).unwrap();
        write(&file, &[&vec![7; 2 * BLOCK]], &buffers).unwrap();
        let file = File::create_new(dir.path().join("b")).unwrap();
        write(&file, &[&[9; 10]], &buffers).unwrap();
        // Even behind the file's end.
        file.set_len(BLOCK as u64).unwrap();
        let read = std::fs::read(dir.path().join("b")).unwrap();
        assert!(read[..10] == [9; 10] && read[10..].iter().all(|&byte| byte == 0));
    }
}
