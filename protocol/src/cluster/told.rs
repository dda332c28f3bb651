//! What a member of a group answers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use super::talk::{hearer, hearer_bytes};
use super::{Bucket, ClusterMap, Happened, peer, peer_bytes, wire};
use crate::fields::{at_most, decode};
use crate::limits::{REASON_CHARS_MAX, SLOTS, TOLD_BYTES_MAX};
use crate::meta::{Absence, HearerId, Reply, SlotState, Stamp, Version};
use crate::{DecodeError, GroupId, PeerId};

/// An answer.
#[expect(clippy::large_enum_variant, reason = "an answer is made, and taken apart at once")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It is done.
    Done,
    /// What the group answered to a command.
    Reply(Reply),
    /// A version, if there is one.
    Found(Found),
    /// A page of a listing.
    Listed(Listed),
    /// The cluster map; `None` if it is the one that is known.
    Map(Option<Box<ClusterMap>>),
    /// Buckets, in ascending order of their names.
    Buckets {
        /// They.
        buckets: Vec<BucketRow>,
        /// Whether there are more.
        more: bool,
    },
    /// How a slot is at a group.
    SlotSide {
        /// Whose it is; `None` where the slot never was.
        state: Option<SlotState>,
        /// Whether there are records of it.
        holds: bool,
        /// The key of the record that came last, below the slot.
        last: Option<Bytes>,
        /// The records that come next: keys below the slot, and values.
        rest: Vec<(Bytes, Bytes)>,
    },
    /// How a group is.
    Status(GroupStatus),
    /// The groups whose seats change, and who is to sit there.
    Seating(BTreeMap<GroupId, Vec<PeerId>>),
    /// What happened to the keys of a bucket.
    Happened(Happened),
    /// Who hears there for the bucket, if anybody does. What was told was given to it if it was sealed for it.
    Hearer(Option<HearerId>),
    /// It was not done, or not known to be.
    Failed(Failed),
}

/// A version, and how old the answer may be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The version; a marker too. `None` if there is no such key.
    pub version: Option<Version>,
    /// Nothing is missed that was acknowledged longer ago than this; `None` if nothing is known of that.
    pub stale: Option<Duration>,
    /// Where the newest was asked for and there is none, or a marker: when that was seen.
    pub absence: Option<Absence>,
}

/// A page of a listing, and how old it may be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Keys and versions, in ascending order of the keys, the newest version of a key first.
    pub found: Vec<(Bytes, Version)>,
    /// Whether there are more behind them.
    pub more: bool,
    /// As in [`Found`].
    pub stale: Option<Duration>,
    /// Which of the bucket's slots it covers: a bit for each in their order, the lowest bit of a byte first. Empty for all.
    pub slots: Bytes,
}

/// A bucket, and the revision of its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRow {
    /// The bucket.
    pub bucket: Bucket,
    /// Changes whenever the bucket does.
    pub revision: Stamp,
}

/// How a group is on one of its members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupStatus {
    /// Raft's term.
    pub term: u64,
    /// Who leads, as far as is known.
    pub leader: Option<PeerId>,
    /// Who votes.
    pub voters: Vec<PeerId>,
    /// Who listens.
    pub learners: Vec<PeerId>,
    /// The last entry that was applied there.
    pub applied: u64,
    /// The last entry that is known to be committed.
    pub committed: u64,
    /// Why it stopped there; empty if it did not.
    pub stopped: String,
}

