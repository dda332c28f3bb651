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

/// Numbers of places. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Cursors(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    places: LruCache<u64, Bytes>,
    last: u64,
}

impl Default for Cursors {
    fn default() -> Self {
        let most = NonZeroUsize::new(RESP_CURSORS_MAX).unwrap_or(NonZeroUsize::MIN);
        Self(Arc::new(Mutex::new(Kept { places: LruCache::new(most), last: 0 })))
    }
}

impl Cursors {
    /// A number for the place behind a key.
    pub(super) fn number(&self, key: Bytes) -> u64 {
        let mut kept = self.0.lock();
        kept.last += 1;
        let number = kept.last;
        kept.places.put(number, key);
        number
    }

    /// The place that a number stands for.
    pub(super) fn place(&self, number: u64) -> Option<Bytes> {
        self.0.lock().places.get(&number).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_least_lately_has_to_begin_again() {
        let cursors = Cursors::default();
        let first = cursors.number("a".into());
        for _ in 1..RESP_CURSORS_MAX {
            cursors.number("b".into());
        }
        assert_eq!(cursors.place(first), Some("a".into()));
        cursors.number("c".into());
        assert_eq!((cursors.place(first), cursors.place(first + 1)), (Some("a".into()), None));
        assert_eq!(cursors.place(0), None);
    }
}
