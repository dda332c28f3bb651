//! Retries: a request is done once, and its first answer is given again, for as long as a group remembers it.
//!
//! A request's id says when it was formed. It is remembered until its window is over, and refused from then on: so there
//! is no moment at which a late retry could be taken for something new. What is remembered goes with the slot.

use bytes::Bytes;
use storgo_protocol::limits::REQUEST_WINDOW_MS;
use storgo_protocol::meta::{Command, Refused, RefusedKind, Remembered, Reply, RequestId, Slot, SlotState};

use super::view::View as _;
use super::{MachineError, Step, Stop, bucket, damaged, keys, refuse, slot_state};
use crate::planted::{Planted, is_planted};

/// One command in so many looks for records of old requests: to look is to pass over all that were removed lately.
const FORGETS_EVERY: u64 = 256;

/// So many of them it removes: twice as many as were added meanwhile, so that they go away.
const FORGOTTEN_AT_ONCE: usize = 512;

impl Step<'_> {
    /// The answer that this request got before, if it did.
    pub(super) fn answered(&self, slot: Slot, id: RequestId, command: &[u8]) -> Result<Option<Reply>, Stop> {
        if !id.is_current(self.stamp.ms()) {
            let reason = "the request was formed too long ago, or by a clock that is far ahead";
            return Err(refuse(RefusedKind::RequestOld, reason));
        }
        if is_planted(Planted::RetryDoneAgain) {
            return Ok(None);
        }
        let Some(record) = self.draft.get(&keys::request(slot, id))? else { return Ok(None) };
        let known = Remembered::decode(record).map_err(|source| damaged("a request", source))?;
        if known.command != Remembered::fingerprint(command) {
            return Err(refuse(RefusedKind::RequestReused, "another command was sent under this request id"));
        }
        Ok(Some(known.reply))
    }

    /// Remembers an answer, and forgets those whose window is over.
    pub(super) fn remember(
        &self,
        slot: Slot,
        id: RequestId,
        command: &[u8],
        reply: &Reply,
    ) -> Result<(), MachineError> {
        if self.index.is_multiple_of(FORGETS_EVERY) {
            let (first, end) = keys::requests_before(self.stamp.ms().saturating_sub(REQUEST_WINDOW_MS));
            for (old, _) in self.draft.scan(&first, &end, FORGOTTEN_AT_ONCE)? {
                self.draft.remove(old);
            }
        }
        let remembered = Remembered { command: Remembered::fingerprint(command), reply: reply.clone() };
        self.draft.put(keys::request(slot, id), remembered.encode());
        Ok(())
    }

    /// Remembers a refusal that says how things stood; what only came to the wrong place may be tried elsewhere.
    pub(super) fn remember_refusal(&self, command: &Bytes, refused: &Refused) -> Result<(), MachineError> {
        if !refused.is_final() {
            return Ok(());
        }
        let Ok(Command { request: Some(id), action, .. }) = Command::decode(command) else { return Ok(()) };
        let Some((in_bucket, Some(key))) = action.in_bucket() else { return Ok(()) };
        let Some(config) = bucket(&self.draft, in_bucket)? else { return Ok(()) };
        let slot = config.slot(key);
        if slot_state(&self.draft, slot)? != Some(SlotState::Owned) || !id.is_current(self.stamp.ms()) {
            return Ok(());
        }
        self.remember(slot, id, command, &Reply::Refused(refused.clone()))
    }
}
