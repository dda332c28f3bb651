//! Writing to peers: grants, proofs under a care ticket, and patience with busy ones.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use storgo_pipeline::EncodedNode;
use storgo_protocol::{LayoutRecord, NodeId, PeerId, ShardAddress, ShardIndex, StripeHeader};

use crate::authority::Granter;
use crate::patience::Patience;
use crate::remote::{Miss, NodePush, Remote};

/// Writes to peers in the name of one granter.
#[derive(Debug)]
pub(crate) struct Writer {
    remote: Remote,
    granter: Granter,
    // Held only for look-ups, never across an await.
    shown: Mutex<HashSet<(PeerId, NodeId)>>,
}

/// The layout nodes, top first, by which a peer sees that what is written under a care ticket belongs to its layout.
/// An owner's own writes need none.
pub(crate) type Proof = Arc<[EncodedNode]>;

impl Writer {
    pub(crate) fn new(remote: Remote, granter: Granter) -> Self {
        Self { remote, granter, shown: Mutex::default() }
    }

    /// Says which of these shards the peer has already; those have their lease now.
    pub(crate) async fn offer(&self, peer: PeerId, shards: &[ShardAddress], proof: &Proof) -> Result<Vec<bool>, Miss> {
        self.prove(peer, proof).await?;
        Patience::default().retry_busy(|| self.remote.offer(peer, &self.granter, shards.to_vec())).await
    }

    /// Makes a shard durable; it was offered before.
    pub(crate) async fn push(
        &self,
        peer: PeerId,
        header: &StripeHeader,
        index: ShardIndex,
        payload: &Bytes,
    ) -> Result<(), Miss> {
        let push = || self.remote.push(peer, &self.granter, header, index, payload.clone());
        Patience::default().retry_busy(push).await
    }

    /// Makes a node durable.
    pub(crate) async fn push_node(&self, peer: PeerId, push: &NodePush, proof: &Proof) -> Result<(), Miss> {
        self.prove(peer, proof).await?;
        Patience::default().retry_busy(|| self.remote.push_node(peer, &self.granter, push.clone())).await
    }

    /// Makes a layout record durable.
    pub(crate) async fn push_record(&self, peer: PeerId, record: &LayoutRecord, proof: &Proof) -> Result<(), Miss> {
        self.prove(peer, proof).await?;
        Patience::default().retry_busy(|| self.remote.push_record(peer, &self.granter, record.clone())).await
    }

    async fn prove(&self, peer: PeerId, proof: &Proof) -> Result<(), Miss> {
        if !self.granter.must_show() {
            return Ok(());
        }
        for node in proof.iter() {
            if self.shown.lock().contains(&(peer, node.id)) {
                continue;
            }
            Patience::default().retry_busy(|| self.remote.show(peer, &self.granter, node.bytes.clone())).await?;
            self.shown.lock().insert((peer, node.id));
        }
        Ok(())
    }
}
