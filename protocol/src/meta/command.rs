//! What a group is told to do, and what of it stands in the log.
//!
//! A command is encoded once, by its author; the leader that proposes it puts its stamp before those bytes.

use bytes::Bytes;
use prost::Message as _;

use super::{
    BucketConfig, BucketId, RequestId, RowChange, Slot, Stamp, Version, VersionId, at_most, decode, fixed_or_none, ids,
    wire,
};
use crate::fields::Shaped;
use crate::limits::{BATCH_PARTS_MAX, COMMAND_BYTES_MAX, REDIS_KEY_BYTES_MAX};
use crate::{DecodeError, GroupId};

/// A command as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The feature level that whoever applies it must have.
    pub feature: u32,
    /// Whose retries are one with it; `None` for what groups tell themselves, which may be done twice.
    pub request: Option<RequestId>,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write a version of a key.
    Put(Box<Put>),
    /// Delete a key, or one version of it.
    Delete(Box<Delete>),
    /// Take this configuration of a bucket.
    SetBucket(Box<BucketConfig>),
    /// Take slots that no group has: only when a network begins.
    Assign {
        /// The first.
        first: Slot,
        /// The last.
        last: Slot,
    },
    /// Write nothing more in a slot that goes to another group.
    Freeze(SlotTo),
    /// Write again: it stays.
    Thaw(SlotTo),
    /// Take records of a slot that comes from another group.
    Ship(Ship),
    /// Answer nothing more from a slot: it is the other group's.
    Forward(SlotTo),
    /// Begin to answer from a slot whose records all came.
    Switch {
        /// The slot, and whence it came.
        from: SlotTo,
        /// Pages that were shipped: with one less, records would be missing.
        pages: u64,
        /// The stamp of the freeze: another attempt's records are others.
        since: Stamp,
    },
    /// Remove records of a slot that is another group's, as many as one command may.
    Drop {
        /// The slot, and the other group of its move.
        other: SlotTo,
        /// The stamp of the freeze.
        since: Stamp,
    },
    /// From here on, commands may need this feature level.
    RaiseFeature(u32),
    /// Let time pass: what expired by the stamp of this command is removed, as far as one command may.
    Tick,
    /// Change several keys of one slot, all or none.
    Batch(Box<Batch>),
    /// Change rows, all or none; in ascending order of their keys, 1 to [`ROWS_CHANGED_MAX`](crate::limits::ROWS_CHANGED_MAX).
    SetRows(Vec<RowChange>),
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    Always,
    /// There is no such key.
    Absent,
    /// There is no such key, and it is known that nothing happened to it since this was seen.
    AbsentSince(Absence),
    /// The key's newest version is this one.
    Version(VersionId),
}

/// That a key was not there, as a group saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// The group.
    pub group: GroupId,
    /// The index in its log of the last command that it had done then.
    pub index: u64,
}

/// To write a version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The bucket.
    pub bucket: BucketId,
    /// Its configuration, as the writer knew it.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// What to write.
    pub version: Version,
    /// Under which condition.
    pub condition: Condition,
}

/// To delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The bucket.
    pub bucket: BucketId,
    /// Its configuration, as the writer knew it.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// This version for good, or the key.
    pub version: Option<VersionId>,
    /// Under which condition.
    pub condition: Condition,
    /// The marker to write where versions are kept.
    pub marker: Option<Version>,
}

/// To change several keys of one slot, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The bucket.
    pub bucket: BucketId,
    /// Its configuration, as the writer knew it.
    pub generation: u64,
    /// 1 to [`BATCH_PARTS_MAX`] keys, in ascending order.
    pub parts: Vec<Part>,
}

/// What is to become of one key, and what must hold for that to become of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The key.
    pub key: Bytes,
    /// What must hold of it.
    pub condition: Condition,
    /// What becomes of it.
    pub change: PartChange,
}

/// What becomes of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartChange {
    /// It stays: only its condition counts.
    Keep,
    /// This is written. A marker, where versions are kept, deletes the key.
    Write(Box<Version>),
    /// It goes, where no versions are kept.
    Remove,
}

/// A slot and the other group of its move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotTo {
    /// The slot.
    pub slot: Slot,
    /// The other group.
    pub group: GroupId,
}

