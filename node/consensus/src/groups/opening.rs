//! Groups that are opened here, closed, started again, and forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use storgo_protocol::GroupId;

use super::error::GroupError;
use super::proposals::Proposals;
use super::rounds::{Last, Rounds};
use super::stamps::Stamps;
use super::{Group, Groups, Inner, tend};
use crate::raft::Member;
use crate::seat::Seat;

impl Groups {
    /// Starts a group on what is kept of it here, if anything.
    ///
    /// # Errors
    /// [`GroupError::Stopped`] if what is kept cannot be read, or records are missing that the log no longer has.
    pub async fn open(&self, id: GroupId) -> Result<(), GroupError> {
        let _alone = self.0.opening.lock().await;
        self.open_alone(id).await
    }

    async fn open_alone(&self, id: GroupId) -> Result<(), GroupError> {
        let Inner { config, courier, groups, .. } = &*self.0;
        if groups.lock().contains_key(&id) {
            return Ok(());
        }
        // Groups of one node stand for election at different moments.
        let seed = config.seed.wrapping_add(id.as_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (log, records) = (config.log.group(id), config.records.group(id));
        let pace = (config.elections, config.snapshots);
        let member = Member::start(courier, log, records, pace, seed).await.map_err(|error| error.of(id))?;
        member.may_lead(!courier.guard.is_off());
        let (own, asked, handed_over) = (Last::default(), Rounds::default(), AtomicUsize::default());
        let (stamps, proposals) = (Stamps::default(), Proposals::default());
        let group = Group { member, stamps, proposals, own, asked, handed_over };
        groups.lock().insert(id, Arc::new(group));
        Ok(())
    }

    /// Begins a group that nobody has yet, with these voters: once, on one of them.
    ///
    /// # Errors
    /// [`GroupError::Refused`] if the group has begun already.
    pub async fn found(&self, id: GroupId, voters: BTreeSet<Seat>) -> Result<(), GroupError> {
        self.group(id)?.member.found(voters).await.map_err(|error| error.of(id))
    }

    /// Stops a group on this node: from here on it answers nobody, and what is kept of it stays as it is.
    pub(crate) async fn close(&self, id: GroupId) {
        let _alone = self.0.opening.lock().await;
        self.close_alone(id).await;
    }

    async fn close_alone(&self, id: GroupId) -> bool {
        let group = self.0.groups.lock().remove(&id);
        match group {
            Some(group) => {
                group.member.stop().await;
                true
            }
            None => false,
        }
    }

    /// Stops a group on this node and starts it again on what is kept of it, if it is open.
    ///
    /// # Errors
    /// As [`Groups::open`].
    pub(crate) async fn restart(&self, id: GroupId) -> Result<(), GroupError> {
        let _alone = self.0.opening.lock().await;
        if self.close_alone(id).await { self.open_alone(id).await } else { Ok(()) }
    }

    /// Has a group stop as by a fault in what runs it.
    #[cfg(test)]
    pub(crate) async fn break_down(&self, id: GroupId) {
        self.group(id).unwrap().member.break_down().await;
    }

    /// Forgets the log and the records of a group that is not open: for one that has no seat here any more. Should this
    /// node be taken in again, it comes as somebody else: who it was may have promised what it does not know of, and old
    /// entries may say that it votes.
    ///
    /// # Errors
    /// [`GroupError::Stopped`] if they cannot be removed.
    pub(crate) async fn forget(&self, id: GroupId) -> Result<(), GroupError> {
        let stopped = |reason: String| GroupError::Stopped { group: id, reason };
        let log = self.0.config.log.group(id);
        // Records without a log can be removed later; a log whose records are gone cannot be opened.
        let times = log.leave().await.map_err(|error| stopped(error.to_string()))?;
        self.0.courier.seats().note_left(id, times);
        self.0.config.records.group(id).remove().await.map_err(|error| stopped(error.to_string()))
    }

    /// The groups that are open, in ascending order.
    #[must_use]
    pub fn opened(&self) -> Vec<GroupId> {
        self.0.groups.lock().keys().copied().collect()
    }

    /// The groups of which log or records keep something here.
    pub(crate) fn kept(&self) -> BTreeSet<GroupId> {
        let Inner { config, .. } = &*self.0;
        config.log.groups().into_iter().chain(config.records.groups()).collect()
    }

    /// Has other voters lead whatever this node leads, and stands for no election any more: before it stops. Takes at most
    /// [`HAND_OVER_MS_MAX`](storgo_protocol::limits::HAND_OVER_MS_MAX).
    pub async fn hand_over(&self) {
        tend::hand_over(self, Duration::from_millis(storgo_protocol::limits::HAND_OVER_MS_MAX)).await;
    }

    /// Stops all groups. Log and records stay open.
    pub async fn stop(&self) {
        self.0.courier.stop.cancel();
        // It holds these groups, as they hold it.
        *self.0.door.write() = None;
        let groups = std::mem::take(&mut *self.0.groups.lock());
        for group in groups.into_values() {
            group.member.stop().await;
        }
        self.0.courier.tasks.close();
        self.0.courier.tasks.wait().await;
    }
}
