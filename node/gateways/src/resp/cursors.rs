//! Cursors of scans: numbers for clients, places in the order of keys for listings.
//!
//! A client may use a cursor again, or none of those that it was given, so they are kept for as long as there is room: the
//! one that was not asked for the longest goes first.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;
use storgo_protocol::limits::RESP_CURSORS_MAX;

/// Places by numbers. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Cursors(Arc<Mutex<LruCache<u64, Bytes>>>);

impl Default for Cursors {
    fn default() -> Self {
        let most = NonZeroUsize::new(RESP_CURSORS_MAX).unwrap_or(NonZeroUsize::MIN);
        Self(Arc::new(Mutex::new(LruCache::new(most))))
    }
}

impl Cursors {
    /// Keeps the place behind a key under a number that was drawn: at another door, or after a restart, it stands for nothing
    /// rather than for another scan's place.
    pub(super) fn keep(&self, drawn: u64, key: Bytes) -> u64 {
        self.0.lock().put(drawn, key);
        drawn
    }

    /// The place that a number stands for.
    pub(super) fn place(&self, number: u64) -> Option<Bytes> {
        self.0.lock().get(&number).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_least_lately_has_to_begin_again() {
        let (cursors, most) = (Cursors::default(), RESP_CURSORS_MAX as u64);
        for n in 1..=most {
            cursors.keep(n, "b".into());
        }
        assert_eq!(cursors.place(1), Some("b".into()));
        cursors.keep(most + 1, "c".into());
        assert_eq!((cursors.place(1), cursors.place(2)), (Some("b".into()), None));
        assert_eq!(cursors.place(0), None);
    }
}
