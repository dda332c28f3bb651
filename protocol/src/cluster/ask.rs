//! What a member of a group is asked, by clients and by other members.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use super::{Bucket, MemberRow, ReadPreference, SealedTalk, Since, peer, peer_bytes, wire};
use crate::fields::{at_most, decode};
use crate::identity::{Identity, SIGNATURE_BYTES};
use crate::limits::{
    BUCKET_NAME_CHARS_MAX, COMMAND_BYTES_MAX, LISTED_MAX, RAFT_APPEND_BYTES_MAX, REDIS_KEY_BYTES_MAX, ROW_BYTES_MAX,
};
use crate::meta::{BucketConfig, BucketId, Slot, Stamp, VersionId, fixed, ids};
use crate::{DecodeError, GroupId, NetworkId, PeerId};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// From here on, this user speaks through the connection.
    Introduction(Introduction),
    /// Have the group agree on a [`Command`](crate::meta::Command).
    Command(Bytes),
    /// The same, acknowledged when the disk of the leader has it, whether or not other members do.
    LocalCommand(Bytes),
    /// A version of a key.
    Get {
        /// Of which bucket.
        bucket: BucketId,
        /// The key.
        key: Bytes,
        /// Which version; `None` for the newest.
        version: Option<VersionId>,
        /// What it may miss.
        level: Level,
    },
    /// A page of a listing.
    List {
        /// What to list.
        listing: Listing,
        /// What it may miss.
        level: Level,
    },
    /// The cluster map, if it is another one than this.
    Map {
        /// The revision that is known.
        known: Stamp,
    },
    /// Take this member in, or note what changed of it. It speaks for itself.
    Join(Box<MemberRow>),
    /// A bucket by its name.
    Bucket {
        /// The name.
        name: String,
    },
    /// The buckets of the user.
    Buckets {
        /// Behind this name.
        after: String,
    },
    /// Make, change or remove a bucket, if its row is as expected.
    SetBucket {
        /// Its name.
        name: String,
        /// What it is to be; `None` to remove it.
        bucket: Option<Box<Bucket>>,
        /// The revision of its row; `None` if there is to be none.
        expected: Option<Stamp>,
    },
    /// See to it that all groups know the bucket as it is.
    SpreadBucket {
        /// Which bucket.
        bucket: BucketId,
    },
    /// What an operator wants.
    Steer(Steer),
    /// How a slot is at this group of its move.
    SlotLook {
        /// The slot.
        slot: Slot,
        /// Which side it is.
        side: MoveSide,
    },
    /// How the group is there.
    Status,
    /// Answer when all members of the group have on their disks what was acknowledged before, if the key is at home there.
    Everywhere {
        /// Of which bucket.
        bucket: BucketId,
        /// The key.
        key: Bytes,
    },
    /// What happened to the keys of a bucket at this group.
    Events {
        /// Of which bucket.
        bucket: BucketId,
        /// From where on.
        since: Since,
    },
    /// Something for whoever hears at this member for a bucket; without it, who that is.
    Tell {
        /// Which bucket.
        bucket: BucketId,
        /// What is said.
        talk: Option<SealedTalk>,
    },
}

/// A side of a slot's move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveSide {
    /// Where it comes.
    Target,
    /// Whence: with the records that come next, behind the one that came last at the target, if any did.
    Source(Option<Bytes>),
}

/// Says which user speaks through a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Introduction {
    /// The user.
    pub user: PeerId,
    signature: [u8; SIGNATURE_BYTES],
}

/// What a read may miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Nothing that was acknowledged before it began.
    #[default]
    Linearizable,
    /// What was acknowledged within this time before it.
    Bounded(Duration),
    /// Anything; what the member that is asked knows.
    Eventual,
    /// As `Linearizable`, of a leader that asks nobody as long as nobody else can have been elected since most members
    /// acknowledged it: it rests on machines measuring a third of a second alike.
    Lease,
}

impl From<ReadPreference> for Level {
    fn from(preference: ReadPreference) -> Self {
        match preference {
            ReadPreference::Linearizable => Self::Linearizable,
            ReadPreference::Bounded(ms) => Self::Bounded(Duration::from_millis(ms.into())),
            ReadPreference::Eventual => Self::Eventual,
            ReadPreference::Lease => Self::Lease,
        }
    }
}

