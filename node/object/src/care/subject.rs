//! What is cared for: an object's root and layout, found by either kind of ticket.

use std::sync::Arc;

use storgo_pipeline::EncodedNode;
use storgo_protocol::{AnyTicket, ContentId, PeerId, Root};

use crate::engine::Engine;
use crate::error::ObjectError;
use crate::pool::Pool;
use crate::read::{Fetcher, Layout, find_node};

/// An object to be surveyed or repaired.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) content: ContentId,
    pub(super) owner: PeerId,
    pub(super) root: Root,
    pub(super) root_node: EncodedNode,
    pub(super) layout: Layout,
    pub(super) pool: Arc<Pool>,
    pub(super) fetcher: Fetcher,
}

impl Subject {
    pub(super) async fn find(engine: &Engine, ticket: &AnyTicket) -> Result<Self, ObjectError> {
        let pool = engine.pool_to_get().await?;
        let (content, owner) = match ticket {
            AnyTicket::Read(ticket) => (ticket.content, ticket.owner),
            AnyTicket::Care(ticket) => (ticket.content, ticket.grant.owner),
        };
        let bytes = find_node(engine, &pool, "root", content.into()).await?;
        let root = Root::decode(content, &bytes).map_err(|error| ObjectError::corrupt("the root", error))?;
        let layout = match ticket {
            AnyTicket::Read(_) => engine.find_layout(&pool, content, owner).await?,
            AnyTicket::Care(ticket) => Layout::find(engine, &pool, ticket.layout, content).await?,
        };
        let fetcher = engine.fetcher(&pool, &layout);
        let root_node = EncodedNode { id: content.into(), bytes };
        Ok(Self { content, owner, root, root_node, layout, pool, fetcher })
    }

    /// The top of the layout as a node.
    pub(super) fn top_node(&self) -> EncodedNode {
        EncodedNode { id: self.layout.id.into(), bytes: self.layout.bytes.clone() }
    }
}
