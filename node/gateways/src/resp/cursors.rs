//! Cursors of scans: numbers for clients, places in a walk over all keys.
//!
//! A client may use a cursor again, or none of those that it was given, so they are kept for as long as there is room: the
//! one that was not asked for the longest goes first.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use storgo_protocol::limits::RESP_CURSORS_MAX;

use super::position::Position;

/// Places by numbers. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Cursors(Arc<Mutex<LruCache<u64, Position>>>);

impl Default for Cursors {
    fn default() -> Self {
        let most = NonZeroUsize::new(RESP_CURSORS_MAX).unwrap_or(NonZeroUsize::MIN);
        Self(Arc::new(Mutex::new(LruCache::new(most))))
    }
}

impl Cursors {
    /// Keeps a place under a number that was drawn: at another door, or after a restart, it stands for nothing
    /// rather than for another scan's place.
    pub(super) fn keep(&self, drawn: u64, place: Position) -> u64 {
        self.0.lock().put(drawn, place);
        drawn
    }

    /// The place that a number stands for.
    pub(super) fn place(&self, number: u64) -> Option<Position> {
        self.0.lock().get(&number).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_least_lately_has_to_begin_again() {
        let (cursors, most) = (Cursors::default(), RESP_CURSORS_MAX as u64);
        let [b, c] = ["{b}", "{c}"].map(|tag| Position::start(tag.as_bytes()));
        for n in 1..=most {
            cursors.keep(n, b.clone());
        }
        assert_eq!(cursors.place(1), Some(b.clone()));
        cursors.keep(most + 1, c);
        assert_eq!((cursors.place(1), cursors.place(2)), (Some(b), None));
        assert_eq!(cursors.place(0), None);
    }
}