/// Records of a slot on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ship {
    /// The slot, and whence it comes.
    pub from: SlotTo,
    /// Counts from 0; page 0 begins anew.
    pub page: u64,
    /// The stamp of the freeze there. It tells attempts apart, so that a page of one that was given up is no part of the
    /// next; and as nothing in the slot is later, whatever is stamped here from now on is.
    pub since: Stamp,
    /// Records, as keys below the slot and values; at most [`SHIPPED_PAIRS_MAX`](crate::limits::SHIPPED_PAIRS_MAX).
    pub pairs: Vec<(Bytes, Bytes)>,
}

/// Of a command, only what feature it needs: what else a newer program wrote may be beyond this one's bounds.
#[derive(Clone, PartialEq, prost::Message)]
struct Feature {
    #[prost(uint32, tag = "1")]
    level: u32,
}

impl Shaped for Feature {}

/// What stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Proposal {
    /// The leader's stamp. What is applied is at least one later than what was applied before.
    pub stamp: Stamp,
    /// An encoded [`Command`].
    pub command: Bytes,
}

impl Proposal {
    /// The entry of the log.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        wire::Proposal { stamp: self.stamp.as_u64(), command: self.command.clone() }.encode_to_vec().into()
    }

    /// Decodes an entry of the log.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a proposal.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let proposal: wire::Proposal = decode(bytes)?;
        Ok(Self { stamp: Stamp::from_u64(proposal.stamp), command: at_most(proposal.command, COMMAND_BYTES_MAX)? })
    }
}

impl Command {
    /// The command's bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        use wire::command::Command as Wire;
        let command = match &self.action {
            Action::Put(put) => Wire::Put(put.to_wire()),
            Action::Delete(delete) => Wire::Delete(delete.to_wire()),
            Action::SetBucket(config) => Wire::SetBucket(config.encode()),
            Action::Assign { first, last } => {
                Wire::Assign(wire::Slots { first: first.number().into(), last: last.number().into() })
            }
            Action::Freeze(slot) => Wire::Freeze(slot.to_wire()),
            Action::Thaw(slot) => Wire::Thaw(slot.to_wire()),
            Action::Ship(ship) => Wire::Ship(ship.to_wire()),
            Action::Forward(slot) => Wire::Forward(slot.to_wire()),
            Action::Switch { from, pages, since } => {
                let (slot, group) = (from.slot.number().into(), from.group.as_u64());
                Wire::Switch(wire::Switch { slot, group, pages: *pages, since: since.as_u64() })
            }
            Action::Drop { other, since } => {
                let (slot, group) = (other.slot.number().into(), other.group.as_u64());
                Wire::Drop(wire::Drop { slot, group, since: since.as_u64() })
            }
            Action::RaiseFeature(level) => Wire::RaiseFeature(*level),
            Action::Tick => Wire::Tick(wire::Tick {}),
            Action::Batch(batch) => Wire::Batch(batch.to_wire()),
            Action::SetRows(rows) => {
                Wire::SetRows(wire::SetRows { rows: rows.iter().map(RowChange::to_wire).collect() })
            }
        };
        let request = self.request.map(|id| id.as_bytes().to_vec()).unwrap_or_default().into();
        wire::Command { feature: self.feature, request, command: Some(command) }.encode_to_vec().into()
    }

    /// The feature level that a command needs, whether or not the rest of it is understood.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a Protobuf message of at most [`COMMAND_BYTES_MAX`] bytes.
    pub fn feature_of(bytes: &Bytes) -> Result<u32, DecodeError> {
        Ok(decode::<Feature>(at_most(bytes.clone(), COMMAND_BYTES_MAX)?)?.level)
    }

    /// Decodes a command that anyone may have written.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole command within its bounds.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        use wire::command::Command as Wire;
        let command: wire::Command = decode(at_most(bytes.clone(), COMMAND_BYTES_MAX)?)?;
        let action = match command.command.ok_or(DecodeError::field("command"))? {
            Wire::Put(put) => Action::Put(Box::new(Put::from_wire(put)?)),
            Wire::Delete(delete) => Action::Delete(Box::new(Delete::from_wire(delete)?)),
            Wire::SetBucket(config) => Action::SetBucket(Box::new(BucketConfig::decode(&config)?)),
            Wire::Assign(slots) => {
                let (first, last) = (Slot::from_wire(slots.first)?, Slot::from_wire(slots.last)?);
                if last < first {
                    return Err(DecodeError::field("slots"));
                }
                Action::Assign { first, last }
            }
            Wire::Freeze(slot) => Action::Freeze(SlotTo::from_wire(slot)?),
            Wire::Thaw(slot) => Action::Thaw(SlotTo::from_wire(slot)?),
            Wire::Ship(ship) => Action::Ship(Ship::from_wire(ship)?),
            Wire::Forward(slot) => Action::Forward(SlotTo::from_wire(slot)?),
            Wire::Switch(wire::Switch { slot, group, pages, since }) => {
                let from = SlotTo::from_wire(wire::SlotTo { slot, group })?;
                Action::Switch { from, pages, since: Stamp::from_u64(since) }
            }
            Wire::Drop(wire::Drop { slot, group, since }) => {
                let other = SlotTo::from_wire(wire::SlotTo { slot, group })?;
                Action::Drop { other, since: Stamp::from_u64(since) }
            }
            Wire::RaiseFeature(level) => Action::RaiseFeature(level),
            Wire::Tick(wire::Tick {}) => Action::Tick,
            Wire::Batch(batch) => Action::Batch(Box::new(Batch::from_wire(batch)?)),
            Wire::SetRows(rows) => Action::SetRows(RowChange::all_from_wire(rows.rows)?),
        };
        let request = fixed_or_none(&command.request, "request")?.map(RequestId::from_bytes);
        Ok(Self { feature: command.feature, request, action })
    }
}

