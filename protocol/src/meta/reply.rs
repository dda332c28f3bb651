//! What a group answers to a command, the same on every member.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use super::{VersionId, decode, ids, wire};
use crate::limits::REASON_CHARS_MAX;
use crate::{DecodeError, GroupId};

/// An answer to a command that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The version stands.
    Written {
        /// It.
        version: VersionId,
        /// What was the newest before, if there was one that is no marker.
        replaced: Option<VersionId>,
    },
    /// The key or version is gone; it may have been so before.
    Deleted {
        /// The marker that was written or the version that was removed; `None` if there was nothing to delete.
        version: Option<VersionId>,
        /// Whether it is a marker.
        marker: bool,
    },
    /// It is done.
    Done {
        /// How many things it was done to, where that is of interest: 0 from [`Tick`](super::Action::Tick) and
        /// [`Drop`](super::Action::Drop) says that nothing is left.
        count: u64,
    },
    /// Nothing was changed.
    Refused(Refused),
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What the caller can do.
    pub kind: RefusedKind,
    /// For people; at most [`REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// What the caller of a refused command can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedKind {
    /// Its condition does not hold; this is the newest version, if there is one.
    Condition(Option<VersionId>),
    /// The group knows no such bucket: it may not have been told yet.
    NoBucket,
    /// The bucket's configuration is of this generation here.
    Generation(u64),
    /// The slot is this group's; 0 for one that is not known here.
    NotHere(GroupId),
    /// The slot is on its way to this group: try again in a moment.
    Frozen(GroupId),
    /// A lock keeps the version.
    Locked,
    /// The group's feature level is this.
    Feature(u32),
    /// The request is too old, or from the future: whether it was done already is not known any more.
    RequestOld,
    /// The request's id was used for another command.
    RequestReused,
    /// It makes no sense: do not repeat it.
    Invalid,
    /// The bucket takes no more writes.
    Fenced,
    /// This is the page that is to come.
    Page(u64),
    /// The row of this number, among those of the command, is not as was thought.
    Row(u64),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Refused {
    /// A refusal; the reason is cut to its bound.
    #[must_use]
    pub fn new(kind: RefusedKind, reason: impl Into<String>) -> Self {
        let reason: String = reason.into().chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
        Self { kind, reason }
    }

    /// Whether it says how things stood when the command was applied, rather than that it came to the wrong place or
    /// time: it is remembered with its request, and the same retry gets it again.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(
            self.kind,
            RefusedKind::Condition(_) | RefusedKind::Locked | RefusedKind::Invalid | RefusedKind::Fenced
        )
    }

    fn to_wire(&self) -> wire::Refused {
        use wire::RefusedKind as Wire;
        let (kind, version, number) = match self.kind {
            RefusedKind::Condition(version) => (Wire::Condition, version, 0),
            RefusedKind::NoBucket => (Wire::NoBucket, None, 0),
            RefusedKind::Generation(generation) => (Wire::Generation, None, generation),
            RefusedKind::NotHere(group) => (Wire::NotHere, None, group.as_u64()),
            RefusedKind::Frozen(group) => (Wire::Frozen, None, group.as_u64()),
            RefusedKind::Locked => (Wire::Locked, None, 0),
            RefusedKind::Feature(level) => (Wire::Feature, None, level.into()),
            RefusedKind::RequestOld => (Wire::RequestOld, None, 0),
            RefusedKind::RequestReused => (Wire::RequestReused, None, 0),
            RefusedKind::Invalid => (Wire::Invalid, None, 0),
            RefusedKind::Fenced => (Wire::Fenced, None, 0),
            RefusedKind::Page(page) => (Wire::Page, None, page),
            RefusedKind::Row(number) => (Wire::Row, None, number),
        };
        let (version, reason) = (ids::version_bytes(version), self.reason.clone());
        wire::Refused { kind: kind.into(), version, number, reason }
    }

    fn from_wire(refused: wire::Refused) -> Result<Self, DecodeError> {
        use wire::RefusedKind as Wire;
        let group = GroupId::new(refused.number);
        let kind = match refused.kind() {
            Wire::Condition => RefusedKind::Condition(ids::version_or_none(&refused.version)?),
            Wire::NoBucket => RefusedKind::NoBucket,
            Wire::Generation => RefusedKind::Generation(refused.number),
            Wire::NotHere => RefusedKind::NotHere(group),
            Wire::Frozen => RefusedKind::Frozen(group),
            Wire::Locked => RefusedKind::Locked,
            Wire::Feature => {
                RefusedKind::Feature(u32::try_from(refused.number).map_err(|_| DecodeError::field("feature"))?)
            }
            Wire::RequestOld => RefusedKind::RequestOld,
            Wire::RequestReused => RefusedKind::RequestReused,
            Wire::Fenced => RefusedKind::Fenced,
            Wire::Page => RefusedKind::Page(refused.number),
            Wire::Row => RefusedKind::Row(refused.number),
            // A kind that a newer member has and this program does not is a refusal all the same.
            Wire::Invalid | Wire::Unspecified => RefusedKind::Invalid,
        };
        let count = refused.reason.chars().count();
        if count > REASON_CHARS_MAX {
            return Err(DecodeError::TooMany { count, max: REASON_CHARS_MAX });
        }
        Ok(Self::new(kind, refused.reason))
    }
}

