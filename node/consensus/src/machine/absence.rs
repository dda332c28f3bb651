//! Keys that are not there, and were not since somebody looked.
//!
//! A key that comes and goes leaves nothing behind but what is told of it. So that is what is looked through; where it does
//! not reach back, or the key was another group's meanwhile, it is not known, and does not count as absent.

use std::collections::BTreeMap;

use bytes::Bytes;
use storgo_protocol::cluster::EventPlace;
use storgo_protocol::limits::{ABSENCE_BYTES_MAX, ABSENCE_EVENTS_MAX};
use storgo_protocol::meta::{Absence, BucketId, Slot};
use storgo_protocol::{DecodeError, GroupId};

use super::events::{self, PAGE};
use super::view::View;
use super::{MachineError, Reached, Step, damaged, keys, reached};

/// That a key is not there, of one for which this view shows nothing, or a marker.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn absence(view: &dyn View, group: GroupId) -> Result<Absence, MachineError> {
    Ok(Absence { group, index: reached(view)?.index })
}

impl Step<'_> {
    /// Whether it is known that nothing happened to any of these keys of a slot since it was seen not to be there. Whatever does
    /// counts: a marker that is removed brings back what was there before it.
    pub(super) fn were_absent(&self, slot: Slot, keys: &[(BucketId, &Bytes, Absence)]) -> Result<bool, MachineError> {
        let Some(oldest) = keys.iter().map(|(_, _, absence)| absence.index).min() else { return Ok(true) };
        let Reached { oldest_event, .. } = reached(&self.draft)?;
        let first = EventPlace::at(oldest.saturating_add(1));
        let was_here = |absence: &Absence| absence.group == self.group && absence.index < self.index;
        if !keys.iter().all(|(_, _, absence)| was_here(absence)) || first < oldest_event || self.arrived(slot)? > oldest
        {
            return Ok(false);
        }
        let since: BTreeMap<_, _> =
            keys.iter().map(|(bucket, key, absence)| ((*bucket, *key), absence.index)).collect();
        let (mut first, end) = (keys::event(first), keys::event(EventPlace::at(self.index)));
        let (mut events, mut bytes) = (0, 0);
        loop {
            let page = self.draft.scan(&first, &end, PAGE)?;
            for (key, record) in &page {
                (events, bytes) = (events + 1, bytes + record.len());
                if events > ABSENCE_EVENTS_MAX || bytes > ABSENCE_BYTES_MAX {
                    return Ok(false);
                }
                let (place, event) = events::read(key, record)?;
                if since.get(&(event.bucket, &event.key)).is_some_and(|seen| place.index > *seen) {
                    return Ok(false);
                }
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => first = [last.as_ref(), &[0]].concat().into(),
                _ => return Ok(true),
            }
        }
    }

    /// The entry by which a slot came here last, with all that happened to it elsewhere; 0 if it was here from the beginning.
    fn arrived(&self, slot: Slot) -> Result<u64, MachineError> {
        let Some(record) = self.draft.get(&keys::arrived(slot))? else { return Ok(0) };
        let index = record.as_ref().try_into().map_err(|_| damaged("a slot's arrival", DecodeError::Truncated))?;
        Ok(u64::from_be_bytes(index))
    }
}
