//! Who sits in a group: a peer, and the log that it had when it came.

use std::collections::BTreeMap;
use std::fmt;

use parking_lot::RwLock;
use storgo_protocol::{GroupId, LogIncarnation, PeerId};

/// A member of a group. A peer whose log was wiped, restored or damaged has another incarnation, and so has in one group
/// who left it: another seat, that neither votes nor counts before it was taken in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// The peer.
    pub peer: PeerId,
    /// The life of what it keeps of the group.
    pub incarnation: LogIncarnation,
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:x}", self.peer.short(), self.incarnation.as_u64())
    }
}

/// Who one node is in each group.
#[derive(Debug)]
pub(crate) struct Seats {
    log: Seat,
    left: RwLock<BTreeMap<GroupId, u64>>,
}

impl Seats {
    /// For a peer with this log, that has left groups so often.
    pub(crate) const fn new(log: Seat, left: BTreeMap<GroupId, u64>) -> Self {
        Self { log, left: RwLock::new(left) }
    }

    /// The peer, and the life of its log.
    pub(crate) const fn log(&self) -> Seat {
        self.log
    }

    /// Who it is in a group.
    pub(crate) fn of(&self, group: GroupId) -> Seat {
        let times = self.left.read().get(&group).copied().unwrap_or_default();
        Seat { incarnation: self.log.incarnation.after_leaving(group, times), ..self.log }
    }

    /// How often it has left groups, of those that it has left.
    pub(crate) fn left(&self) -> BTreeMap<GroupId, u64> {
        self.left.read().clone()
    }

    /// It has left a group so often now.
    pub(crate) fn note_left(&self, group: GroupId, times: u64) {
        if times > 0 {
            self.left.write().insert(group, times);
        }
    }
}

/// For openraft's own suite, which numbers its members.
#[cfg(test)]
impl From<u64> for Seat {
    fn from(number: u64) -> Self {
        let mut peer = [0; 32];
        peer[..8].copy_from_slice(&number.to_be_bytes());
        Self { peer: PeerId::from_bytes(peer), incarnation: LogIncarnation::new(number) }
    }
}
