//! What proposals will come to, told before they are applied.
//!
//! A command's outcome follows from the records and the commands before it ([`machine::apply`]). So a leader that has applied
//! all that was there before its term, and through which alone proposals come, knows the reply to each from the moment that
//! it proposes it: it lays the changes of all that is under way over the records. Some of those may be applied by then; that
//! makes no difference, for what they changed is what is laid over it. It holds as long as what is proposed comes to the
//! log, all of it and in that order ([`Member::comes_as_expected`]).

use storgo_protocol::GroupId;
use storgo_protocol::limits::{AHEAD_BYTES_MAX, AHEAD_MAX};
use storgo_protocol::meta::{Proposal, Reply};

use super::proposals::Room;
use crate::machine::{self, Batch, Draft, MachineError};
use crate::raft::{Looking, Member};

/// From when nothing was under way until nothing is again.
pub(super) struct Foreseen {
    /// What all that was proposed since changes of the records.
    changes: Batch,
    /// The place in the log of the next proposal.
    index: u64,
    room: Room,
}

impl Foreseen {
    /// Begins where nothing is under way; `None` if this member does not lead, or has not applied yet what was there before.
    pub(super) fn begin(member: &Member) -> Option<Self> {
        let index = member.begin_to_expect()?;
        let room = Room { commands: AHEAD_MAX, bytes: AHEAD_BYTES_MAX };
        Some(Self { changes: Batch::new(), index, room })
    }

    /// How much more may be proposed before all that is under way is agreed on.
    pub(super) const fn room(&self) -> Room {
        self.room
    }

    /// The replies to the proposals that come next.
    ///
    /// # Errors
    /// [`MachineError`]; then nothing can be foreseen any more.
    pub(super) fn replies(
        &mut self,
        member: &Member,
        group: GroupId,
        proposals: &[Proposal],
    ) -> Result<Vec<Reply>, MachineError> {
        // Let go of before anything is committed, or the records would keep what it shows besides.
        let records = Looking::at(member.records())?;
        let draft = Draft::with(&records, std::mem::take(&mut self.changes));
        let mut replies = Vec::with_capacity(proposals.len());
        for proposal in proposals {
            let outcome = machine::apply(&draft, group, self.index, proposal)?;
            draft.merge(outcome.batch);
            replies.push(outcome.reply);
            self.index += 1;
            self.room = self.room.without(proposal.command.len());
        }
        self.changes = draft.into_batch();
        Ok(replies)
    }
}
