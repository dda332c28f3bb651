//! Questions about the network's members: who joins it, and what an operator wants of them, of leaders and of slots.

use std::collections::{BTreeMap, BTreeSet};

use storgo_protocol::cluster::{
    Ask, ClusterMap, Failed, FailedKind, MemberRow, MemberState, RowKey, SlotMove, Steer, Told,
};
use storgo_protocol::limits::{MEMBERS_MAX, ROWS_CHANGED_MAX};
use storgo_protocol::meta::Stamp;
use storgo_protocol::{GroupId, PeerId};

use super::{Answer, Door, WITHIN, denied, failed, refused};
use crate::cluster::{GROUP_0, change, conductor, plan, state};

fn beginning() -> Failed {
    Failed::new(FailedKind::Busy, "the network is just beginning")
}

impl Door {
    pub(super) async fn join(&self, from: PeerId, member: MemberRow) -> Answer {
        let terms = &member.admission.terms;
        if member.peer() != from || terms.network() != self.network {
            return Err(denied());
        }
        let key = RowKey::Member(from);
        let (map, revision) = self.map_and_revision(&key).await?;
        let map = map.ok_or_else(beginning)?;
        let known = map.members.get(&from);
        match known {
            Some(row) if row.state == MemberState::Removed => return Err(denied()),
            Some(_) => {}
            None if map.members.len() >= MEMBERS_MAX => {
                return Err(refused("the network has no room for more members"));
            }
            None => {
                let now_seconds = self.groups.courier().now_ms() / 1000;
                if terms.expires_seconds != 0 && terms.expires_seconds < now_seconds {
                    return Err(Failed::new(FailedKind::Denied, "the invite has expired: ask for a new one"));
                }
            }
        }
        let state = known.map(|row| row.state).unwrap_or_default();
        let row = MemberRow { state, ..member };
        self.set_rows(vec![change::row(&key, revision, Some(row.encode()))]).await?;
        Ok(Told::Done)
    }

    pub(super) async fn steer(&self, from: PeerId, group: GroupId, steer: Steer) -> Answer {
        self.members_only(from)?;
        match steer {
            Steer::Drain(peer) => self.set_member(peer, MemberState::Draining).await,
            Steer::Activate(peer) => self.set_member(peer, MemberState::Active).await,
            Steer::Remove(peer) => {
                self.may_be_removed(peer).await?;
                self.set_member(peer, MemberState::Removed).await
            }
            Steer::Transfer(id, to) if id == group => {
                let status = self.groups.status(id).map_err(failed)?;
                if status.leader != Some(self.groups.seat(id)) {
                    return Err(Failed::new(
                        FailedKind::NotLeader(status.leader.map(|seat| seat.peer)),
                        "not the leader",
                    ));
                }
                let seat = status.voters.iter().find(|seat| seat.peer == to).copied();
                let seat = seat.ok_or_else(|| refused(format!("{} has no seat in group {id}", to.short())))?;
                self.groups.transfer(id, seat).await.map_err(failed)?;
                Ok(Told::Done)
            }
            Steer::PlanSeats => Ok(Told::Seating(self.plan_seats().await?.1)),
            Steer::Rebalance => self.rebalance().await,
            Steer::Transfer(..) => Err(refused("a transfer is asked of its group")),
            Steer::MoveSlot(slot, to) => {
                let key = RowKey::Move(slot);
                let (map, revision) = self.map_and_revision(&key).await?;
                let map = map.ok_or_else(beginning)?;
                let from = map.group_of(slot);
                if revision.is_some() {
                    return Err(Failed::new(FailedKind::Conflict, format!("slot {slot} is on its way already")));
                }
                if from == to {
                    return Ok(Told::Done);
                }
                if to == GROUP_0 || !map.groups.contains_key(&to) {
                    return Err(refused(format!("there is no group {to} for slots")));
                }
                let row = SlotMove { from, to }.encode();
                self.set_rows(vec![change::row(&key, None, Some(row))]).await?;
                Ok(Told::Done)
            }
        }
    }

    /// The map, and which seats are to change to spread them evenly.
    async fn plan_seats(&self) -> Result<(ClusterMap, BTreeMap<GroupId, Vec<PeerId>>), Failed> {
        let map = self.read_0(state::read_map).await?.ok_or_else(beginning)?;
        if map.groups.values().any(|group| !group.founded) {
            return Err(Failed::new(FailedKind::Busy, "some groups have not begun yet"));
        }
        let leads = || Failed::new(FailedKind::NotLeader(None), "who leads group 0 does not know yet who is there");
        let present = self.present.known().ok_or_else(leads)?;
        let changes = plan::seats(&map, &present, usize::MAX);
        Ok((map, changes))
    }

    /// Changes as many seats as go at once; which.
    async fn rebalance(&self) -> Answer {
        let (map, changes) = self.plan_seats().await?;
        let first: BTreeMap<_, _> = changes.into_iter().take(ROWS_CHANGED_MAX).collect();
        if !first.is_empty() {
            let rows = conductor::seating(&self.groups, &map, &first).map_err(failed)?;
            if rows.is_empty() {
                return Err(Failed::new(FailedKind::Conflict, "seats changed meanwhile: look again".to_owned()));
            }
            self.set_rows(rows).await?;
        }
        Ok(Told::Seating(first))
    }

    /// The map, if the network has begun, and which revision of a row it is of.
    async fn map_and_revision(&self, key: &RowKey) -> Result<(Option<ClusterMap>, Option<Stamp>), Failed> {
        self.read_0(|view| Ok((state::read_map(view)?, state::revision(view, key)?))).await
    }

    async fn set_member(&self, peer: PeerId, state: MemberState) -> Answer {
        let key = RowKey::Member(peer);
        let (map, revision) = self.map_and_revision(&key).await?;
        let row = map.as_ref().and_then(|map| map.members.get(&peer));
        let row = row.ok_or_else(|| Failed::new(FailedKind::NotFound, format!("no member {}", peer.short())))?;
        if row.state == MemberState::Removed {
            return Err(refused(format!("{} was removed for good", peer.short())));
        }
        let row = MemberRow { state, ..row.clone() };
        self.set_rows(vec![change::row(&key, revision, Some(row.encode()))]).await?;
        Ok(Told::Done)
    }

    /// A member may go for good only if every group of its has a majority without it.
    async fn may_be_removed(&self, peer: PeerId) -> Result<(), Failed> {
        let map = self.client.map().ok_or_else(beginning)?;
        let mut answers: BTreeMap<PeerId, bool> = BTreeMap::new();
        for (id, group) in map.groups.iter().filter(|(_, group)| group.seats.contains(&peer)) {
            let mut living = BTreeSet::new();
            for seat in group.seats.iter().filter(|seat| **seat != peer) {
                if !answers.contains_key(seat) {
                    let told = self.client.ask_one(*seat, GROUP_0, &Ask::Map { known: map.revision }, WITHIN / 8).await;
                    answers.insert(*seat, told.is_ok());
                }
                if answers.get(seat) == Some(&true) {
                    living.insert(*seat);
                }
            }
            if 2 * living.len() <= group.seats.len() {
                return Err(refused(format!(
                    "without {} group {id} has {} of {} voters, which is no majority: bring the others back or add members first",
                    peer.short(),
                    living.len(),
                    group.seats.len()
                )));
            }
        }
        Ok(())
    }
}
