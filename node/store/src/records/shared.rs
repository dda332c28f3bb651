//! Where callers and the writer meet: the memory, and the word that it was written.

use parking_lot::{Mutex, MutexGuard};
use storgo_protocol::limits::RECORDS_SHARES;
use tokio::sync::Notify;

use super::memory::Memory;

/// What callers and the writer both see. The lock is held for look-ups and changes in memory, never for a disk.
#[derive(Debug)]
pub(super) struct Shared {
    memory: Mutex<Memory>,
    /// Told after each transaction, and when there will be none any more.
    written: Notify,
    /// Fresh bytes from which on the writer is asked to write.
    fresh_bytes: usize,
}

impl Shared {
    pub(super) fn new(memory: Memory, fresh_bytes: usize) -> Self {
        Self { memory: Mutex::new(memory), written: Notify::new(), fresh_bytes }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock()
    }

    /// Whether there is enough to write.
    pub(super) const fn is_due(&self, memory: &Memory) -> bool {
        memory.fresh_bytes() >= self.fresh_bytes
    }

    /// Bytes of changes that are written at once where nobody waits for more.
    pub(super) const fn share(&self) -> usize {
        self.fresh_bytes.div_ceil(RECORDS_SHARES)
    }

    /// Whether there is enough to write, and somebody who can.
    pub(super) fn must_write(&self) -> bool {
        let memory = self.memory.lock();
        self.is_due(&memory) && memory.check().is_ok()
    }

    /// Waits until the memory has room: a commit may be let in with up to twice as much in it as is due to be written. The
    /// writer goes on until nothing is due, so nobody need ask it again.
    pub(super) async fn room(&self) {
        loop {
            let mut written = std::pin::pin!(self.written.notified());
            // From here on nothing is missed.
            written.as_mut().enable();
            {
                let memory = self.memory.lock();
                if memory.fresh_bytes() < 2 * self.fresh_bytes || memory.check().is_err() {
                    return;
                }
            }
            written.await;
        }
    }

    /// Lets those who wait for room look again.
    pub(super) fn tell_written(&self) {
        self.written.notify_waiters();
    }
}
