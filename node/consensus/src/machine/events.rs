//! What happened, in the order of the log, as much as is kept.

use bytes::Bytes;
use storgo_protocol::DecodeError;
use storgo_protocol::cluster::{EventPlace, Happened, Since};
use storgo_protocol::limits::EVENTS_KEPT;
use storgo_protocol::meta::{BucketId, StorageEvent};

use super::view::View;
use super::{MachineError, Reached, Step, damaged, keys, reached};

/// Events that are read at once: each can be as long as the longest key.
pub(super) const PAGE: usize = 32;

impl Step<'_> {
    /// Keeps what happened, and forgets the oldest of what is too much then: the place before which nothing is kept from now
    /// on, and how much is.
    pub(super) fn keep_events(&mut self, before: &Reached) -> Result<(EventPlace, u64), MachineError> {
        for (number, event) in (0..).zip(&self.events) {
            self.draft.put(keys::event(EventPlace { index: self.index, number }), event.encode());
        }
        let (mut oldest, mut kept) = (before.oldest_event, before.events_kept.saturating_add(self.events.len() as u64));
        let excess = usize::try_from(kept.saturating_sub(EVENTS_KEPT)).unwrap_or(usize::MAX);
        // From where the oldest stands, because rows that were removed lately are passed over one by one.
        let end = keys::event(EventPlace::at(self.index.saturating_add(1)));
        for (old, _) in self.draft.scan(&keys::event(oldest), &end, excess)? {
            let place = keys::read_event(&old).ok_or_else(|| damaged("an event", DecodeError::Truncated))?;
            oldest = EventPlace { number: place.number.saturating_add(1), ..place };
            kept = kept.saturating_sub(1);
            self.draft.remove(old);
        }
        Ok((oldest, kept))
    }
}

/// What happened to the keys of a bucket, or of all: of `looked_max` events at the most, and as many as fit `bytes_max`,
/// but at least one.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn events(
    view: &dyn View,
    of: Option<BucketId>,
    since: Since,
    looked_max: usize,
    mut bytes_max: usize,
) -> Result<Happened, MachineError> {
    let Reached { index: last, oldest_event: oldest, .. } = reached(view)?;
    let now = EventPlace::at(last.saturating_add(1));
    let since = match since {
        Since::Oldest => oldest,
        Since::Place(place) => place,
        Since::Now => now,
    };
    // Who saw more at another member than is applied here goes on where it was.
    let mut found = Happened { next: since.max(now), missed: since < oldest, ..Happened::default() };
    let (mut first, end) = (keys::event(since.max(oldest)), keys::event(now));
    let (mut looked, mut until) = (0, None);
    loop {
        let page = view.scan(&first, &end, PAGE)?;
        let is_last = page.len() < PAGE;
        for (key, record) in page {
            let (place, event) = read(&key, &record)?;
            let fits = record.len() <= bytes_max || found.events.is_empty();
            if looked == looked_max || !fits {
                (found.next, found.more_behind) = (place, until);
                return Ok(found);
            }
            (looked, until) = (looked + 1, Some(event.stamp));
            first = [key.as_ref(), &[0]].concat().into();
            if of.is_none_or(|bucket| bucket == event.bucket) {
                bytes_max = bytes_max.saturating_sub(record.len());
                found.events.push((place, event));
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}

pub(super) fn read(key: &Bytes, record: &Bytes) -> Result<(EventPlace, StorageEvent), MachineError> {
    let place = keys::read_event(key).ok_or_else(|| damaged("an event", DecodeError::Truncated))?;
    let event = StorageEvent::decode(record.clone()).map_err(|source| damaged("an event", source))?;
    Ok((place, event))
}