impl Condition {
    /// Whether it holds where this version is the newest, `None` where there is none: as far as that tells, which for
    /// [`Condition::AbsentSince`] is not all.
    #[must_use]
    pub fn may_hold(self, current: Option<VersionId>) -> bool {
        match self {
            Self::Always => true,
            Self::Absent | Self::AbsentSince(_) => current.is_none(),
            Self::Version(id) => current == Some(id),
        }
    }

    /// The version that it names.
    #[must_use]
    pub const fn version(self) -> Option<VersionId> {
        match self {
            Self::Version(id) => Some(id),
            Self::Always | Self::Absent | Self::AbsentSince(_) => None,
        }
    }

    fn to_wire(self) -> Option<wire::Condition> {
        let nothing = wire::Condition::default();
        match self {
            Self::Always => None,
            Self::Absent => Some(wire::Condition { absent: true, ..nothing }),
            Self::AbsentSince(absence) => Some(wire::Condition { absent_since: Some(absence.to_wire()), ..nothing }),
            Self::Version(id) => Some(wire::Condition { version: ids::version_bytes(Some(id)), ..nothing }),
        }
    }

    fn from_wire(condition: Option<wire::Condition>) -> Result<Self, DecodeError> {
        let Some(wire::Condition { absent, version, absent_since }) = condition else { return Ok(Self::Always) };
        match (absent, version.is_empty(), absent_since) {
            (true, true, None) => Ok(Self::Absent),
            (false, true, Some(absence)) => Ok(Self::AbsentSince(Absence::from_wire(absence))),
            (false, false, None) => Ok(Self::Version(ids::version(&version)?)),
            // A condition that is not understood must not be taken for none.
            _ => Err(DecodeError::field("condition")),
        }
    }
}

impl Absence {
    const fn to_wire(self) -> wire::Absence {
        wire::Absence { group: self.group.as_u64(), index: self.index }
    }

    const fn from_wire(absence: wire::Absence) -> Self {
        Self { group: GroupId::new(absence.group), index: absence.index }
    }
}

impl Action {
    /// The bucket that it changes, and a key there: of several, which are in one slot, the first.
    #[must_use]
    pub fn in_bucket(&self) -> Option<(BucketId, Option<&Bytes>)> {
        match self {
            Self::Put(put) => Some((put.bucket, Some(&put.key))),
            Self::Delete(delete) => Some((delete.bucket, Some(&delete.key))),
            Self::Batch(batch) => Some((batch.bucket, batch.parts.first().map(|part| &part.key))),
            _ => None,
        }
    }
}

impl Put {
    fn to_wire(&self) -> wire::Put {
        wire::Put {
            bucket: self.bucket.as_bytes().to_vec().into(),
            generation: self.generation,
            key: self.key.clone(),
            version: self.version.encode(),
            condition: self.condition.to_wire(),
        }
    }