impl Reply {
    /// The reply's bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        use wire::reply::Reply as Wire;
        let reply = match self {
            Self::Written { version, replaced } => {
                let (version, replaced) = (ids::version_bytes(Some(*version)), ids::version_bytes(*replaced));
                Wire::Written(wire::Written { version, replaced })
            }
            Self::Deleted { version, marker } => {
                Wire::Deleted(wire::Deleted { version: ids::version_bytes(*version), marker: *marker })
            }
            Self::Done { count } => Wire::Done(wire::Done { count: *count }),
            Self::Refused(refused) => Wire::Refused(refused.to_wire()),
        };
        wire::Reply { reply: Some(reply) }.encode_to_vec().into()
    }

    /// Decodes a reply.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a whole reply within its bounds.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        use wire::reply::Reply as Wire;
        let reply: wire::Reply = decode(bytes)?;
        Ok(match reply.reply.ok_or(DecodeError::field("reply"))? {
            Wire::Written(written) => Self::Written {
                version: ids::version(&written.version)?,
                replaced: ids::version_or_none(&written.replaced)?,
            },
            Wire::Deleted(deleted) => {
                Self::Deleted { version: ids::version_or_none(&deleted.version)?, marker: deleted.marker }
            }
            Wire::Done(done) => Self::Done { count: done.count },
            Wire::Refused(refused) => Self::Refused(Refused::from_wire(refused)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_come_back_as_they_were() {
        use RefusedKind as Kind;
        let version = VersionId::from_bytes([3; 16]);
        let group = GroupId::new(4);
        let kinds = [
            [Kind::Condition(None), Kind::Condition(Some(version)), Kind::NoBucket, Kind::Generation(7)],
            [Kind::NotHere(group), Kind::Frozen(group), Kind::Locked, Kind::Feature(2)],
            [Kind::RequestOld, Kind::RequestReused, Kind::Invalid, Kind::Fenced],
            [Kind::Page(5), Kind::Page(6), Kind::Row(0), Kind::Row(8)],
        ];
        let refused = kinds.concat().into_iter().map(|kind| Reply::Refused(Refused::new(kind, "because")));
        let others = [
            Reply::Written { version, replaced: None },
            Reply::Written { version, replaced: Some(version) },
            Reply::Deleted { version: None, marker: false },
            Reply::Deleted { version: Some(version), marker: true },
            Reply::Done { count: 3 },
        ];
        for reply in others.into_iter().chain(refused) {
            assert_eq!(Reply::decode(reply.encode()), Ok(reply));
        }
        assert!(Reply::decode(Bytes::new()).is_err());
        let refused = wire::Refused { reason: "x".repeat(REASON_CHARS_MAX + 1), ..wire::Refused::default() };
        let long = wire::Reply { reply: Some(wire::reply::Reply::Refused(refused)) };
        assert!(Reply::decode(long.encode_to_vec().into()).is_err());
    }
}
