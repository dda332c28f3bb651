//! What a node sees of the DHT, as it is told over the socket.

use storgo_protocol::{DecodeError, PeerAddress, PeerId};

use crate::error::{parse, parse_all};
use crate::wire;

/// A peer that a query of the DHT named. Nothing of it is to be believed before it answers for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtPeer {
    /// Who it is.
    pub peer: PeerId,
    /// Where it may be dialled, as far as was told.
    pub addresses: Vec<PeerAddress>,
}

/// One entry of a routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhtEntry {
    /// Bits of distance from the node's own id: 256 is the far half of the space.
    pub distance_bits: u32,
    /// Who it is.
    pub peer: PeerId,
    /// Where it can be dialled.
    pub addresses: Vec<PeerAddress>,
}

impl DhtPeer {
    pub(crate) fn into_wire(self) -> wire::DhtPeer {
        wire::DhtPeer {
            peer: self.peer.to_string(),
            addresses: self.addresses.iter().map(ToString::to_string).collect(),
        }
    }

    pub(crate) fn from_wire(peer: &wire::DhtPeer) -> Result<Self, DecodeError> {
        Ok(Self { peer: parse("peer", &peer.peer)?, addresses: parse_all("address", &peer.addresses)? })
    }
}

impl DhtEntry {
    pub(crate) fn into_wire(self) -> wire::DhtEntry {
        wire::DhtEntry {
            distance_bits: self.distance_bits,
            peer: self.peer.to_string(),
            addresses: self.addresses.iter().map(ToString::to_string).collect(),
        }
    }

    pub(crate) fn from_wire(entry: &wire::DhtEntry) -> Result<Self, DecodeError> {
        Ok(Self {
            distance_bits: entry.distance_bits,
            peer: parse("peer", &entry.peer)?,
            addresses: parse_all("address", &entry.addresses)?,
        })
    }
}