/// Why something was not done, or not known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What the asker can do.
    pub kind: FailedKind,
    /// For people; at most [`REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// What the asker can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedKind {
    /// Ask this one, if anyone: it leads.
    NotLeader(Option<PeerId>),
    /// Ask again: it may or may not be done.
    Busy,
    /// It may not.
    Denied,
    /// It has to say first which user it is.
    Introduce,
    /// It makes no sense, or not as things are.
    Refused,
    /// There are no groups in this network.
    NoNetwork,
    /// There is no such thing.
    NotFound,
    /// The row is not as was expected.
    Conflict,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Failed {
    /// A failure; the reason is cut to its bound.
    #[must_use]
    pub fn new(kind: FailedKind, reason: impl Into<String>) -> Self {
        let reason: String = reason.into().chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
        Self { kind, reason }
    }

    fn to_wire(&self) -> wire::Failed {
        use wire::FailedKind as Wire;
        let (kind, leader) = match self.kind {
            FailedKind::NotLeader(leader) => (Wire::NotLeader, leader),
            FailedKind::Busy => (Wire::Busy, None),
            FailedKind::Denied => (Wire::Denied, None),
            FailedKind::Introduce => (Wire::Introduce, None),
            FailedKind::Refused => (Wire::Refused, None),
            FailedKind::NoNetwork => (Wire::NoNetwork, None),
            FailedKind::NotFound => (Wire::NotFound, None),
            FailedKind::Conflict => (Wire::Conflict, None),
        };
        let leader = leader.map(peer_bytes).unwrap_or_default();
        wire::Failed { kind: kind.into(), reason: self.reason.clone(), leader }
    }

    fn from_wire(failed: wire::Failed) -> Result<Self, DecodeError> {
        use wire::FailedKind as Wire;
        let kind = match failed.kind() {
            Wire::NotLeader => FailedKind::NotLeader(some_peer(&failed.leader)?),
            Wire::Busy => FailedKind::Busy,
            Wire::Denied => FailedKind::Denied,
            Wire::Introduce => FailedKind::Introduce,
            Wire::NoNetwork => FailedKind::NoNetwork,
            Wire::NotFound => FailedKind::NotFound,
            Wire::Conflict => FailedKind::Conflict,
            // What only a newer member knows is a refusal all the same.
            Wire::Refused | Wire::Unspecified => FailedKind::Refused,
        };
        Ok(Self::new(kind, failed.reason))
    }
}

fn some_peer(bytes: &[u8]) -> Result<Option<PeerId>, DecodeError> {
    if bytes.is_empty() { Ok(None) } else { peer(bytes).map(Some) }
}

fn peers(peers: &[Bytes]) -> Result<Vec<PeerId>, DecodeError> {
    peers.iter().map(|bytes| peer(bytes)).collect()
}

fn stale_to_wire(stale: Option<Duration>) -> wire::Staleness {
    let ms = stale.map(|stale| u64::try_from(stale.as_millis()).unwrap_or(u64::MAX));
    wire::Staleness { ms }
}

fn stale_from_wire(stale: Option<wire::Staleness>) -> Option<Duration> {
    stale.and_then(|stale| stale.ms).map(Duration::from_millis)
}

impl GroupStatus {
    fn to_wire(&self) -> wire::GroupStatus {
        wire::GroupStatus {
            term: self.term,
            leader: self.leader.map(peer_bytes).unwrap_or_default(),
            voters: self.voters.iter().copied().map(peer_bytes).collect(),
            learners: self.learners.iter().copied().map(peer_bytes).collect(),
            applied: self.applied,
            committed: self.committed,
            stopped: self.stopped.clone(),
        }
    }

    fn from_wire(status: wire::GroupStatus) -> Result<Self, DecodeError> {
        Ok(Self {
            term: status.term,
            leader: some_peer(&status.leader)?,
            voters: peers(&status.voters)?,
            learners: peers(&status.learners)?,
            applied: status.applied,
            committed: status.committed,
            stopped: Failed::new(FailedKind::Busy, status.stopped).reason,
        })
    }
}

impl Listed {
    fn to_wire(&self) -> wire::Listed {
        let key = |(key, version): &(Bytes, Version)| wire::ListedKey { key: key.clone(), version: version.encode() };
        let keys = self.found.iter().map(key).collect();
        wire::Listed { keys, more: self.more, stale: Some(stale_to_wire(self.stale)), slots: self.slots.clone() }
    }

    fn from_wire(listed: wire::Listed) -> Result<Self, DecodeError> {
        let read = |key: wire::ListedKey| Ok((key.key, Version::decode(&key.version)?));
        let found = listed.keys.into_iter().map(read).collect::<Result<_, DecodeError>>()?;
        let slots = at_most(listed.slots, usize::from(SLOTS) / 8)?;
        Ok(Self { found, more: listed.more, stale: stale_from_wire(listed.stale), slots })
    }
}

const fn absence_to_wire(absence: Absence) -> wire::Absence {
    wire::Absence { group: absence.group.as_u64(), index: absence.index }
}

const fn absence_from_wire(absence: wire::Absence) -> Absence {
    Absence { group: GroupId::new(absence.group), index: absence.index }
}

