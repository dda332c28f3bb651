//! redb's file through the [`Disk`](crate::Disk) port.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::DiskFile;

/// Bytes of redb's pages: its files have a whole number of them.
const PAGE_BYTES: u64 = 4096;

/// A file for redb.
#[derive(Debug)]
pub(super) struct Backend {
    file: Box<dyn DiskFile>,
    health: Health,
}

/// The first failure of a file: redb passes over those of its closing.
#[derive(Debug, Clone, Default)]
pub(super) struct Health(Arc<Mutex<Option<Arc<io::Error>>>>);

impl Health {
    /// What failed first, if anything did.
    pub(super) fn failure(&self) -> Option<Arc<io::Error>> {
        self.0.lock().clone()
    }

    fn note<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|error| {
            let copy = || Arc::new(io::Error::new(error.kind(), error.to_string()));
            self.0.lock().get_or_insert_with(copy);
        })
    }
}

impl Backend {
    /// Takes a file. If the power went while the file grew, it may end within a page, which redb takes for damage: it is
    /// filled up. What it held before it grew is not touched.
    pub(super) fn new(file: Box<dyn DiskFile>, health: Health) -> io::Result<Self> {
        let bytes = file.bytes()?;
        if !bytes.is_multiple_of(PAGE_BYTES) {
            file.set_bytes(bytes.next_multiple_of(PAGE_BYTES))?;
        }
        Ok(Self { file, health })
    }
}

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.health.note(self.file.bytes())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.health.note(self.file.read_exact_at(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.health.note(self.file.set_bytes(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.health.note(self.file.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.health.note(self.file.write_at(offset, data))
    }
}
