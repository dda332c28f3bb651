//! An object that a ticket or a version record opened: its root, its layout, and the top of its index in the clear.

use std::sync::Arc;

use bytes::Bytes;
use storgo_pipeline::{PipelineError, open_root};
use storgo_protocol::meta::ObjectBody;
use storgo_protocol::{ContentId, ContentKey, IndexNode, IndexTop, ObjectKind, PeerId, Root, Ticket};

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
    fn new(
        content: ContentId,
        root: Root,
        top: IndexTop,
        layout: Layout,
        pool: Arc<Pool>,
    ) -> Result<Self, ObjectError> {
        if layout.top.extents != root.extents || layout.top.index_nodes != root.index_nodes {
            return Err(ObjectError::corrupt("the layout", "it has other totals than the root"));
        }
        Ok(Self { content, root, kind: top.kind, top: top.node, layout, pool })
    }

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

fn open_top(root: &Root, key: &ContentKey) -> Result<IndexTop, ObjectError> {
    open_root(root, key).map_err(|error| match error {
        PipelineError::WrongKey => ObjectError::WrongKey,
        error => ObjectError::corrupt("the root", error),
    })
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
        let top = open_top(&root, &ticket.key)?;
        let layout = self.find_layout(&pool, ticket.content, ticket.owner).await?;
        Object::new(ticket.content, root, top, layout, pool)
    }

    /// Opens the object that a version record names, from what stands of it there.
    ///
    /// # Errors
    /// As [`Engine::open`], and [`ObjectError::Corrupt`] if what stands in the record is not what it names.
    pub(crate) async fn open_record(&self, body: &ObjectBody, key: &ContentKey) -> Result<Object, ObjectError> {
        let pool = self.pool_to_get().await?;
        let (root, layout) = self.find_tops(&pool, body).await?;
        let root = Root::decode(body.content, &root).map_err(|error| ObjectError::corrupt("the root", error))?;
        let top = open_top(&root, key)?;
        Object::new(body.content, root, top, layout, pool)
    }

    /// The root and the layout that a version record names: from the record, or from peers if they are too large for it.
    pub(crate) async fn find_tops(&self, pool: &Pool, body: &ObjectBody) -> Result<(Bytes, Layout), ObjectError> {
        let root = if body.root.is_empty() {
            find_node(self, pool, "root", body.content.into()).await?
        } else {
            body.root.clone()
        };
        let layout = if body.layout_top.is_empty() {
            Layout::find(self, pool, body.layout, body.content).await?
        } else {
            Layout::open(body.layout, body.content, body.layout_top.clone())?
        };
        Ok((root, layout))
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
