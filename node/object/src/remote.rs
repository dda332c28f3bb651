//! One question to one peer, and a check of its answer: what passes here is what was asked for.

use std::sync::Arc;

use bytes::Bytes;
use storgo_protocol::message::{Answer, PushedShard, RefusalKind, Request};
use storgo_protocol::slice::decode_slice;
use storgo_protocol::{ContentId, LayoutRecord, NodeId, PeerId, ShardAddress, StripeHeader, StripeId};
use tokio::time::Instant;

use crate::authority::Granter;
use crate::miss::Miss;
use crate::pace::Pace;
use crate::patience::Patience;
use crate::ports::{Holdings, PeerError, Peers};

/// Peers, asked in the words of the shard protocol. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    peers: Arc<dyn Peers>,
    pace: Arc<Pace>,
}

impl Remote {
    pub(crate) fn new(peers: Arc<dyn Peers>, pace: Arc<Pace>) -> Self {
        Self { peers, pace }
    }

    /// How fast peers answer now.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(crate) async fn has(
        &self,
        peer: PeerId,
        stripes: &[StripeId],
        nodes: &[NodeId],
        verify: bool,
    ) -> Result<Holdings, Miss> {
        let request = Request::Has { stripes: stripes.to_vec(), nodes: nodes.to_vec(), verify };
        match self.ask(peer, request).await? {
            Answer::Holds { shards, nodes: copies } if shards.len() == stripes.len() && copies.len() == nodes.len() => {
                Ok(Holdings { shards, nodes: copies })
            }
            _ => Err(self.lied(peer, "holdings that were not asked for")),
        }
    }

    pub(crate) async fn offer(
        &self,
        peer: PeerId,
        granter: &Granter,
        shards: Vec<ShardAddress>,
    ) -> Result<Vec<bool>, Miss> {
        let asked = shards.len();
        match self.ask(peer, Request::Offer { authority: granter.authority(peer, 0), shards }).await? {
            Answer::Offered { have } if have.len() == asked => Ok(have),
            _ => Err(self.lied(peer, "an answer to another offer")),
        }
    }

    pub(crate) async fn push(&self, peer: PeerId, granter: &Granter, shards: Vec<PushedShard>) -> Result<(), Miss> {
        let authority = granter.authority(peer, shards.iter().map(|shard| shard.payload.len()).sum());
        self.store(peer, Request::Push { authority, shards }).await
    }

    pub(crate) async fn push_node(&self, peer: PeerId, granter: &Granter, push: NodePush) -> Result<(), Miss> {
        let NodePush { node, copies, publish, payload } = push;
        let authority = granter.authority(peer, payload.len());
        self.store(peer, Request::PushNode { authority, node, copies, publish, payload }).await
    }

    pub(crate) async fn push_record(&self, peer: PeerId, granter: &Granter, record: LayoutRecord) -> Result<(), Miss> {
        self.store(peer, Request::PushRecord { authority: granter.authority(peer, 0), record }).await
    }

    pub(crate) async fn show(&self, peer: PeerId, granter: &Granter, payload: Bytes) -> Result<(), Miss> {
        self.store(peer, Request::Show { authority: granter.authority(peer, 0), payload }).await
    }

    /// A whole shard of the right stripe and length. Its hash is left to whoever decodes the stripe, which checks the
    /// whole chunk at once and blames shards only when that fails.
    pub(crate) async fn pull(&self, peer: PeerId, shard: ShardAddress) -> Result<(StripeHeader, Bytes), Miss> {
        match self.ask(peer, Request::Pull { shard }).await? {
            Answer::Shard { header, payload }
                if header.id() == shard.stripe && payload.len() == header.shard_bytes() =>
            {
                Ok((header, payload))
            }
            _ => Err(self.lied(peer, "a wrong shard")),
        }
    }

    /// [`Remote::pull`] of a shard that the peer said to hold: if it cannot give it and still says so, it lies.
    pub(crate) async fn pull_claimed(&self, peer: PeerId, shard: ShardAddress) -> Result<(StripeHeader, Bytes), Miss> {
        match self.pull(peer, shard).await {
            Err(Miss::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => {
                // Its copy may have been found damaged, and set aside, since it was asked.
                let holdings = self.has(peer, &[shard.stripe], &[], false).await?;
                if holdings.shards.iter().any(|set| set.contains(shard.index)) {
                    return Err(self.lied(peer, "a claim to a shard that it does not hold"));
                }
                Err(Miss::Refused(refusal))
            }
            pulled => pulled,
        }
    }

    /// `bytes` bytes of a shard from `first` on, verified against its stripe id; and how many came, proof included.
    pub(crate) async fn pull_range(
        &self,
        peer: PeerId,
        shard: ShardAddress,
        first: u32,
        bytes: u32,
    ) -> Result<(Bytes, u64), Miss> {
        match self.ask(peer, Request::PullRange { shard, first, bytes }).await? {
            Answer::Shard { header, payload } if header.id() == shard.stripe => {
                let range = first as usize..(first as usize).saturating_add(bytes as usize);
                let slice = header
                    .shard(shard.index)
                    .and_then(|id| decode_slice(id, header.shard_bytes(), &range, &payload).ok());
                slice
                    .map(|bytes| (bytes, payload.len() as u64))
                    .ok_or_else(|| self.lied(peer, "a wrong range of a shard"))
            }
            _ => Err(self.lied(peer, "a shard of another stripe")),
        }
    }

    /// A node, verified against its id.
    pub(crate) async fn pull_node(&self, peer: PeerId, node: NodeId) -> Result<Bytes, Miss> {
        match self.ask(peer, Request::PullNode { node }).await? {
            Answer::Node { payload } if NodeId::of(&payload) == node => Ok(payload),
            _ => Err(self.lied(peer, "a wrong node")),
        }
    }

    /// Layout records of a content, their signatures verified; of owners whoever they are.
    pub(crate) async fn pull_records(&self, peer: PeerId, content: ContentId) -> Result<Vec<LayoutRecord>, Miss> {
        match self.ask(peer, Request::PullRecords { content }).await? {
            Answer::Records { records } if records.iter().all(|record| record.content == content) => Ok(records),
            _ => Err(self.lied(peer, "layout records of another content")),
        }
    }

    async fn store(&self, peer: PeerId, request: Request) -> Result<(), Miss> {
        match self.ask(peer, request).await? {
            Answer::Stored => Ok(()),
            _ => Err(self.lied(peer, "an answer to another request")),
        }
    }

    /// Asks, and again while the peer is busy; notes how long it took.
    async fn ask(&self, peer: PeerId, request: Request) -> Result<Answer, Miss> {
        let is_bulk = matches!(request, Request::Pull { .. } | Request::PullRange { .. });
        let is_question = matches!(request, Request::Has { verify: false, .. })
            || matches!(request, Request::Offer { .. } | Request::PullNode { .. } | Request::PullRecords { .. });
        let since = Instant::now();
        let ask = || async {
            match self.peers.ask(peer, request.clone()).await {
                Ok(Answer::Refused(refusal)) => Err(Miss::Refused(refusal)),
                Ok(answer) => Ok(answer),
                Err(PeerError::Nonsense { .. }) => Err(self.lied(peer, "an answer that is none")),
                Err(failed) => Err(failed.into()),
            }
        };
        let answer = Patience::default().retry_busy(ask).await?;
        match &answer {
            Answer::Shard { payload, .. } if is_bulk => self.pace.pulled(payload.len(), since.elapsed()),
            _ if is_question => self.pace.answered(since.elapsed()),
            _ => {}
        }
        Ok(answer)
    }

    /// Notes that a peer was caught.
    pub(crate) fn lied(&self, peer: PeerId, what: &'static str) -> Miss {
        self.peers.distrust(peer, what);
        Miss::Lied { peer, what }
    }
}

/// A node to be kept.
#[derive(Debug, Clone)]
pub(crate) struct NodePush {
    /// Its id.
    pub(crate) node: NodeId,
    /// On how many disks of the peer.
    pub(crate) copies: u8,
    /// Whether to announce it in the DHT.
    pub(crate) publish: bool,
    /// The node.
    pub(crate) payload: Bytes,
}
