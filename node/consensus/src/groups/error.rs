//! Why a group did not do what it was asked.

use std::time::Duration;

use storgo_protocol::GroupId;

use crate::raft::MemberError;
use crate::seat::Seat;

/// A group's refusal or failure, by what the caller can do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The group has no seat on this node.
    #[error("group {group} is not on this node")]
    NotHere {
        /// The group.
        group: GroupId,
    },
    /// Another leads: ask there. Nothing was done.
    #[error("this node does not lead group {group}")]
    NotLeader {
        /// The group.
        group: GroupId,
        /// Who leads, as far as is known.
        leader: Option<Seat>,
    },
    /// The leader changed meanwhile: it may or may not be done, and a retry tells.
    #[error("the leader of group {group} changed while it was under way")]
    Unknown {
        /// The group.
        group: GroupId,
        /// Who leads now, as far as is known.
        leader: Option<Seat>,
    },
    /// Most members cannot be reached: try again later.
    #[error("most members of group {group} cannot be reached")]
    NoQuorum {
        /// The group.
        group: GroupId,
    },
    /// Most members have it, but not all: try again when those are there.
    #[error("not all members of group {group} have it: {missing}")]
    NotEverywhere {
        /// The group.
        group: GroupId,
        /// Who does not.
        missing: String,
    },
    /// There was no answer in time: it may or may not be done, and a retry tells.
    #[error("group {group} did not answer within {within:?}")]
    TimedOut {
        /// The group.
        group: GroupId,
        /// How long was waited.
        within: Duration,
    },
    /// This node's clock differs from most others' by too much: set it right. Nothing was done.
    #[error("this node's clock differs from most others' by more than half a second: it may not lead group {group}")]
    ClockOff {
        /// The group.
        group: GroupId,
    },
    /// It makes no sense, or not now.
    #[error("group {group} refuses: {reason}")]
    Refused {
        /// The group.
        group: GroupId,
        /// Why.
        reason: String,
    },
    /// The group stopped on this node; others may go on.
    #[error("group {group} has stopped on this node: {reason}")]
    Stopped {
        /// The group.
        group: GroupId,
        /// Why.
        reason: String,
    },
}

impl MemberError {
    pub(super) fn of(self, group: GroupId) -> GroupError {
        match self {
            Self::NotLeader(leader) => GroupError::NotLeader { group, leader },
            Self::Unknown(leader) => GroupError::Unknown { group, leader },
            Self::NoQuorum => GroupError::NoQuorum { group },
            Self::NotEverywhere(missing) => {
                let missing = missing.iter().map(|seat| seat.peer.short()).collect::<Vec<_>>().join(", ");
                GroupError::NotEverywhere { group, missing: format!("{missing} is behind or away") }
            }
            Self::Refused(reason) => GroupError::Refused { group, reason },
            Self::Stopped(reason) => GroupError::Stopped { group, reason },
        }
    }
}