impl Level {
    /// Whether it misses nothing that was acknowledged before, and so is for the leader to answer.
    #[must_use]
    pub const fn is_strong(self) -> bool {
        matches!(self, Self::Linearizable | Self::Lease)
    }
}

/// What to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Of which bucket.
    pub bucket: BucketId,
    /// Keys that start so.
    pub prefix: Bytes,
    /// Behind this key, or behind this version of it.
    pub after: Option<(Bytes, Option<VersionId>)>,
    /// So many at the most; never more than [`LISTED_MAX`].
    pub limit: usize,
    /// All versions and markers, rather than the newest of each key that is there.
    pub versions: bool,
    /// Of the bucket's slots these alone; all without it.
    pub slots: Option<RangeInclusive<Slot>>,
}

/// What an operator wants of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    /// This member is to give up its seats.
    Drain(PeerId),
    /// This member is to take seats again.
    Activate(PeerId),
    /// This member is gone for good.
    Remove(PeerId),
    /// This member is to lead the group.
    Transfer(GroupId, PeerId),
    /// This slot is to go to another group.
    MoveSlot(Slot, GroupId),
    /// Which seats would be changed to spread them evenly; nothing is.
    PlanSeats,
    /// Seats are to be spread evenly now, as far as one change of rows goes; which those are.
    Rebalance,
}

impl Introduction {
    /// Introduces a user through the connection of `connection` in `network`.
    #[must_use]
    pub fn new(user: &Identity, network: NetworkId, connection: PeerId) -> Self {
        Self { user: user.id(), signature: user.sign(&introduced(network, connection)) }
    }

    /// Checks that the user meant this connection.
    ///
    /// # Errors
    /// [`DecodeError::Unverified`] if not.
    pub fn verify(&self, network: NetworkId, connection: PeerId) -> Result<PeerId, DecodeError> {
        self.user.verify("an introduction", &introduced(network, connection), &self.signature)?;
        Ok(self.user)
    }
}

fn introduced(network: NetworkId, connection: PeerId) -> Vec<u8> {
    [b"storgo v1 introduction".as_slice(), network.as_bytes(), connection.as_bytes()].concat()
}

impl Level {
    fn to_wire(self) -> wire::Level {
        let (kind, bound) = match self {
            Self::Linearizable => (0, Duration::ZERO),
            Self::Bounded(bound) => (1, bound),
            Self::Eventual => (2, Duration::ZERO),
            Self::Lease => (3, Duration::ZERO),
        };
        wire::Level { kind, bound_ms: u64::try_from(bound.as_millis()).unwrap_or(u64::MAX) }
    }

    fn from_wire(level: Option<wire::Level>) -> Result<Self, DecodeError> {
        let level = level.unwrap_or_default();
        match level.kind {
            0 => Ok(Self::Linearizable),
            1 => Ok(Self::Bounded(Duration::from_millis(level.bound_ms))),
            2 => Ok(Self::Eventual),
            3 => Ok(Self::Lease),
            _ => Err(DecodeError::field("level")),
        }
    }
}

impl Listing {
    /// The slots to look in, of a bucket that is kept so.
    #[must_use]
    pub fn slots_of(&self, config: &BucketConfig) -> Vec<Slot> {
        let mut slots = config.slots();
        slots.retain(|slot| self.slots.as_ref().is_none_or(|wanted| wanted.contains(slot)));
        slots
    }

    fn to_wire(&self, level: Level) -> wire::List {
        let (after, version) = self.after.clone().unzip();
        wire::List {
            bucket: self.bucket.as_bytes().to_vec().into(),
            prefix: self.prefix.clone(),
            after,
            after_version: ids::version_bytes(version.flatten()),
            limit: u32::try_from(self.limit).unwrap_or(u32::MAX),
            versions: self.versions,
            level: Some(level.to_wire()),
            slots: self.slots.as_ref().map(|slots| wire::SlotSpan {
                first: slots.start().number().into(),
                last: slots.end().number().into(),
            }),
        }
    }