impl Told {
    /// The answer's bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        use wire::told::Told as Wire;
        let told = match self {
            Self::Done => Wire::Done(wire::Done {}),
            Self::Reply(reply) => Wire::Reply(reply.encode()),
            Self::Found(found) => Wire::Found(wire::Found {
                version: found.version.as_ref().map(Version::encode),
                stale: Some(stale_to_wire(found.stale)),
                absence: found.absence.map(absence_to_wire),
            }),
            Self::Listed(listed) => Wire::Listed(listed.to_wire()),
            Self::Map(None) => Wire::Map(wire::Map { same: true, ..wire::Map::default() }),
            Self::Map(Some(map)) => Wire::Map(map.to_wire()),
            Self::Buckets { buckets, more } => {
                let row =
                    |row: &BucketRow| wire::BucketRow { bucket: row.bucket.encode(), revision: row.revision.as_u64() };
                Wire::Buckets(wire::Buckets { buckets: buckets.iter().map(row).collect(), more: *more })
            }
            Self::SlotSide { state, holds, last, rest } => Wire::SlotSide(wire::SlotSide {
                state: state.map(SlotState::encode).unwrap_or_default(),
                holds: *holds,
                last: last.clone(),
                rest: rest
                    .iter()
                    .map(|(key, value)| wire::SlotPair { key: key.clone(), value: value.clone() })
                    .collect(),
            }),
            Self::Status(status) => Wire::Status(status.to_wire()),
            Self::Seating(groups) => {
                let row = |(group, seats): (&GroupId, &Vec<PeerId>)| wire::GroupSeats {
                    group: group.as_u64(),
                    seats: seats.iter().copied().map(peer_bytes).collect(),
                };
                Wire::Seating(wire::Seating { groups: groups.iter().map(row).collect() })
            }
            Self::Happened(happened) => Wire::Happened(happened.to_wire()),
            Self::Hearer(known) => Wire::Hearer(wire::Hearer { hearer: known.map(hearer_bytes).unwrap_or_default() }),
            Self::Failed(failed) => Wire::Failed(failed.to_wire()),
        };
        wire::Told { told: Some(told) }.encode_to_vec().into()
    }

    /// Decodes an answer.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole answer within its bounds.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        use wire::told::Told as Wire;
        let told: wire::Told = decode(at_most(bytes, TOLD_BYTES_MAX)?)?;
        Ok(match told.told.ok_or(DecodeError::field("answer"))? {
            Wire::Done(wire::Done {}) => Self::Done,
            Wire::Reply(reply) => Self::Reply(Reply::decode(reply)?),
            Wire::Found(found) => Self::Found(Found {
                version: found.version.map(|version| Version::decode(&version)).transpose()?,
                stale: stale_from_wire(found.stale),
                absence: found.absence.map(absence_from_wire),
            }),
            Wire::Listed(listed) => Self::Listed(Listed::from_wire(listed)?),
            Wire::Map(map) if map.same => Self::Map(None),
            Wire::Map(map) => Self::Map(Some(Box::new(ClusterMap::from_wire(map)?))),
            Wire::Buckets(buckets) => {
                let row = |row: wire::BucketRow| {
                    Ok(BucketRow { bucket: Bucket::decode(&row.bucket)?, revision: Stamp::from_u64(row.revision) })
                };
                let rows = buckets.buckets.into_iter().map(row).collect::<Result<_, DecodeError>>()?;
                Self::Buckets { buckets: rows, more: buckets.more }
            }
            Wire::SlotSide(side) => Self::SlotSide {
                state: if side.state.is_empty() { None } else { Some(SlotState::decode(side.state)?) },
                holds: side.holds,
                last: side.last,
                rest: side.rest.into_iter().map(|pair| (pair.key, pair.value)).collect(),
            },
            Wire::Status(status) => Self::Status(GroupStatus::from_wire(status)?),
            Wire::Seating(seating) => {
                let row = |row: wire::GroupSeats| Ok((GroupId::new(row.group), peers(&row.seats)?));
                Self::Seating(seating.groups.into_iter().map(row).collect::<Result<_, DecodeError>>()?)
            }
            Wire::Happened(happened) => Self::Happened(Happened::from_wire(happened)?),
            Wire::Hearer(known) if known.hearer.is_empty() => Self::Hearer(None),
            Wire::Hearer(known) => Self::Hearer(Some(hearer(&known.hearer)?)),
            Wire::Failed(failed) => Self::Failed(Failed::from_wire(failed)?),
        })
    }
}
