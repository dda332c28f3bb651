//! One way to a connected peer, and of which kind it is.

use std::fmt;

use storgo_protocol::PeerAddress;

/// How a connection came about; ordered by what it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// One side dialled the other.
    Direct,
    /// Both dialled at once, through their NATs, after they had met through a relay.
    Punched,
    /// A third peer carries it.
    Relayed,
}

/// The other end of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// Of which kind it is.
    pub(crate) kind: PathKind,
    /// The other end.
    pub(crate) address: PeerAddress,
}

impl From<PeerAddress> for Path {
    fn from(address: PeerAddress) -> Self {
        let kind = if address.is_relayed() { PathKind::Relayed } else { PathKind::Direct };
        Self { kind, address }
    }
}

impl fmt::Display for PathKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Direct => "direct",
            Self::Punched => "punched",
            Self::Relayed => "relayed",
        })
    }
}
