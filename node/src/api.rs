//! What a node shows of itself over its socket: the mesh's and the store's words, translated.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use storgo_consensus::Cluster;
use storgo_mesh::{Mesh, MeshError};
use storgo_object::ports::{DiskState, DiskStatus, ShardStore};
use storgo_protocol::cluster::{Ask, Told};
use storgo_protocol::message::PeerCard;
use storgo_protocol::{ContentId, GroupId, NetworkId, PeerId};
use storgo_rpc::{ApiError, CardRow, DhtEntry, DhtPeer, DiskRow, NodeApi, NodeStatus, PathKind, PeerRow, PeerState};
use tokio::time::Instant;

use crate::metrics::Metrics;

/// Answers questions about a node.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) peer: PeerId,
    pub(crate) network: NetworkId,
    pub(crate) zone: String,
    pub(crate) started: Instant,
    pub(crate) store: Arc<dyn ShardStore>,
    pub(crate) mesh: Mesh,
    pub(crate) cluster: Option<Cluster>,
    pub(crate) metrics: Metrics,
}

#[async_trait]
impl NodeApi for Api {
    async fn status(&self) -> Result<NodeStatus, ApiError> {
        let peers = self.mesh.peers();
        let answering = peers.iter().filter(|peer| peer.state == storgo_mesh::PeerState::Answering).count();
        Ok(NodeStatus {
            peer: self.peer,
            network: self.network,
            version: env!("CARGO_PKG_VERSION").into(),
            addresses: self.mesh.listen_addresses(),
            uptime: self.started.elapsed(),
            disks: self.store.status().disks.iter().map(disk_row).collect(),
            peers_connected: answering.try_into().unwrap_or(u32::MAX),
            peers_known: peers.len().try_into().unwrap_or(u32::MAX),
            process: std::process::id(),
            zone: self.zone.clone(),
            reach: self.mesh.reach().to_string(),
        })
    }

    async fn ask(&self, peer: Option<PeerId>, group: GroupId, ask: Ask) -> Result<Told, ApiError> {
        let Some(cluster) = &self.cluster else {
            let reason =
                "this node is in no network that keeps names: begin one with `storgo network init`, or join one";
            return Err(ApiError::Unavailable(reason.into()));
        };
        cluster.ask(peer, group, &ask).await.map_err(ApiError::Unavailable)
    }

    async fn metrics(&self) -> Result<String, ApiError> {
        self.metrics.text().map_err(|error| ApiError::Unavailable(format!("the metrics cannot be written: {error}")))
    }

    async fn peers(&self) -> Result<Vec<PeerRow>, ApiError> {
        Ok(self.mesh.peers().into_iter().map(peer_row).collect())
    }

    async fn dht_find(&self, peer: PeerId) -> Result<Vec<DhtPeer>, ApiError> {
        let found = self.mesh.dht_find(peer).await.map_err(|error| unavailable(&error))?;
        Ok(found.into_iter().map(|found| DhtPeer { peer: found.peer, addresses: found.addresses }).collect())
    }

    async fn dht_providers(&self, content: ContentId) -> Result<Vec<DhtPeer>, ApiError> {
        let providers = self.mesh.dht_providers(content).await.map_err(|error| unavailable(&error))?;
        let mut known: HashMap<_, _> = self.mesh.peers().into_iter().map(|row| (row.peer, row.addresses)).collect();
        known.insert(self.peer, self.mesh.listen_addresses());
        let row = |peer| DhtPeer { peer, addresses: known.get(&peer).cloned().unwrap_or_default() };
        Ok(providers.into_iter().map(row).collect())
    }

    async fn dht_routing_table(&self) -> Result<Vec<DhtEntry>, ApiError> {
        let mut entries = self.mesh.dht_routing_table().await.map_err(|error| unavailable(&error))?;
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.bucket));
        let row = |entry: storgo_mesh::RoutingEntry| DhtEntry {
            distance_bits: entry.bucket + 1,
            peer: entry.peer,
            addresses: entry.addresses,
        };
        Ok(entries.into_iter().map(row).collect())
    }
}

fn unavailable(error: &MeshError) -> ApiError {
    ApiError::Unavailable(error.to_string())
}

fn disk_row(disk: &DiskStatus) -> DiskRow {
    DiskRow {
        path: disk.path.display().to_string(),
        fenced: match &disk.state {
            DiskState::Good => None,
            DiskState::Fenced(reason) | DiskState::Slow(reason) => Some(reason.clone()),
        },
        capacity_bytes: disk.capacity_bytes,
        used_bytes: disk.used_bytes,
        shards: disk.shards,
        nodes: disk.nodes,
        quarantined: disk.quarantined,
    }
}

fn peer_row(row: storgo_mesh::PeerRow) -> PeerRow {
    let (state, reason) = match row.state {
        storgo_mesh::PeerState::Answering => (PeerState::Answering, String::new()),
        storgo_mesh::PeerState::Greeting => (PeerState::Greeting, String::new()),
        storgo_mesh::PeerState::Known => (PeerState::Known, String::new()),
        storgo_mesh::PeerState::Unreachable(reason) => (PeerState::Unreachable, reason),
        storgo_mesh::PeerState::Refused(reason) => (PeerState::Refused, reason),
    };
    PeerRow {
        peer: row.peer,
        state,
        reason,
        distrust: row.distrust.unwrap_or_default(),
        card: row.card.map(card_row),
        addresses: row.addresses,
        path: row.path,
        path_kind: row.path_kind.map(path_kind),
        round_trip: row.round_trip,
        heard: row.heard,
        bytes_sent: row.bytes_sent,
        bytes_received: row.bytes_received,
    }
}

const fn path_kind(kind: storgo_mesh::PathKind) -> PathKind {
    match kind {
        storgo_mesh::PathKind::Direct => PathKind::Direct,
        storgo_mesh::PathKind::Punched => PathKind::Punched,
        storgo_mesh::PathKind::Relayed => PathKind::Relayed,
    }
}

fn card_row(card: PeerCard) -> CardRow {
    CardRow {
        zone: card.zone,
        capacity_bytes: card.capacity_bytes,
        free_bytes: card.free_bytes,
        weight: card.weight,
        disks: card.disks,
        agent: card.agent,
        stores: card.stores,
    }
}
