//! What is cared for: an object's root and layout, found by either kind of ticket or by a version record.

use std::sync::Arc;

use storgo_pipeline::EncodedNode;
use storgo_protocol::meta::ObjectBody;
use storgo_protocol::{AnyTicket, CareTicket, ContentId, PeerId, Root, Ticket};

use crate::engine::Engine;
use crate::error::ObjectError;
use crate::pool::Pool;
use crate::read::{Fetcher, Layout, find_node};

/// What leads to an object that is cared for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cared<'a> {
    /// A ticket of either kind.
    Ticket(&'a AnyTicket),
    /// The body of a version record.
    Record(&'a ObjectBody),
}

/// An object to be surveyed or repaired.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) content: ContentId,
    /// Whose record beside the root names the layout, and who had both published; `None` if a version record names it.
    pub(super) owner: Option<PeerId>,
    pub(super) root: Root,
    pub(super) root_node: EncodedNode,
    pub(super) layout: Layout,
    pub(super) pool: Arc<Pool>,
    pub(super) fetcher: Fetcher,
}

impl Subject {
    pub(super) async fn find(engine: &Engine, cared: Cared<'_>) -> Result<Self, ObjectError> {
        let pool = engine.pool_to_get().await?;
        let find_root = async |content: ContentId| find_node(engine, &pool, "root", content.into()).await;
        let (content, owner, bytes, layout) = match cared {
            Cared::Ticket(AnyTicket::Read(Ticket { content, owner, .. })) => {
                let bytes = find_root(*content).await?;
                (*content, Some(*owner), bytes, engine.find_layout(&pool, *content, *owner).await?)
            }
            Cared::Ticket(AnyTicket::Care(CareTicket { content, layout, grant, .. })) => {
                let bytes = find_root(*content).await?;
                (*content, Some(grant.owner), bytes, Layout::find(engine, &pool, *layout, *content).await?)
            }
            Cared::Record(body) => {
                let (bytes, layout) = engine.find_tops(&pool, body).await?;
                (body.content, None, bytes, layout)
            }
        };
        let root = Root::decode(content, &bytes).map_err(|error| ObjectError::corrupt("the root", error))?;
        let fetcher = engine.fetcher(&pool, &layout);
        let root_node = EncodedNode { id: content.into(), bytes };
        Ok(Self { content, owner, root, root_node, layout, pool, fetcher })
    }

    /// The top of the layout as a node.
    pub(super) fn top_node(&self) -> EncodedNode {
        EncodedNode { id: self.layout.id.into(), bytes: self.layout.bytes.clone() }
    }
}
