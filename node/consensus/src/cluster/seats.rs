//! Who is to vote where, made so: each leader compares what the rows say with who does, and who has no seat any more
//! forgets the group.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use storgo_protocol::cluster::{Ask, ClusterMap, Told};
use storgo_protocol::{GroupId, PeerId};

use super::keeper::{Inner, ROUND, STEP};
use crate::groups::GroupError;
use crate::raft::MemberStatus;
use crate::seat::Seat;

/// How often who leads out of its turn gives the lead to others.
const ROUNDS_A_TRANSFER: u64 = 20;

/// How long it may take until a new seat has the state of its group.
const FILL: Duration = Duration::from_mins(10);

impl Inner {
    /// If this member leads a group, has those vote in it that are to, and somebody else lead whose turn it is.
    pub(super) async fn see_to_seats(self: &Arc<Self>, map: &ClusterMap, id: GroupId, round: u64) {
        let Some(status) = self.status(id).filter(|status| status.leader == Some(self.config.groups.seat(id))) else {
            return;
        };
        let Some(wanted) = wanted(map, id) else { return };
        if wanted == status.voters && status.learners.is_empty() {
            if round.is_multiple_of(ROUNDS_A_TRANSFER) {
                self.give_lead(map, id, &wanted).await;
            }
            return;
        }
        if !self.changing.lock().insert(id) {
            return;
        }
        let inner = Arc::clone(self);
        self.spawn(async move {
            if let Err(error) = inner.reseat(id, &status, wanted).await {
                tracing::info!(group = %id, error = &error as &dyn std::error::Error, "its seats do not change yet");
            }
            inner.changing.lock().remove(&id);
        });
    }

    /// Gives the lead to the one among the voters whose turn it is in this group, if it answers: leaders do the most.
    async fn give_lead(&self, map: &ClusterMap, id: GroupId, voters: &BTreeSet<Seat>) {
        let preferred = map.leader_in_turn(id).filter(|peer| *peer != self.me());
        let Some(seat) = preferred.and_then(|peer| voters.iter().find(|seat| seat.peer == peer)) else { return };
        match self.client.ask_one(seat.peer, id, &Ask::Status, STEP / 5).await {
            // Who starts only now has to catch up first.
            Ok(Told::Status(theirs)) if theirs.leader == Some(self.me()) => {}
            _ => return,
        }
        if let Err(error) = self.config.groups.transfer(id, *seat).await {
            tracing::debug!(group = %id, error = &error as &dyn std::error::Error, "the lead stays here");
        }
    }

    /// Changes who votes: who followed in order to vote and is not to any more goes, newcomers are filled, then all change
    /// at once, by joint consensus. It ends early if others are wanted meanwhile: who is to be filled may be gone.
    async fn reseat(&self, id: GroupId, status: &MemberStatus, wanted: BTreeSet<Seat>) -> Result<(), GroupError> {
        let groups = &self.config.groups;
        for seat in status.learners.difference(&wanted) {
            groups.drop_learner(id, *seat, STEP).await?;
            tracing::info!(group = %id, %seat, "it is not to vote any more, and follows no longer");
        }
        if wanted == status.voters {
            return Ok(());
        }
        for seat in wanted.difference(&status.voters) {
            tokio::select! {
                added = groups.add_learner(id, *seat, FILL) => added?,
                () = self.others_wanted(id, &wanted) => return Ok(()),
            }
        }
        // Where nobody stays who can take over, or all who stay are silent, those that are to go vote once more beside those
        // that come, one of whom takes over next.
        let stays = wanted.contains(&groups.seat(id)) || groups.has_successor(id, &wanted)?;
        let voters = if stays { wanted } else { wanted.union(&status.voters).copied().collect() };
        if voters == status.voters {
            // They vote already, and somebody has to be heard before anybody goes.
            return Ok(());
        }
        let count = voters.len();
        groups.set_voters(id, voters, STEP).await?;
        tracing::info!(group = %id, voters = count, "its seats have changed");
        Ok(())
    }

    /// Returns when the map wants others in a group than these.
    async fn others_wanted(&self, id: GroupId, those: &BTreeSet<Seat>) {
        let is_so = || {
            let map = self.client.map()?;
            wanted(&map, id).map(|now| now == *those)
        };
        while is_so() != Some(false) {
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Forgets a group, once its leader says that this member has no seat there any more.
    ///
    /// What a member promised in the name of its seat must not be forgotten while somebody counts on it. So this one stops
    /// first, and then asks: whoever takes it in again afterwards begins with nothing. And who answers has to lead while it
    /// does: a leader that was deposed knows of old seats only.
    pub(super) async fn leave(&self, map: &ClusterMap, id: GroupId) {
        let groups = &self.config.groups;
        if !self.is_left(map, id).await {
            return;
        }
        groups.close(id).await;
        let left = if self.is_left(map, id).await { groups.forget(id).await.map(|()| true) } else { Ok(false) };
        match left {
            Ok(true) => tracing::info!(group = %id, "this member has left the group"),
            Ok(false) => {
                if let Err(error) = groups.open(id).await {
                    tracing::error!(group = %id, error = &error as &dyn std::error::Error, "a group cannot be opened");
                }
            }
            Err(error) => {
                tracing::warn!(group = %id, error = &error as &dyn std::error::Error, "a group is not forgotten");
            }
        }
    }

    /// Whether the leader of a group says that this member has no seat in it, and leads while it says so.
    async fn is_left(&self, map: &ClusterMap, id: GroupId) -> bool {
        let me = self.me();
        let says = async |seat: Seat| match self.client.ask_one(seat.peer, id, &Ask::Status, STEP).await {
            Ok(Told::Status(status)) if status.leader == Some(seat.peer) => Some(status),
            _ => None,
        };
        for peer in map.seats(id) {
            let Some(incarnation) = map.incarnation_in(*peer, id) else { continue };
            let seat = Seat { peer: *peer, incarnation };
            let Some(before) = says(seat).await else { continue };
            if before.voters.contains(&me) || before.learners.contains(&me) {
                return false;
            }
            return self.config.groups.is_led_by(id, seat, STEP).await
                && says(seat).await.is_some_and(|after| {
                    after.term == before.term && after.voters == before.voters && after.learners == before.learners
                });
        }
        false
    }
}

/// Who is to vote in a group, each as it is there now; `None` while one of them is not known.
fn wanted(map: &ClusterMap, id: GroupId) -> Option<BTreeSet<Seat>> {
    let seat = |peer: &PeerId| Some(Seat { peer: *peer, incarnation: map.incarnation_in(*peer, id)? });
    map.groups.get(&id)?.seats.iter().map(seat).collect()
}
