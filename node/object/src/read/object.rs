//! An object that a ticket opened: its root, its layout, and the top of its index in the clear.

use std::sync::Arc;

use storgo_pipeline::{PipelineError, open_root};
use storgo_protocol::{ContentId, IndexNode, IndexTop, ObjectKind, PeerId, Root, Ticket};

use super::fetcher::Fetcher;
use super::layout::Layout;
use super::nodes::{RecordUse, find_node, newest_record};
use crate::engine::Engine;
use crate::error::ObjectError;
use crate::pool::Pool;

/// An object that can be read.
#[derive(Debug)]
pub struct Object {
    pub(crate) content: ContentId,
    pub(crate) root: Root,
    pub(crate) kind: ObjectKind,
    pub(crate) top: IndexNode,
    pub(crate) layout: Layout,
    pub(crate) pool: Arc<Pool>,
}

impl Object {
    /// Bytes of the object.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.root.size
    }

    /// What the object is.
    #[must_use]
    pub const fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// The object's name.
    #[must_use]
    pub const fn content(&self) -> ContentId {
        self.content
    }

    /// Extents of the object: pieces of a whole get.
    #[must_use]
    pub const fn extents(&self) -> u64 {
        self.root.extents
    }
}

impl Engine {
    /// Finds an object and opens the top of its index.
    ///
    /// # Errors
    /// [`ObjectError::NoCopies`] if its root or layout is out of reach, [`ObjectError::WrongKey`] for a ticket whose
    /// key is another's.
    pub async fn open(&self, ticket: &Ticket) -> Result<Object, ObjectError> {
        let pool = self.pool_to_get().await?;
        let root = self.find_root(&pool, ticket.content).await?;
        let IndexTop { kind, node: top } = open_root(&root, &ticket.key).map_err(|error| match error {
            PipelineError::WrongKey => ObjectError::WrongKey,
            error => ObjectError::corrupt("the root", error),
        })?;
        let layout = self.find_layout(&pool, ticket.content, ticket.owner).await?;
        if layout.top.extents != root.extents || layout.top.index_nodes != root.index_nodes {
            return Err(ObjectError::corrupt("the layout", "it has other totals than the root"));
        }
        Ok(Object { content: ticket.content, root, kind, top, layout, pool })
    }

    pub(crate) async fn find_root(&self, pool: &Pool, content: ContentId) -> Result<Root, ObjectError> {
        let bytes = find_node(self, pool, "root", content.into()).await?;
        Root::decode(content, &bytes).map_err(|error| ObjectError::corrupt("the root", error))
    }

    /// The layout that the owner's newest record names.
    pub(crate) async fn find_layout(
        &self,
        pool: &Pool,
        content: ContentId,
        owner: PeerId,
    ) -> Result<Layout, ObjectError> {
        let record = newest_record(self, pool, content, owner, RecordUse::Reading).await;
        let nobody = || ObjectError::NoCopies { what: "layout record", peers: pool.peers().len() };
        let record = record.ok_or_else(nobody)?;
        Layout::find(self, pool, record.layout, content).await
    }

    pub(crate) fn fetcher(&self, pool: &Arc<Pool>, layout: &Layout) -> Fetcher {
        Fetcher { peers: Arc::clone(&self.peers), remote: self.remote(), pool: Arc::clone(pool), code: layout.top.code }
    }
}
