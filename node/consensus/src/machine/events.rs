//! What happened, in the order of the log, for as long as it is kept.

use storgo_protocol::limits::EVENTS_KEPT;
use storgo_protocol::meta::StorageEvent;

use super::view::View;
use super::{MachineError, Step, damaged, keys, read_stamp};

impl Step<'_> {
    /// Keeps what happened, and forgets what is too old since this entry and was not since the `last` command's: no more
    /// is looked at, because rows that were removed lately are passed over one by one.
    pub(super) fn keep_events(&mut self, index: u64, last: u64) -> Result<(), MachineError> {
        let oldest = |index: u64| keys::event(index.saturating_sub(EVENTS_KEPT), 0);
        for (old, _) in self.draft.scan(&oldest(last), &oldest(index), usize::MAX)? {
            self.draft.remove(old);
        }
        for (number, event) in (0..).zip(&self.events) {
            self.draft.put(keys::event(index, number), event.encode());
        }
        Ok(())
    }
}

/// Why events cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventsError {
    /// Those asked for are not kept any more: what happened since must be found out otherwise.
    #[error("events before log index {oldest} are not kept")]
    Gone {
        /// The oldest index that can be asked for.
        oldest: u64,
    },
    /// The records cannot be read.
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// The events of the entries from `index` on, each with its index, at most `limit` of them or a few more: those of one
/// entry are never torn apart.
///
/// # Errors
/// [`EventsError::Gone`] if the events from there on are not all kept.
pub fn events(view: &dyn View, index: u64, limit: usize) -> Result<Vec<(u64, StorageEvent)>, EventsError> {
    let last = view.get(&keys::last_stamp())?.map(|record| read_stamp(&record)).transpose()?;
    let oldest = last.map_or(0, |(_, last)| last.saturating_sub(EVENTS_KEPT));
    if index < oldest {
        return Err(EventsError::Gone { oldest });
    }
    let mut records = view.scan(&keys::event(index, 0), &keys::event(u64::MAX, 0), limit)?;
    if let Some(last) = records.last().and_then(|(key, _)| keys::event_index(key)) {
        let behind = records.last().map(|(key, _)| [key.as_ref(), &[0]].concat()).unwrap_or_default();
        let end = keys::event(last.saturating_add(1), 0);
        records.extend(view.scan(&behind, &end, usize::MAX)?);
    }
    let decode = |(key, value): super::Pair| {
        let truncated = || damaged("an event", storgo_protocol::DecodeError::Truncated);
        let index = keys::event_index(&key).ok_or_else(truncated)?;
        Ok((index, StorageEvent::decode(value).map_err(|source| damaged("an event", source))?))
    };
    records.into_iter().map(decode).collect()
}
