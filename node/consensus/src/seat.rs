//! Who sits in a group: a peer, and the log that it had when it came.

use std::fmt;

use storgo_protocol::{LogIncarnation, PeerId};

/// A member of a group. A peer whose log was wiped, restored or damaged has another incarnation, and so another seat: it
/// neither votes nor counts before it was taken in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// The peer.
    pub peer: PeerId,
    /// The life of its log.
    pub incarnation: LogIncarnation,
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:x}", self.peer.short(), self.incarnation.as_u64())
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
