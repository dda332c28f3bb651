//! The rows of group 0, but for buckets: the network itself, its members, its groups, and whose the slots are.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;

use super::{peer, peer_bytes, wire};
use crate::address::PeerAddress;
use crate::fields::decode;
use crate::limits::{GROUP_SEATS_MAX, GROUPS_MAX, SLOTS, ZONE_CHARS_MAX};
use crate::meta::{BucketId, Slot, ids};
use crate::{Admission, DecodeError, GroupId, LogIncarnation, PeerId};

/// Which row of group 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowKey {
    /// The network.
    Network,
    /// A member.
    Member(PeerId),
    /// A group.
    Group(GroupId),
    /// Whose the slots are.
    Slots,
    /// A slot on its way.
    Move(Slot),
    /// A bucket, by its name.
    Bucket(String),
    /// The name of a bucket.
    BucketName(BucketId),
}

impl RowKey {
    /// What the keys of all members start with.
    pub const MEMBERS: &[u8] = b"m/";
    /// What the keys of all groups start with.
    pub const GROUPS: &[u8] = b"g/";
    /// What the keys of all moves start with.
    pub const MOVES: &[u8] = b"v/";
    /// What the keys of all buckets start with.
    pub const BUCKETS: &[u8] = b"b/";
    const BUCKET_NAMES: &[u8] = b"i/";

    /// The row's key.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Network => Bytes::from_static(b"n"),
            Self::Slots => Bytes::from_static(b"s"),
            Self::Member(peer) => [Self::MEMBERS, peer.as_bytes()].concat().into(),
            Self::Group(group) => [Self::GROUPS, &group.as_u64().to_be_bytes()].concat().into(),
            Self::Move(slot) => [Self::MOVES, &slot.number().to_be_bytes()].concat().into(),
            Self::Bucket(name) => [Self::BUCKETS, name.as_bytes()].concat().into(),
            Self::BucketName(id) => [Self::BUCKET_NAMES, id.as_bytes().as_slice()].concat().into(),
        }
    }

    /// The row that a key names.
    ///
    /// # Errors
    /// [`DecodeError`] for a key of none.
    pub fn decode(key: &[u8]) -> Result<Self, DecodeError> {
        let refuse = || DecodeError::field("row key");
        if let Some(rest) = key.strip_prefix(Self::MEMBERS) {
            return peer(rest).map(Self::Member);
        }
        if let Some(rest) = key.strip_prefix(Self::GROUPS) {
            return Ok(Self::Group(GroupId::new(u64::from_be_bytes(rest.try_into().map_err(|_| refuse())?))));
        }
        if let Some(rest) = key.strip_prefix(Self::MOVES) {
            let number = u16::from_be_bytes(rest.try_into().map_err(|_| refuse())?);
            return Slot::new(number).map(Self::Move).ok_or_else(refuse);
        }
        if let Some(rest) = key.strip_prefix(Self::BUCKETS) {
            return String::from_utf8(rest.to_vec()).map(Self::Bucket).map_err(|_| refuse());
        }
        if let Some(rest) = key.strip_prefix(Self::BUCKET_NAMES) {
            return ids::bucket(rest).map(Self::BucketName);
        }
        match key {
            b"n" => Ok(Self::Network),
            b"s" => Ok(Self::Slots),
            _ => Err(refuse()),
        }
    }
}

/// The network itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkRow {
    /// Its trust root.
    pub root: PeerId,
    /// How many groups it has besides group 0; they are numbered from 1.
    pub groups: u32,
    /// How many voters a group is to have, where there are as many members: odd.
    pub voters: u32,
    /// When it began, in milliseconds since 1970.
    pub founded_ms: u64,
}

/// What an operator wants of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum MemberState {
    /// To take seats.
    #[default]
    Active,
    /// To give its seats up.
    Draining,
    /// To be forgotten: it is not heard any more.
    Removed,
}

/// A member of the network that may keep metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Shows that it may.
    pub admission: Admission,
    /// The life of its log, as it said when it last started.
    pub incarnation: LogIncarnation,
    /// Its failure domain.
    pub zone: String,
    /// Where it listens.
    pub addresses: Vec<PeerAddress>,
    /// What is wanted of it.
    pub state: MemberState,
    /// Program and version.
    pub agent: String,
    /// How often it has left groups, of those that it has left.
    pub left: BTreeMap<GroupId, u64>,
}

