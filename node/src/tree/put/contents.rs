//! The contents of a tree: each file read once, and equal ones written once.
//!
//! A large file whose length came before is hashed first, and read a second time only if it is new. A file that changes
//! meanwhile is noticed; what was read of it is what is stored.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek as _};
use std::os::unix::fs::MetadataExt as _;

use storgo_protocol::limits::{TREE_BLOCK_BYTES, TREE_SMALL_FILE_BYTES};

use super::pipe::{PipeWriter, Stopped};

/// Writes files into the pipe.
#[derive(Debug)]
pub(super) struct Contents {
    pipe: PipeWriter,
    /// Where bytes of this length and hash stand.
    known: HashMap<(u64, blake3::Hash), u64>,
    lengths: HashSet<u64>,
    buffer: Vec<u8>,
    /// Files that were there already, and their bytes.
    pub(super) shared_files: u64,
    pub(super) shared_bytes: u64,
}

/// Where a file's bytes stand.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) hash: blake3::Hash,
    /// Whether the file changed while it was read.
    pub(super) changed: bool,
}

/// Why a file could not be stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContentsError {
    #[error("the file could not be read")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Contents {
    pub(super) fn new(pipe: PipeWriter) -> Self {
        Self {
            pipe,
            known: HashMap::new(),
            lengths: HashSet::new(),
            buffer: Vec::new(),
            shared_files: 0,
            shared_bytes: 0,
        }
    }

    /// Bytes of all contents so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.pipe.written()
    }

    /// Stores a file that was opened a moment ago.
    pub(super) fn add(&mut self, file: &mut File) -> Result<Stored, ContentsError> {
        let before = file.metadata()?;
        let length = before.len();
        let mut stored =
            if length <= TREE_SMALL_FILE_BYTES { self.add_small(file, length)? } else { self.add_large(file, length)? };
        // A byte behind what was read, or one less, changes the length too; some file systems tell no true length.
        let more = file.read(&mut [0])? > 0;
        stored.changed = more || stored.bytes != length || state(&before) != state(&file.metadata()?);
        Ok(stored)
    }

    /// Everything behind the contents, and the end.
    pub(super) fn end(mut self, rest: &[u8]) -> Result<(), Stopped> {
        self.pipe.write(rest)?;
        self.pipe.end()
    }

    fn add_small(&mut self, file: &mut File, length: u64) -> Result<Stored, ContentsError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        file.take(length).read_to_end(&mut buffer)?;
        let (bytes, hash) = (buffer.len() as u64, blake3::hash(&buffer));
        let offset = if let Some(offset) = self.find(bytes, hash) {
            offset
        } else {
            let offset = self.pipe.written();
            self.pipe.write(&buffer)?;
            self.note(bytes, hash, offset)
        };
        self.buffer = buffer;
        Ok(Stored { offset, bytes, hash, changed: false })
    }

    fn add_large(&mut self, file: &mut File, length: u64) -> Result<Stored, ContentsError> {
        if self.lengths.contains(&length) {
            let (bytes, hash) = self.read(file, length, |_, _| Ok(()))?;
            if let Some(offset) = self.find(bytes, hash) {
                return Ok(Stored { offset, bytes, hash, changed: false });
            }
            file.rewind()?;
        }
        let offset = self.pipe.written();
        let (bytes, hash) = self.read(file, length, PipeWriter::write)?;
        let offset = self.note(bytes, hash, offset);
        Ok(Stored { offset, bytes, hash, changed: false })
    }

    /// Reads at most `length` bytes, so that a file that grows as fast as it is read has an end.
    fn read(
        &mut self,
        file: &mut File,
        length: u64,
        mut take: impl FnMut(&mut PipeWriter, &[u8]) -> Result<(), Stopped>,
    ) -> Result<(u64, blake3::Hash), ContentsError> {
        let mut hasher = blake3::Hasher::new();
        let mut file = file.take(length);
        self.buffer.resize(TREE_BLOCK_BYTES, 0);
        loop {
            let read = match file.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let Some(bytes) = self.buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            hasher.update(bytes);
            take(&mut self.pipe, bytes)?;
        }
        Ok((length - file.limit(), hasher.finalize()))
    }

    fn find(&mut self, bytes: u64, hash: blake3::Hash) -> Option<u64> {
        if bytes == 0 {
            return Some(0);
        }
        let offset = self.known.get(&(bytes, hash)).copied()?;
        self.shared_files += 1;
        self.shared_bytes += bytes;
        Some(offset)
    }

    /// Remembers what was just written; gives the offset that its item has.
    fn note(&mut self, bytes: u64, hash: blake3::Hash, offset: u64) -> u64 {
        if bytes == 0 {
            return 0;
        }
        self.lengths.insert(bytes);
        *self.known.entry((bytes, hash)).or_insert(offset)
    }
}

/// What changes when a file does.
fn state(metadata: &Metadata) -> (u64, i64, i64, i64, i64) {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom};
    use std::os::unix::fs::FileExt as _;
    use std::thread;
    use std::time::{Duration, Instant, UNIX_EPOCH};

    use storgo_protocol::limits::TREE_BLOCKS_MAX;

    use super::super::pipe::pipe;
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.set_modified(UNIX_EPOCH).unwrap();
        file
    }

    #[test]
    fn a_file_that_ends_early_or_goes_on_is_said_to_have_changed() {
        let (writer, _reader) = pipe();
        let mut contents = Contents::new(writer);
        let mut whole = file(b"0123456789");
        let stored = contents.add(&mut whole).unwrap();
        assert!(!stored.changed && stored.bytes == 10 && stored.hash == blake3::hash(b"0123456789"));
        let mut short = file(b"0123456789");
        short.seek(SeekFrom::Start(5)).unwrap();
        let stored = contents.add(&mut short).unwrap();
        assert!(stored.changed && stored.bytes == 5 && stored.hash == blake3::hash(b"56789"));
        // Has bytes, and says that it has none.
        let stored = contents.add(&mut File::open("/proc/self/status").unwrap()).unwrap();
        assert!(stored.changed && stored.bytes == 0);
    }

    #[test]
    fn a_file_that_is_written_to_while_it_is_read_is_said_to_have_changed() {
        let large = file(&vec![7; 4 * TREE_BLOCKS_MAX * TREE_BLOCK_BYTES]);
        let (writer, reader) = pipe();
        let mut reading = large.try_clone().unwrap();
        reading.rewind().unwrap();
        let adding = thread::spawn(move || Contents::new(writer).add(&mut reading));
        let deadline = Instant::now() + Duration::from_mins(1);
        while reader.waiting() < TREE_BLOCKS_MAX {
            assert!(Instant::now() < deadline, "the pipe does not fill");
            thread::yield_now();
        }
        large.write_all_at(b"8", 0).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut reader = reader;
        runtime.block_on(async {
            // Ends with an error, since nobody says that this was all.
            let _cut = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
        });
        let stored = adding.join().unwrap().unwrap();
        assert!(stored.changed && stored.bytes == large.metadata().unwrap().len());
    }
}