    fn from_wire(list: wire::List) -> Result<(Self, Level), DecodeError> {
        let version = ids::version_or_none(&list.after_version)?;
        let after = list.after.map(|key| at_most(key, REDIS_KEY_BYTES_MAX)).transpose()?;
        let listing = Self {
            bucket: ids::bucket(&list.bucket)?,
            prefix: at_most(list.prefix, REDIS_KEY_BYTES_MAX)?,
            after: after.map(|key| (key, version)),
            limit: usize::try_from(list.limit).unwrap_or(LISTED_MAX).min(LISTED_MAX),
            versions: list.versions,
            slots: list
                .slots
                .map(|span| Ok::<_, DecodeError>(Slot::from_wire(span.first)?..=Slot::from_wire(span.last)?))
                .transpose()?,
        };
        Ok((listing, Level::from_wire(list.level)?))
    }
}

impl Steer {
    fn to_wire(self) -> wire::Steer {
        use wire::steer::Steer as Wire;
        let steer = match self {
            Self::Drain(peer) => Wire::Drain(peer_bytes(peer)),
            Self::Activate(peer) => Wire::Activate(peer_bytes(peer)),
            Self::Remove(peer) => Wire::Remove(peer_bytes(peer)),
            Self::Transfer(group, to) => Wire::Transfer(wire::Transfer { group: group.as_u64(), to: peer_bytes(to) }),
            Self::MoveSlot(slot, to) => {
                Wire::MoveSlot(wire::SlotTarget { slot: slot.number().into(), to: to.as_u64() })
            }
            Self::PlanSeats => Wire::Rebalance(wire::Rebalance { only_plan: true }),
            Self::Rebalance => Wire::Rebalance(wire::Rebalance { only_plan: false }),
        };
        wire::Steer { steer: Some(steer) }
    }

    fn from_wire(steer: wire::Steer) -> Result<Self, DecodeError> {
        use wire::steer::Steer as Wire;
        Ok(match steer.steer.ok_or(DecodeError::field("steer"))? {
            Wire::Drain(bytes) => Self::Drain(peer(&bytes)?),
            Wire::Activate(bytes) => Self::Activate(peer(&bytes)?),
            Wire::Remove(bytes) => Self::Remove(peer(&bytes)?),
            Wire::Transfer(transfer) => Self::Transfer(GroupId::new(transfer.group), peer(&transfer.to)?),
            Wire::MoveSlot(target) => Self::MoveSlot(Slot::from_wire(target.slot)?, GroupId::new(target.to)),
            Wire::Rebalance(rebalance) if rebalance.only_plan => Self::PlanSeats,
            Wire::Rebalance(_) => Self::Rebalance,
        })
    }
}

fn name(name: String) -> Result<String, DecodeError> {
    if name.len() > BUCKET_NAME_CHARS_MAX { Err(DecodeError::field("bucket name")) } else { Ok(name) }
}