/// A metadata group, as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// The peers that are to vote, in ascending order.
    pub seats: Vec<PeerId>,
    /// Who begins it: this peer with this log, so that a peer that lost its log never begins a group a second time.
    pub founder: (PeerId, LogIncarnation),
    /// Whether it has begun.
    pub founded: bool,
}

/// A slot on its way between groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotMove {
    /// Whence.
    pub from: GroupId,
    /// Whither.
    pub to: GroupId,
}

/// A run of slots of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotRange {
    /// The first.
    pub first: Slot,
    /// The last.
    pub last: Slot,
    /// Whose they are.
    pub group: GroupId,
}

/// Whose each slot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotTable {
    ranges: Vec<SlotRange>,
}

impl NetworkRow {
    pub(super) fn to_wire(self) -> wire::Network {
        let Self { root, groups, voters, founded_ms } = self;
        wire::Network { root: peer_bytes(root), groups, voters, founded_ms }
    }

    pub(super) fn from_wire(row: &wire::Network) -> Result<Self, DecodeError> {
        if row.groups == 0 || row.groups as usize > GROUPS_MAX {
            return Err(DecodeError::field("groups"));
        }
        if row.voters.is_multiple_of(2) || row.voters as usize > GROUP_SEATS_MAX / 2 {
            return Err(DecodeError::field("voters"));
        }
        Ok(Self { root: peer(&row.root)?, groups: row.groups, voters: row.voters, founded_ms: row.founded_ms })
    }

    /// The row.
    #[must_use]
    pub fn encode(self) -> Bytes {
        self.to_wire().encode_to_vec().into()
    }

    /// Decodes a row.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a network within its bounds.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::from_wire(&decode(bytes)?)
    }
}

impl MemberRow {
    /// Who it is.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        self.admission.peer
    }

    /// The life of what it keeps of a group: with its id, who it is there.
    #[must_use]
    pub fn incarnation_in(&self, group: GroupId) -> LogIncarnation {
        self.incarnation.after_leaving(group, self.left.get(&group).copied().unwrap_or_default())
    }

    pub(super) fn to_wire(&self) -> wire::Member {
        wire::Member {
            admission: self.admission.encode().into(),
            incarnation: self.incarnation.as_u64(),
            zone: self.zone.clone(),
            addresses: self.addresses.iter().map(|address| address.encode().into()).collect(),
            state: match self.state {
                MemberState::Active => 0,
                MemberState::Draining => 1,
                MemberState::Removed => 2,
            },
            agent: self.agent.clone(),
            left: self.left.iter().map(|(group, times)| wire::Left { group: group.as_u64(), times: *times }).collect(),
        }
    }

    pub(super) fn from_wire(row: wire::Member) -> Result<Self, DecodeError> {
        let is_fit = |text: &str| text.chars().count() <= ZONE_CHARS_MAX && !text.chars().any(char::is_control);
        if !is_fit(&row.zone) || !is_fit(&row.agent) {
            return Err(DecodeError::field("zone or agent"));
        }
        let is_left = |left: &wire::Left| left.times > 0;
        if !row.left.is_sorted_by(|before, after| before.group < after.group) || !row.left.iter().all(is_left) {
            return Err(DecodeError::field("left"));
        }
        Ok(Self {
            admission: Admission::decode(&row.admission)?,
            incarnation: LogIncarnation::new(row.incarnation),
            zone: row.zone,
            addresses: row.addresses.iter().map(|bytes| PeerAddress::decode(bytes)).collect::<Result<_, _>>()?,
            state: match row.state {
                0 => MemberState::Active,
                1 => MemberState::Draining,
                2 => MemberState::Removed,
                _ => return Err(DecodeError::field("member state")),
            },
            agent: row.agent,
            left: row.left.iter().map(|left| (GroupId::new(left.group), left.times)).collect(),
        })
    }

    /// The row.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.to_wire().encode_to_vec().into()
    }

    /// Decodes a row and checks that its peer was admitted.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a member within its bounds.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::from_wire(decode(bytes)?)
    }
}

impl GroupRow {
    pub(super) fn to_wire(&self) -> wire::Group {
        wire::Group {
            seats: self.seats.iter().map(|seat| peer_bytes(*seat)).collect(),
            founder: peer_bytes(self.founder.0),
            founder_incarnation: self.founder.1.as_u64(),
            founded: self.founded,
        }
    }

