//! The state of a node, as it is told over the socket.

use std::time::Duration;

use storgo_protocol::{DecodeError, NetworkId, PeerAddress, PeerId};

use crate::error::{parse, parse_all};
use crate::wire;

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Who it is.
    pub peer: PeerId,
    /// The network that it is of.
    pub network: NetworkId,
    /// Its program's version.
    pub version: String,
    /// Where it listens.
    pub addresses: Vec<PeerAddress>,
    /// How long it has run, in whole seconds.
    pub uptime: Duration,
    /// Its data directories.
    pub disks: Vec<DiskRow>,
    /// Peers that it is connected to.
    pub peers_connected: u32,
    /// Peers in its table.
    pub peers_known: u32,
    /// Its process id.
    pub process: u32,
    /// Its failure domain; empty when it has none to tell.
    pub zone: String,
    /// Whether others can dial it: `public`, `hidden` behind a NAT or firewall, or `unknown`.
    pub reach: String,
}

/// One data directory of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskRow {
    /// Where it is.
    pub path: String,
    /// Why it is not used, if it is not.
    pub fenced: Option<String>,
    /// Bytes that may be used there.
    pub capacity_bytes: u64,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Shards kept.
    pub shards: u64,
    /// Copies of nodes kept.
    pub nodes: u64,
    /// Shards and nodes set aside as damaged.
    pub quarantined: u64,
}

impl NodeStatus {
    pub(crate) fn into_wire(self) -> wire::StatusResponse {
        wire::StatusResponse {
            peer: self.peer.to_string(),
            network: self.network.to_string(),
            version: self.version,
            addresses: self.addresses.iter().map(ToString::to_string).collect(),
            uptime_seconds: self.uptime.as_secs(),
            disks: self.disks.into_iter().map(DiskRow::into_wire).collect(),
            peers_connected: self.peers_connected,
            peers_known: self.peers_known,
            process: self.process,
            zone: self.zone,
            reach: self.reach,
        }
    }

    pub(crate) fn from_wire(status: wire::StatusResponse) -> Result<Self, DecodeError> {
        Ok(Self {
            peer: parse("peer", &status.peer)?,
            network: parse("network", &status.network)?,
            version: status.version,
            addresses: parse_all("address", &status.addresses)?,
            uptime: Duration::from_secs(status.uptime_seconds),
            disks: status.disks.into_iter().map(DiskRow::from_wire).collect(),
            peers_connected: status.peers_connected,
            peers_known: status.peers_known,
            process: status.process,
            zone: status.zone,
            reach: status.reach,
        })
    }
}

impl DiskRow {
    fn into_wire(self) -> wire::Disk {
        wire::Disk {
            path: self.path,
            fenced: self.fenced.unwrap_or_default(),
            capacity_bytes: self.capacity_bytes,
            used_bytes: self.used_bytes,
            shards: self.shards,
            nodes: self.nodes,
            quarantined: self.quarantined,
        }
    }

    fn from_wire(disk: wire::Disk) -> Self {
        Self {
            path: disk.path,
            fenced: Some(disk.fenced).filter(|reason| !reason.is_empty()),
            capacity_bytes: disk.capacity_bytes,
            used_bytes: disk.used_bytes,
            shards: disk.shards,
            nodes: disk.nodes,
            quarantined: disk.quarantined,
        }
    }
}
