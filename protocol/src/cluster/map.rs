//! The cluster map: who the members are, which groups there are, and whose the slots are. What clients route by.

use std::collections::BTreeMap;

use super::{GroupRow, MemberRow, MemberState, NetworkRow, SlotTable, wire};
use crate::meta::{Slot, Stamp};
use crate::{DecodeError, GroupId, LogIncarnation, NetworkId, PeerId};

/// The network as group 0 has it, but for buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterMap {
    /// The newest of its rows: it changes whenever one of them does.
    pub revision: Stamp,
    /// The network.
    pub network: NetworkRow,
    /// Its members.
    pub members: BTreeMap<PeerId, MemberRow>,
    /// Its groups, group 0 among them.
    pub groups: BTreeMap<GroupId, GroupRow>,
    /// Whose the slots are.
    pub slots: SlotTable,
}

impl ClusterMap {
    /// The network's id.
    #[must_use]
    pub fn id(&self) -> NetworkId {
        NetworkId::from_root(self.network.root)
    }

    /// A member that was not removed.
    #[must_use]
    pub fn member(&self, peer: PeerId) -> Option<&MemberRow> {
        self.members.get(&peer).filter(|member| member.state != MemberState::Removed)
    }

    /// The life of what a member keeps of a group; `None` for who is none.
    #[must_use]
    pub fn incarnation_in(&self, peer: PeerId, group: GroupId) -> Option<LogIncarnation> {
        self.member(peer).map(|member| member.incarnation_in(group))
    }

    /// The peers that are to vote in a group.
    #[must_use]
    pub fn seats(&self, group: GroupId) -> &[PeerId] {
        self.groups.get(&group).map_or(&[], |group| group.seats.as_slice())
    }

    /// Whose turn it is to lead a group, so that leads are spread as seats are: leaders do the most.
    #[must_use]
    pub fn leader_in_turn(&self, group: GroupId) -> Option<PeerId> {
        let seats = self.seats(group);
        let turn = usize::try_from(group.as_u64()).unwrap_or_default().checked_rem(seats.len())?;
        seats.get(turn).copied()
    }

    /// The group of a slot.
    #[must_use]
    pub fn group_of(&self, slot: Slot) -> GroupId {
        self.slots.group(slot)
    }

    pub(super) fn to_wire(&self) -> wire::Map {
        let group =
            |(id, group): (&GroupId, &GroupRow)| wire::MapGroup { id: id.as_u64(), group: Some(group.to_wire()) };
        wire::Map {
            revision: self.revision.as_u64(),
            same: false,
            network: Some(self.network.to_wire()),
            members: self.members.values().map(|row| wire::MapMember { member: Some(row.to_wire()) }).collect(),
            groups: self.groups.iter().map(group).collect(),
            slots: Some(self.slots.to_wire()),
        }
    }

    pub(super) fn from_wire(map: wire::Map) -> Result<Self, DecodeError> {
        let missing = || DecodeError::field("map");
        let network = NetworkRow::from_wire(&map.network.ok_or_else(missing)?)?;
        let mut members = BTreeMap::new();
        for member in map.members {
            let member = MemberRow::from_wire(member.member.ok_or_else(missing)?)?;
            // Nobody is a member on somebody's word.
            if member.admission.terms.root != network.root {
                return Err(DecodeError::Unverified { what: "a member of the network" });
            }
            members.insert(member.peer(), member);
        }
        let mut groups = BTreeMap::new();
        for group in map.groups {
            groups.insert(GroupId::new(group.id), GroupRow::from_wire(&group.group.ok_or_else(missing)?)?);
        }
        let slots = SlotTable::from_wire(map.slots.ok_or_else(missing)?)?;
        Ok(Self { revision: Stamp::from_u64(map.revision), network, members, groups, slots })
    }
}
