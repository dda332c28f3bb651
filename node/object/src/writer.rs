//! Writing to peers: under a grant, and under a care ticket with the proof that what is written belongs to its layout.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use storgo_pipeline::EncodedNode;
use storgo_protocol::limits::NODES_SHOWN_MAX;
use storgo_protocol::message::{PushedShard, RefusalKind};
use storgo_protocol::{LayoutRecord, NodeId, PeerId, ShardAddress};

use crate::authority::Granter;
use crate::batch::Batches;
use crate::miss::Miss;
use crate::remote::{NodePush, Remote};

/// Writes to peers in the name of one granter.
#[derive(Debug)]
pub(crate) struct Writer {
    remote: Remote,
    granter: Arc<Granter>,
    batches: Batches,
    // Held only for look-ups, never across an await.
    shown: Mutex<HashSet<(PeerId, NodeId)>>,
}

/// The layout nodes, top first, by which a peer sees that what is written under a care ticket belongs to its layout.
/// An owner's own writes need none.
pub(crate) type Proof = Arc<[EncodedNode]>;

impl Writer {
    pub(crate) fn new(remote: Remote, granter: Granter) -> Self {
        Self { remote, granter: Arc::new(granter), batches: Batches::default(), shown: Mutex::default() }
    }

    /// Says which of these shards the peer has already; those have their lease now.
    pub(crate) async fn offer(&self, peer: PeerId, shards: &[ShardAddress], proof: &Proof) -> Result<Vec<bool>, Miss> {
        self.proven(peer, proof, || self.remote.offer(peer, &self.granter, shards.to_vec())).await
    }

    /// Makes a shard durable, perhaps in one request with others that wait for the same peer.
    pub(crate) async fn push(&self, peer: PeerId, shard: PushedShard, proof: &Proof) -> Result<(), Miss> {
        let push = || {
            let (remote, granter) = (self.remote.clone(), Arc::clone(&self.granter));
            let send = move |shards| {
                let (remote, granter) = (remote.clone(), Arc::clone(&granter));
                async move { remote.push(peer, &granter, shards).await }
            };
            self.batches.push(peer, shard.clone(), send)
        };
        self.proven(peer, proof, push).await
    }

    /// Makes a node durable.
    pub(crate) async fn push_node(&self, peer: PeerId, push: &NodePush, proof: &Proof) -> Result<(), Miss> {
        self.proven(peer, proof, || self.remote.push_node(peer, &self.granter, push.clone())).await
    }

    /// Makes a layout record durable.
    pub(crate) async fn push_record(&self, peer: PeerId, record: &LayoutRecord, proof: &Proof) -> Result<(), Miss> {
        self.proven(peer, proof, || self.remote.push_record(peer, &self.granter, record.clone())).await
    }

    /// Asks after showing the proof. A peer may forget what it was shown, and is shown it once more then.
    async fn proven<T, F>(&self, peer: PeerId, proof: &Proof, ask: impl Fn() -> F) -> Result<T, Miss>
    where
        F: Future<Output = Result<T, Miss>>,
    {
        if !self.granter.must_show() {
            return ask().await;
        }
        let answer = async {
            self.show(peer, proof).await?;
            ask().await
        };
        match answer.await {
            Err(Miss::Refused(refusal)) if refusal.kind == RefusalKind::Denied => {
                self.shown.lock().retain(|(shown_to, _)| *shown_to != peer);
                self.show(peer, proof).await?;
                ask().await
            }
            answer => answer,
        }
    }

    async fn show(&self, peer: PeerId, proof: &Proof) -> Result<(), Miss> {
        for node in proof.iter() {
            if self.shown.lock().contains(&(peer, node.id)) {
                continue;
            }
            self.remote.show(peer, &self.granter, node.bytes.clone()).await?;
            let mut shown = self.shown.lock();
            if shown.len() >= NODES_SHOWN_MAX {
                shown.clear();
            }
            shown.insert((peer, node.id));
        }
        Ok(())
    }
}
