//! The layout of an object: built from its entries in order, and walked from its top.
//!
//! Full nodes are handed out as they fill, so memory holds one open node a level. Index nodes stand behind all extents,
//! yet close between them: their entries, one to some hundred extents, wait in the builder. It knows no keys.

use bytes::Bytes;
use storgo_protocol::limits::TREE_DEPTH_MAX;
use storgo_protocol::{
    Code, ContentId, LayoutChild, LayoutEntry, LayoutId, LayoutItems, LayoutNode, LayoutTop, NodeId,
};

use crate::error::PipelineError;

/// A layout node as it is stored: its bytes, and the id that they hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedNode {
    /// The node's id.
    pub id: NodeId,
    /// The node's bytes.
    pub bytes: Bytes,
}

/// The top of a finished layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedLayout {
    /// Names the layout: the hash of `bytes`.
    pub id: LayoutId,
    /// What the top says.
    pub top: LayoutTop,
    /// The top as it is stored.
    pub bytes: Bytes,
}

/// Builds a layout.
#[derive(Debug, Default)]
pub struct LayoutBuilder {
    entries: Vec<LayoutEntry>,
    /// The open nodes of children, the lowest first.
    levels: Vec<Vec<LayoutChild>>,
    extents: u64,
    index_nodes: Vec<LayoutEntry>,
}

impl LayoutBuilder {
    /// Starts a layout.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the entry of the next extent; returns the nodes that this closed, to be stored.
    ///
    /// # Errors
    /// [`PipelineError::TooLarge`] beyond the depth of a layout.
    pub fn push_extent(&mut self, entry: LayoutEntry) -> Result<Vec<EncodedNode>, PipelineError> {
        self.extents += 1;
        self.push(entry)
    }

    /// Adds the entry of the next index node in post-order.
    pub fn push_index_node(&mut self, entry: LayoutEntry) {
        self.index_nodes.push(entry);
    }

    /// Ends the layout: the last nodes, and the top.
    ///
    /// # Errors
    /// As [`LayoutBuilder::push_extent`].
    pub fn finish(
        mut self,
        content: ContentId,
        code: Code,
    ) -> Result<(Vec<EncodedNode>, EncodedLayout), PipelineError> {
        let mut closed = Vec::new();
        let index_nodes = std::mem::take(&mut self.index_nodes);
        let extents = self.extents;
        let index_nodes_count = index_nodes.len() as u64;
        for entry in index_nodes {
            closed.extend(self.push(entry)?);
        }
        let top = LayoutTop {
            content,
            node_copies: u8::try_from(code.node_copies()).unwrap_or(u8::MAX),
            code,
            extents,
            index_nodes: index_nodes_count,
            items: self.finish_items(&mut closed)?,
        };
        let bytes = Bytes::from(top.encode());
        let id = LayoutId::from_bytes(*NodeId::of(&bytes).as_bytes());
        Ok((closed, EncodedLayout { id, top, bytes }))
    }

    fn push(&mut self, entry: LayoutEntry) -> Result<Vec<EncodedNode>, PipelineError> {
        let mut closed = Vec::new();
        if self.entries.len() >= LayoutItems::ENTRIES_MAX {
            self.close_entries(&mut closed)?;
        }
        self.entries.push(entry);
        Ok(closed)
    }

    fn finish_items(&mut self, closed: &mut Vec<EncodedNode>) -> Result<LayoutItems, PipelineError> {
        if self.levels.is_empty() {
            return Ok(LayoutItems::Entries(std::mem::take(&mut self.entries)));
        }
        self.close_entries(closed)?;
        // Closing a level can open one above it, so the number of levels is looked up anew.
        let mut number = 0;
        while number + 1 < self.levels.len() {
            self.close_level(number, closed)?;
            number += 1;
        }
        Ok(LayoutItems::Children { height: height(number)?, children: self.levels.pop().unwrap_or_default() })
    }

    fn close_entries(&mut self, closed: &mut Vec<EncodedNode>) -> Result<(), PipelineError> {
        let items = LayoutItems::Entries(std::mem::take(&mut self.entries));
        self.add(0, &LayoutNode { items }, closed)
    }

    fn close_level(&mut self, number: usize, closed: &mut Vec<EncodedNode>) -> Result<(), PipelineError> {
        let children = self.levels.get_mut(number).map(std::mem::take).unwrap_or_default();
        let items = LayoutItems::Children { height: height(number)?, children };
        self.add(number + 1, &LayoutNode { items }, closed)
    }

    /// Names a closed node in level `number`, which is closed itself before it overflows.
    fn add(&mut self, number: usize, node: &LayoutNode, closed: &mut Vec<EncodedNode>) -> Result<(), PipelineError> {
        if self.levels.get(number).is_some_and(|children| children.len() >= LayoutItems::CHILDREN_MAX) {
            self.close_level(number, closed)?;
        }
        let bytes = Bytes::from(node.encode());
        let id = NodeId::of(&bytes);
        closed.push(EncodedNode { id, bytes });
        if self.levels.len() <= number {
            height(number)?;
            self.levels.resize_with(number + 1, Vec::new);
        }
        if let Some(children) = self.levels.get_mut(number) {
            children.push(LayoutChild { node: id, entries: node.items.total() });
        }
        Ok(())
    }
}

/// One item of a layout node, found by the number of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayoutStep {
    /// The entry itself.
    Entry(LayoutEntry),
    /// The subtree that holds it.
    Child {
        /// The subtree.
        child: LayoutChild,
        /// The subtree's first entry; the number to look up in it is relative to this.
        first: u64,
    },
}

/// The item that holds entry `number`, counted from the node's own first; `None` if the node has no such entry.
#[must_use]
pub fn layout_seek(items: &LayoutItems, number: u64) -> Option<LayoutStep> {
    match items {
        LayoutItems::Entries(entries) => entries.get(usize::try_from(number).ok()?).copied().map(LayoutStep::Entry),
        LayoutItems::Children { children, .. } => {
            let mut first = 0u64;
            for child in children {
                let end = first.checked_add(child.entries)?;
                if number < end {
                    return Some(LayoutStep::Child { child: *child, first });
                }
                first = end;
            }
            None
        }
    }
}

/// Decodes a layout node below a parent of `parent_height`, and checks that it holds what the parent says.
///
/// # Errors
/// [`PipelineError::Decode`] if the bytes are not those of the child's id or are no layout node;
/// [`PipelineError::Corrupt`] if its height or its number of entries is not what was said.
pub fn open_layout_node(parent_height: u8, child: &LayoutChild, bytes: &[u8]) -> Result<LayoutItems, PipelineError> {
    let items = LayoutNode::decode(child.node, bytes)
        .map_err(|source| PipelineError::Decode { what: "layout node", source })?
        .items;
    if items.total() == child.entries && layout_height(&items).checked_add(1) == Some(parent_height) {
        Ok(items)
    } else {
        Err(PipelineError::corrupt("layout node", child.node))
    }
}

/// Levels below a layout node with these items.
#[must_use]
pub const fn layout_height(items: &LayoutItems) -> u8 {
    match items {
        LayoutItems::Entries(_) => 0,
        LayoutItems::Children { height, .. } => *height,
    }
}

/// The height of the nodes of children in level `number`.
fn height(number: usize) -> Result<u8, PipelineError> {
    let too_deep = || PipelineError::TooLarge { what: "layout depth", max: TREE_DEPTH_MAX as u64 };
    if number >= TREE_DEPTH_MAX { Err(too_deep()) } else { u8::try_from(number + 1).map_err(|_| too_deep()) }
}

#[cfg(test)]
mod tests;
