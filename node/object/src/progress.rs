//! How far an operation is: counters that a caller watches while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared counters; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    total: AtomicU64,
    done: AtomicU64,
    decoded: AtomicU64,
    moved: AtomicU64,
}

impl Progress {
    /// Plaintext bytes there are to do; 0 while nobody knows.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    /// Plaintext bytes done.
    #[must_use]
    pub fn done_bytes(&self) -> u64 {
        self.0.done.load(Ordering::Relaxed)
    }

    /// Chunks that had to be decoded from parity.
    #[must_use]
    pub fn decoded_chunks(&self) -> u64 {
        self.0.decoded.load(Ordering::Relaxed)
    }

    /// Payload bytes that went over the network.
    #[must_use]
    pub fn moved_bytes(&self) -> u64 {
        self.0.moved.load(Ordering::Relaxed)
    }

    /// Says how much there is to do.
    pub fn set_total(&self, bytes: u64) {
        self.0.total.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_done(&self, bytes: u64) {
        self.0.done.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_decoded(&self) {
        self.0.decoded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_moved(&self, bytes: u64) {
        self.0.moved.fetch_add(bytes, Ordering::Relaxed);
    }
}
