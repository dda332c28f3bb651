//! What happened, in the order of the log, for as long as it is kept.

use bytes::Bytes;
use storgo_protocol::DecodeError;
use storgo_protocol::cluster::{EventPlace, Happened, Since};
use storgo_protocol::limits::EVENTS_KEPT;
use storgo_protocol::meta::{BucketId, StorageEvent};

use super::view::View;
use super::{MachineError, Step, damaged, keys, last_stamp_and_index};

/// Events that are read at once: each can be as long as the longest key.
const PAGE: usize = 32;

impl Step<'_> {
    /// Keeps what happened, and forgets what is too old since this entry and was not since the `last` command's: no more
    /// is looked at, because rows that were removed lately are passed over one by one.
    pub(super) fn keep_events(&mut self, index: u64, last: u64) -> Result<(), MachineError> {
        let (first, end) = (keys::event(oldest(last)), keys::event(oldest(index)));
        for (old, _) in self.draft.scan(&first, &end, usize::MAX)? {
            self.draft.remove(old);
        }
        for (number, event) in (0..).zip(&self.events) {
            self.draft.put(keys::event(EventPlace { index, number }), event.encode());
        }
        Ok(())
    }
}

/// The oldest place whose events are kept when this entry was the last.
const fn oldest(last: u64) -> EventPlace {
    EventPlace::at(last.saturating_sub(EVENTS_KEPT))
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
    let (_, last) = last_stamp_and_index(view)?;
    let (oldest, now) = (oldest(last), EventPlace::at(last.saturating_add(1)));
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

fn read(key: &Bytes, record: &Bytes) -> Result<(EventPlace, StorageEvent), MachineError> {
    let place = keys::read_event(key).ok_or_else(|| damaged("an event", DecodeError::Truncated))?;
    let event = StorageEvent::decode(record.clone()).map_err(|source| damaged("an event", source))?;
    Ok((place, event))
}