    pub(super) fn from_wire(row: &wire::Group) -> Result<Self, DecodeError> {
        let seats = row.seats.iter().map(|seat| peer(seat)).collect::<Result<Vec<_>, _>>()?;
        if seats.is_empty() || !seats.is_sorted_by(|before, after| before < after) {
            return Err(DecodeError::field("seats"));
        }
        let founder = (peer(&row.founder)?, LogIncarnation::new(row.founder_incarnation));
        Ok(Self { seats, founder, founded: row.founded })
    }

    /// The row.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.to_wire().encode_to_vec().into()
    }

    /// Decodes a row.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a group within its bounds.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::from_wire(&decode(bytes)?)
    }
}

impl SlotMove {
    /// The row.
    #[must_use]
    pub fn encode(self) -> Bytes {
        wire::SlotMove { from: self.from.as_u64(), to: self.to.as_u64() }.encode_to_vec().into()
    }

    /// Decodes a row.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a move between two groups.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let wire::SlotMove { from, to } = decode(bytes)?;
        if from == to {
            Err(DecodeError::field("move"))
        } else {
            Ok(Self { from: GroupId::new(from), to: GroupId::new(to) })
        }
    }
}

impl SlotTable {
    /// All slots in equal shares over groups 1 to `groups`.
    #[must_use]
    pub fn even(groups: u32) -> Self {
        let (all, groups) = (u64::from(SLOTS), u64::from(groups.max(1)));
        let first = |group: u64| u16::try_from(group * all / groups).ok().and_then(Slot::new);
        let last = |group: u64| u16::try_from((group + 1) * all / groups - 1).ok().and_then(Slot::new);
        let range =
            |group| Some(SlotRange { first: first(group)?, last: last(group)?, group: GroupId::new(group + 1) });
        Self { ranges: (0..groups).filter_map(range).collect() }
    }

    /// Runs of slots, in ascending order and without gaps.
    #[must_use]
    pub fn ranges(&self) -> &[SlotRange] {
        &self.ranges
    }

    /// Whose a slot is.
    #[must_use]
    pub fn group(&self, slot: Slot) -> GroupId {
        let behind = self.ranges.partition_point(|range| range.first <= slot);
        let range = behind.checked_sub(1).and_then(|at| self.ranges.get(at));
        range.map_or(GroupId::new(0), |range| range.group)
    }

    /// The same with one slot given to another group.
    #[must_use]
    pub fn with(&self, slot: Slot, group: GroupId) -> Self {
        let mut ranges: Vec<SlotRange> = Vec::with_capacity(self.ranges.len() + 2);
        let mut add = |first: u16, last: u16, group| {
            let (Some(first), Some(last)) = (Slot::new(first), Slot::new(last)) else { return };
            match ranges.last_mut() {
                Some(range) if range.group == group => range.last = last,
                _ => ranges.push(SlotRange { first, last, group }),
            }
        };
        for range in &self.ranges {
            let (first, last, at) = (range.first.number(), range.last.number(), slot.number());
            if !(first..=last).contains(&at) {
                add(first, last, range.group);
                continue;
            }
            if first < at {
                add(first, at - 1, range.group);
            }
            add(at, at, group);
            if at < last {
                add(at + 1, last, range.group);
            }
        }
        Self { ranges }
    }

    pub(super) fn to_wire(&self) -> wire::Slots {
        let range = |range: &SlotRange| wire::SlotRange {
            first: range.first.number().into(),
            last: range.last.number().into(),
            group: range.group.as_u64(),
        };
        wire::Slots { ranges: self.ranges.iter().map(range).collect() }
    }

    pub(super) fn from_wire(table: wire::Slots) -> Result<Self, DecodeError> {
        let slot = |number: u32| u16::try_from(number).ok().and_then(Slot::new).ok_or(DecodeError::field("slot"));
        let mut next = 0;
        let mut ranges = Vec::new();
        for range in table.ranges {
            let range =
                SlotRange { first: slot(range.first)?, last: slot(range.last)?, group: GroupId::new(range.group) };
            if range.first.number() != next || range.last < range.first {
                return Err(DecodeError::field("slots"));
            }
            next = range.last.number() + 1;
            ranges.push(range);
        }
        if next == SLOTS { Ok(Self { ranges }) } else { Err(DecodeError::field("slots")) }
    }

    /// The row.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.to_wire().encode_to_vec().into()
    }

    /// Decodes a row.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a table of all slots.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::from_wire(decode(bytes)?)
    }
}