impl Ask {
    /// The question's bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        use wire::ask::Ask as Wire;
        let ask = match self {
            Self::Introduction(introduction) => Wire::Introduction(wire::Introduction {
                user: peer_bytes(introduction.user),
                signature: introduction.signature.to_vec().into(),
            }),
            Self::Command(command) => Wire::Command(command.clone()),
            Self::LocalCommand(command) => Wire::LocalCommand(command.clone()),
            Self::Get { bucket, key, version, level } => Wire::Get(wire::Get {
                bucket: bucket.as_bytes().to_vec().into(),
                key: key.clone(),
                version: ids::version_bytes(*version),
                level: Some(level.to_wire()),
            }),
            Self::List { listing, level } => Wire::List(listing.to_wire(*level)),
            Self::Map { known } => Wire::GetMap(wire::GetMap { known: known.as_u64() }),
            Self::Join(member) => Wire::Join(wire::Join { member: Some(member.to_wire()) }),
            Self::Bucket { name } => Wire::GetBucket(wire::GetBucket { name: name.clone() }),
            Self::Buckets { after } => Wire::ListBuckets(wire::ListBuckets { after: after.clone() }),
            Self::SetBucket { name, bucket, expected } => Wire::SetBucket(wire::SetBucket {
                bucket: bucket.as_ref().map(|bucket| bucket.encode()),
                name: name.clone(),
                expected: expected.map(Stamp::as_u64),
            }),
            Self::SpreadBucket { bucket } => {
                Wire::SpreadBucket(wire::SpreadBucket { bucket: bucket.as_bytes().to_vec().into() })
            }
            Self::Steer(steer) => Wire::Steer(steer.to_wire()),
            Self::SlotLook { slot, side } => {
                let (source, last) = match side {
                    MoveSide::Target => (false, None),
                    MoveSide::Source(last) => (true, last.clone()),
                };
                Wire::SlotLook(wire::SlotLook { slot: slot.number().into(), source, last })
            }
            Self::Status => Wire::Status(wire::Status {}),
            Self::Everywhere { bucket, key } => {
                Wire::Everywhere(wire::Everywhere { bucket: bucket.as_bytes().to_vec().into(), key: key.clone() })
            }
            Self::Events { bucket, since } => Wire::GetEvents(wire::GetEvents {
                bucket: bucket.as_bytes().to_vec().into(),
                since: Some(since.to_wire()),
            }),
            Self::Tell { bucket, talk } => Wire::Tell(wire::Tell {
                bucket: bucket.as_bytes().to_vec().into(),
                talk: talk.as_ref().map(SealedTalk::to_wire),
            }),
        };
        wire::Ask { ask: Some(ask) }.encode_to_vec().into()
    }

    /// Decodes a question of whoever may have written it.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole question within its bounds.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        use wire::ask::Ask as Wire;
        let ask: wire::Ask = decode(at_most(bytes, RAFT_APPEND_BYTES_MAX)?)?;
        Ok(match ask.ask.ok_or(DecodeError::field("question"))? {
            Wire::Introduction(introduction) => Self::Introduction(Introduction {
                user: peer(&introduction.user)?,
                signature: fixed(&introduction.signature, "signature")?,
            }),
            Wire::Command(command) => Self::Command(at_most(command, COMMAND_BYTES_MAX)?),
            Wire::LocalCommand(command) => Self::LocalCommand(at_most(command, COMMAND_BYTES_MAX)?),
            Wire::Get(get) => Self::Get {
                bucket: ids::bucket(&get.bucket)?,
                key: at_most(get.key, REDIS_KEY_BYTES_MAX)?,
                version: ids::version_or_none(&get.version)?,
                level: Level::from_wire(get.level)?,
            },
            Wire::List(list) => {
                let (listing, level) = Listing::from_wire(list)?;
                Self::List { listing, level }
            }
            Wire::GetMap(get) => Self::Map { known: Stamp::from_u64(get.known) },
            Wire::Join(join) => {
                let member = join.member.ok_or(DecodeError::field("member"))?;
                Self::Join(Box::new(MemberRow::from_wire(member)?))
            }
            Wire::GetBucket(get) => Self::Bucket { name: name(get.name)? },
            Wire::ListBuckets(list) => Self::Buckets { after: name(list.after)? },
            Wire::SetBucket(set) => {
                let bucket = set.bucket.map(|bucket| at_most(bucket, ROW_BYTES_MAX)).transpose()?;
                let bucket = bucket.map(|bucket| Bucket::decode(&bucket)).transpose()?;
                let (name, expected) = (name(set.name)?, set.expected.map(Stamp::from_u64));
                if bucket.as_ref().is_some_and(|bucket| bucket.name != name) {
                    return Err(DecodeError::field("bucket name"));
                }
                Self::SetBucket { name, bucket: bucket.map(Box::new), expected }
            }
            Wire::SpreadBucket(spread) => Self::SpreadBucket { bucket: ids::bucket(&spread.bucket)? },
            Wire::Steer(steer) => Self::Steer(Steer::from_wire(steer)?),
            Wire::SlotLook(look) => {
                let last = look.last.map(|last| at_most(last, 3 * REDIS_KEY_BYTES_MAX)).transpose()?;
                let side = if look.source { MoveSide::Source(last) } else { MoveSide::Target };
                Self::SlotLook { slot: Slot::from_wire(look.slot)?, side }
            }
            Wire::Status(wire::Status {}) => Self::Status,
            Wire::Everywhere(everywhere) => Self::Everywhere {
                bucket: ids::bucket(&everywhere.bucket)?,
                key: at_most(everywhere.key, REDIS_KEY_BYTES_MAX)?,
            },
            Wire::GetEvents(get) => {
                Self::Events { bucket: ids::bucket(&get.bucket)?, since: Since::from_wire(get.since) }
            }
            Wire::Tell(tell) => Self::Tell {
                bucket: ids::bucket(&tell.bucket)?,
                talk: tell.talk.map(SealedTalk::from_wire).transpose()?,
            },
        })
    }
}
