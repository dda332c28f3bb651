//! A layout, read entry by entry: its nodes come when they are needed, and a few are remembered.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use storgo_pipeline::{EncodedNode, LayoutStep, layout_height, layout_seek, open_layout_node};
use storgo_protocol::limits::LAYOUT_NODES_CACHED_MAX;
use storgo_protocol::{ContentId, LayoutChild, LayoutEntry, LayoutId, LayoutItems, LayoutTop, NodeId};

use super::nodes::find_node;
use crate::engine::Engine;
use crate::error::ObjectError;
use crate::pool::Pool;

/// The layout of an object.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) id: LayoutId,
    pub(crate) top: LayoutTop,
    pub(crate) bytes: Bytes,
    // Held only for look-ups, never across an await.
    recent: Mutex<VecDeque<Arc<Visited>>>,
}

/// A layout node below the top, as it was read.
#[derive(Debug)]
pub(crate) struct Visited {
    pub(crate) node: EncodedNode,
    items: LayoutItems,
}

impl Layout {
    /// Gets the top of a layout, which must be one of `content`.
    pub(crate) async fn find(
        engine: &Engine,
        pool: &Pool,
        id: LayoutId,
        content: ContentId,
    ) -> Result<Self, ObjectError> {
        Self::open(id, content, find_node(engine, pool, "layout", id.into()).await?)
    }

    /// Opens the top of a layout, which must be one of `content`.
    pub(crate) fn open(id: LayoutId, content: ContentId, bytes: Bytes) -> Result<Self, ObjectError> {
        let top = LayoutTop::decode(id, &bytes).map_err(|error| ObjectError::corrupt("the layout", error))?;
        if top.content != content {
            return Err(ObjectError::corrupt("the layout", "it lays out another object"));
        }
        Ok(Self { id, top, bytes, recent: Mutex::default() })
    }

    /// Entries in all: extents first, then index nodes.
    pub(crate) const fn entries(&self) -> u64 {
        self.top.extents + self.top.index_nodes
    }

    /// Entry `number`.
    pub(crate) async fn entry(&self, engine: &Engine, pool: &Pool, number: u64) -> Result<LayoutEntry, ObjectError> {
        Ok(self.seek(engine, pool, number).await?.0)
    }

    /// Entry `number`, and the nodes below the top that lead to it.
    pub(crate) async fn seek(
        &self,
        engine: &Engine,
        pool: &Pool,
        number: u64,
    ) -> Result<(LayoutEntry, Vec<Arc<Visited>>), ObjectError> {
        let outside = || ObjectError::corrupt("the layout", format!("it has no entry {number}"));
        let mut path: Vec<Arc<Visited>> = Vec::new();
        let mut number = number;
        loop {
            let items = path.last().map_or(&self.top.items, |visited| &visited.items);
            match layout_seek(items, number).ok_or_else(outside)? {
                LayoutStep::Entry(entry) => return Ok((entry, path)),
                LayoutStep::Child { child, first } => {
                    number -= first;
                    let visited = self.visit(engine, pool, layout_height(items), &child).await?;
                    path.push(visited);
                }
            }
        }
    }

    async fn visit(
        &self,
        engine: &Engine,
        pool: &Pool,
        parent_height: u8,
        child: &LayoutChild,
    ) -> Result<Arc<Visited>, ObjectError> {
        if let Some(visited) = self.remembered(child.node) {
            return Ok(visited);
        }
        let bytes = find_node(engine, pool, "part of the layout", child.node).await?;
        let items = open_layout_node(parent_height, child, &bytes)?;
        let visited = Arc::new(Visited { node: EncodedNode { id: child.node, bytes }, items });
        let mut recent = self.recent.lock();
        if recent.len() >= LAYOUT_NODES_CACHED_MAX {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&visited));
        Ok(visited)
    }

    fn remembered(&self, node: NodeId) -> Option<Arc<Visited>> {
        self.recent.lock().iter().find(|visited| visited.node.id == node).cloned()
    }
}
