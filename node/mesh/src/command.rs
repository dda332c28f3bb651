//! What the rest of the mesh asks of the event loop: one closed list.
//!
//! A dropped reply means that the mesh was stopped.

use storgo_protocol::{NodeId, PeerAddress, PeerId};
use tokio::sync::oneshot;

use crate::MeshError;
use crate::dht::{DhtPeer, RoutingEntry};

/// One request to the event loop.
#[derive(Debug)]
pub(crate) enum Command {
    /// Connect with a peer at one of these addresses.
    Dial { peer: PeerId, addresses: Vec<PeerAddress>, reply: oneshot::Sender<Result<PeerId, String>> },
    /// Connect with whoever is at this address.
    DialAddress { address: PeerAddress, reply: oneshot::Sender<Result<PeerId, String>> },
    /// Say so when all that came before is noted: a stream can be here before the loop has noted its connection.
    Note { reply: oneshot::Sender<()> },
    /// Close all connections with a peer that fell silent or refused.
    Disconnect { peer: PeerId },
    /// Take a storage peer into the routing table of the DHT.
    Route { peer: PeerId, addresses: Vec<PeerAddress> },
    /// Find the peers closest to this one, and with luck itself.
    FindPeer { peer: PeerId, reply: oneshot::Sender<Result<Vec<DhtPeer>, MeshError>> },
    /// Find peers that announced this node.
    FindProviders { node: NodeId, reply: oneshot::Sender<Result<Vec<PeerId>, MeshError>> },
    /// Announce this node.
    Announce { node: NodeId, reply: oneshot::Sender<Result<(), MeshError>> },
    /// Show the routing table of the DHT.
    RoutingTable { reply: oneshot::Sender<Vec<RoutingEntry>> },
}