    fn from_wire(put: wire::Put) -> Result<Self, DecodeError> {
        Ok(Self {
            bucket: ids::bucket(&put.bucket)?,
            generation: put.generation,
            key: at_most(put.key, REDIS_KEY_BYTES_MAX)?,
            version: Version::decode(&put.version)?,
            condition: Condition::from_wire(put.condition)?,
        })
    }
}

impl Delete {
    fn to_wire(&self) -> wire::Delete {
        wire::Delete {
            bucket: self.bucket.as_bytes().to_vec().into(),
            generation: self.generation,
            key: self.key.clone(),
            version: ids::version_bytes(self.version),
            condition: self.condition.to_wire(),
            marker: self.marker.as_ref().map(Version::encode).unwrap_or_default(),
        }
    }

    fn from_wire(delete: wire::Delete) -> Result<Self, DecodeError> {
        let marker = if delete.marker.is_empty() { None } else { Some(Version::decode(&delete.marker)?) };
        if marker.as_ref().is_some_and(|marker| marker.body != super::Body::Marker) {
            return Err(DecodeError::field("marker"));
        }
        Ok(Self {
            bucket: ids::bucket(&delete.bucket)?,
            generation: delete.generation,
            key: at_most(delete.key, REDIS_KEY_BYTES_MAX)?,
            version: ids::version_or_none(&delete.version)?,
            condition: Condition::from_wire(delete.condition)?,
            marker,
        })
    }
}

impl Batch {
    /// Bytes that it takes in a command.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.to_wire().encoded_len()
    }

    fn to_wire(&self) -> wire::Batch {
        wire::Batch {
            bucket: self.bucket.as_bytes().to_vec().into(),
            generation: self.generation,
            parts: self.parts.iter().map(Part::to_wire).collect(),
        }
    }

    fn from_wire(batch: wire::Batch) -> Result<Self, DecodeError> {
        if batch.parts.is_empty() || batch.parts.len() > BATCH_PARTS_MAX {
            return Err(DecodeError::field("parts"));
        }
        let parts: Vec<Part> = batch.parts.into_iter().map(Part::from_wire).collect::<Result<_, _>>()?;
        if !parts.is_sorted_by(|one, next| one.key < next.key) {
            return Err(DecodeError::field("parts"));
        }
        Ok(Self { bucket: ids::bucket(&batch.bucket)?, generation: batch.generation, parts })
    }
}

impl Part {
    fn to_wire(&self) -> wire::Part {
        use wire::part::Change as Wire;
        let change = match &self.change {
            PartChange::Keep => None,
            PartChange::Write(version) => Some(Wire::Version(version.encode())),
            PartChange::Remove => Some(Wire::Remove(wire::Tick {})),
        };
        wire::Part { key: self.key.clone(), condition: self.condition.to_wire(), change }
    }

    fn from_wire(part: wire::Part) -> Result<Self, DecodeError> {
        use wire::part::Change as Wire;
        let change = match part.change {
            None => PartChange::Keep,
            Some(Wire::Version(version)) => PartChange::Write(Box::new(Version::decode(&version)?)),
            Some(Wire::Remove(wire::Tick {})) => PartChange::Remove,
        };
        let (key, condition) = (at_most(part.key, REDIS_KEY_BYTES_MAX)?, Condition::from_wire(part.condition)?);
        Ok(Self { key, condition, change })
    }
}

impl SlotTo {
    fn to_wire(self) -> wire::SlotTo {
        wire::SlotTo { slot: self.slot.number().into(), group: self.group.as_u64() }
    }

    fn from_wire(slot: wire::SlotTo) -> Result<Self, DecodeError> {
        Ok(Self { slot: Slot::from_wire(slot.slot)?, group: GroupId::new(slot.group) })
    }
}

impl Ship {
    fn to_wire(&self) -> wire::Ship {
        wire::Ship {
            slot: self.from.slot.number().into(),
            group: self.from.group.as_u64(),
            page: self.page,
            since: self.since.as_u64(),
            pairs: self.pairs.iter().map(|(k, v)| wire::Pair { key: k.clone(), value: v.clone() }).collect(),
        }
    }

    fn from_wire(ship: wire::Ship) -> Result<Self, DecodeError> {
        Ok(Self {
            from: SlotTo { slot: Slot::from_wire(ship.slot)?, group: GroupId::new(ship.group) },
            page: ship.page,
            since: Stamp::from_u64(ship.since),
            pairs: ship.pairs.into_iter().map(|pair| (pair.key, pair.value)).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
