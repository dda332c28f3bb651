//! Versions whose time is over. Only a stamp decides that, so all members remove the same ones; until then they are there.

use storgo_protocol::limits::EXPIRED_AT_ONCE_MAX;
use storgo_protocol::meta::{EventKind, Reply, SlotState};

use super::view::View;
use super::{MachineError, Step, Stop, damaged, keys, slot_state, write};

impl Step<'_> {
    pub(super) fn tick(&mut self) -> Result<Reply, Stop> {
        let (first, end) = keys::expired(self.stamp.ms());
        let mut count = 0;
        for (due, _) in self.draft.scan(&first, &end, EXPIRED_AT_ONCE_MAX)? {
            let record = keys::expiring(&due).unwrap_or_default();
            let of = keys::read_version(&record)
                .ok_or_else(|| damaged("an expiry", storgo_protocol::DecodeError::Truncated))?;
            // A slot on its way stays as it was when it was frozen.
            if slot_state(&self.draft, of.slot)? != Some(SlotState::Owned) {
                continue;
            }
            let Some(version) = self.draft.get(&record)?.map(|record| write::decode(&record)).transpose()? else {
                self.draft.remove(due);
                continue;
            };
            match self.remove_record(record, of.bucket, of.name, &version, EventKind::Expired) {
                Ok(()) => count += 1,
                // A lock outlives an expiry: whoever takes the lock away deletes.
                Err(Stop::Refused(_)) => self.draft.remove(due),
                Err(failed @ Stop::Failed(_)) => return Err(failed),
            }
        }
        Ok(Reply::Done { count })
    }
}

/// Whether something expires up to and with this time, so that a leader proposes a tick.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn is_due(view: &dyn View, now_ms: u64) -> Result<bool, MachineError> {
    let (first, end) = keys::expired(now_ms);
    Ok(!view.scan(&first, &end, 1)?.is_empty())
}
