//! A storage peer's answers: grants are checked here, and then the disks do what was asked.
//!
//! It knows nothing of streams and connections: the mesh hands it one decoded request and who asked.

mod grants;
mod shown;

use std::sync::Arc;

use async_trait::async_trait;
use storgo_protocol::message::{Answer, Refusal, RefusalKind, Request};
use storgo_protocol::{LayoutNode, LayoutTop, PeerId, Root, ShardAddress};

use crate::ports::{Clock, Holdings, Scrutiny, Serve, ShardStore, StoreError};
use grants::GrantBook;
use shown::ShownLayouts;

/// Answers requests of peers from one node's disks.
#[derive(Debug)]
pub struct ShardService {
    store: Arc<dyn ShardStore>,
    grants: GrantBook,
    shown: ShownLayouts,
}

impl ShardService {
    /// A service of the node `me` over its disks.
    #[must_use]
    pub fn new(me: PeerId, store: Arc<dyn ShardStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, grants: GrantBook::new(me, clock), shown: ShownLayouts::default() }
    }

    async fn answer(&self, from: PeerId, request: Request) -> Result<Answer, Refusal> {
        match request {
            Request::Has { stripes, nodes, verify } => {
                let scrutiny = if verify { Scrutiny::Verified } else { Scrutiny::Indexed };
                let Holdings { shards, nodes } = self.store.has(&stripes, &nodes, scrutiny).await.map_err(refuse)?;
                Ok(Answer::Holds { shards, nodes })
            }
            Request::Offer { authority, shards } => {
                let leave = self.grants.admit(from, &authority, 0)?;
                for shard in &shards {
                    self.shown.check_stripe(&leave, shard.stripe)?;
                }
                let have = self.store.renew(&shards, &leave.lease).await.map_err(refuse)?;
                Ok(Answer::Offered { have })
            }
            Request::Push { authority, shards } => {
                let bytes: usize = shards.iter().map(|shard| shard.payload.len()).sum();
                let leave = self.grants.admit(from, &authority, bytes as u64)?;
                for shard in &shards {
                    self.shown.check_stripe(&leave, shard.header.id())?;
                }
                self.store.push(shards, &leave.lease).await.map_err(refuse)?;
                Ok(Answer::Stored)
            }
            Request::Pull { shard } => shard_answer(self.store.pull(shard).await, shard),
            Request::PullRange { shard, first, bytes } => {
                shard_answer(self.store.pull_range(shard, first, bytes).await, shard)
            }
            Request::PushNode { authority, node, copies, publish, payload } => {
                let leave = self.grants.admit(from, &authority, payload.len() as u64)?;
                self.shown.check_node(&leave, node)?;
                check_is_node(&payload)?;
                self.store.push_node(node, payload, copies, publish, &leave.lease).await.map_err(refuse)?;
                Ok(Answer::Stored)
            }
            Request::PullNode { node } => {
                Ok(Answer::Node { payload: self.store.pull_node(node).await.map_err(refuse)? })
            }
            Request::PushRecord { authority, record } => {
                let leave = self.grants.admit(from, &authority, 0)?;
                // Its owner's signature stands in the record, so whoever can read the object may bring it back. What a
                // repair grant covers is this one layout.
                let foreign = |layout| layout != record.layout || leave.lease.owner != record.owner;
                if leave.layout.is_some_and(foreign) {
                    return Err(denied("the record is another owner's, or of another layout"));
                }
                self.store.push_record(&record, &leave.lease).await.map_err(refuse)?;
                Ok(Answer::Stored)
            }
            Request::PullRecords { content } => {
                Ok(Answer::Records { records: self.store.pull_records(content).await.map_err(refuse)? })
            }
            Request::Show { authority, payload } => {
                let leave = self.grants.admit(from, &authority, 0)?;
                self.shown.show(&leave, &payload)?;
                Ok(Answer::Stored)
            }
        }
    }
}

#[async_trait]
impl Serve for ShardService {
    async fn serve(&self, from: PeerId, request: Request) -> Answer {
        let name = request.name();
        match self.answer(from, request).await {
            Ok(answer) => answer,
            Err(refusal) => {
                tracing::debug!(peer = %from, request = name, reason = %refusal, "refused");
                Answer::Refused(refusal)
            }
        }
    }
}

fn shard_answer(
    found: Result<(storgo_protocol::StripeHeader, bytes::Bytes), StoreError>,
    shard: ShardAddress,
) -> Result<Answer, Refusal> {
    match found {
        Ok((header, payload)) => Ok(Answer::Shard { header, payload }),
        Err(error) => {
            if !matches!(error, StoreError::NotFound) {
                tracing::warn!(%shard, %error, "a shard could not be served");
            }
            Err(refuse(error))
        }
    }
}

/// Only roots and layout nodes are kept as nodes: a peer is no store for arbitrary bytes in the clear.
fn check_is_node(payload: &[u8]) -> Result<(), Refusal> {
    let is_node = Root::decode_unverified(payload).is_ok()
        || LayoutTop::decode_unverified(payload).is_ok()
        || LayoutNode::decode_unverified(payload).is_ok();
    if is_node { Ok(()) } else { Err(Refusal::new(RefusalKind::Invalid, "neither a root nor a layout node")) }
}

fn denied(reason: &str) -> Refusal {
    Refusal::new(RefusalKind::Denied, reason)
}

#[expect(clippy::needless_pass_by_value, reason = "an error ends here: it becomes a refusal")]
fn refuse(error: StoreError) -> Refusal {
    let kind = match &error {
        StoreError::NotFound => RefusalKind::NotFound,
        StoreError::Corrupt { .. } => RefusalKind::Corrupt,
        StoreError::NoSpace { .. } => RefusalKind::NoSpace,
        StoreError::Quota { .. } => RefusalKind::Quota,
        StoreError::Mismatch { .. } => RefusalKind::Invalid,
        StoreError::Io { .. } | StoreError::Unavailable { .. } => RefusalKind::Failed,
    };
    // Paths of this machine's disks are nobody else's business.
    let reason = match &error {
        StoreError::Io { what, .. } => format!("{what} failed"),
        other => other.to_string(),
    };
    Refusal::new(kind, reason)
}

#[cfg(test)]
mod tests;
