//! Who votes in a group and who leads it, changed.

use std::collections::BTreeSet;
use std::time::Duration;

use storgo_protocol::GroupId;
use storgo_protocol::raft::{ReadIndex, envelope::Body};

use super::error::GroupError;
use super::{Group, Groups};
use crate::raft::MemberError;
use crate::seat::Seat;

impl Groups {
    /// Whether a seat leads a group now, as most of its voters say.
    pub(crate) async fn is_led_by(&self, id: GroupId, seat: Seat, within: Duration) -> bool {
        let asked = self.0.courier.call(seat, id, Body::ReadIndex(ReadIndex {}), within).await;
        matches!(asked, Ok(Body::Readable(_)))
    }

    /// Takes a seat in as a learner; answers when it has all that is older than its seat. At the leader.
    ///
    /// # Errors
    /// [`GroupError::NotLeader`], [`GroupError::Refused`], [`GroupError::TimedOut`].
    pub async fn add_learner(&self, id: GroupId, seat: Seat, within: Duration) -> Result<(), GroupError> {
        let group = self.group(id)?;
        in_time(id, within, group.member.add_learner(seat)).await
    }

    /// Changes who votes, by joint consensus. At the leader; those that come must be learners. A leader does not take its
    /// own seat away: it asks one that stays to lead, and that one can be asked again.
    ///
    /// # Errors
    /// As [`Groups::add_learner`].
    pub async fn set_voters(&self, id: GroupId, voters: BTreeSet<Seat>, within: Duration) -> Result<(), GroupError> {
        let group = self.group(id)?;
        if !voters.contains(&self.seat(id)) && group.member.is_leader() {
            // openraft goes on with a leader that is in no configuration, but not with what that one is asked next.
            let leader = group.in_turn(&self.successors(&group, &voters));
            if let Some(to) = leader {
                group.member.transfer(to).await.map_err(|error| error.of(id))?;
            }
            return Err(GroupError::NotLeader { group: id, leader });
        }
        in_time(id, within, group.member.set_voters(voters)).await
    }

    /// Whether one of these seats can take over the lead of a group now. At the leader.
    pub(crate) fn has_successor(&self, id: GroupId, seats: &BTreeSet<Seat>) -> Result<bool, GroupError> {
        Ok(!self.successors(&*self.group(id)?, seats).is_empty())
    }

    /// Those of these seats that can take over from this leader. Whose clock is off may not lead: a leader that asks it leads no
    /// more, and nobody does.
    fn successors(&self, group: &Group, seats: &BTreeSet<Seat>) -> Vec<Seat> {
        let courier = &self.0.courier;
        let differing = courier.guard.differing(courier.now_ms());
        group.member.successors(|seat| seats.contains(seat) && !differing.contains(&seat.peer))
    }

    /// Lets a learner go that is not to vote after all. At the leader.
    ///
    /// # Errors
    /// As [`Groups::add_learner`].
    pub async fn drop_learner(&self, id: GroupId, seat: Seat, within: Duration) -> Result<(), GroupError> {
        let group = self.group(id)?;
        in_time(id, within, group.member.drop_learner(seat)).await
    }

    /// Asks another voter to lead. It has happened when the status says so.
    ///
    /// # Errors
    /// [`GroupError::Stopped`].
    pub async fn transfer(&self, id: GroupId, to: Seat) -> Result<(), GroupError> {
        self.group(id)?.member.transfer(to).await.map_err(|error| error.of(id))
    }
}

async fn in_time(
    id: GroupId,
    within: Duration,
    change: impl Future<Output = Result<(), MemberError>>,
) -> Result<(), GroupError> {
    let changed = tokio::time::timeout(within, change).await;
    changed.map_err(|_| GroupError::TimedOut { group: id, within })?.map_err(|error| error.of(id))
}
