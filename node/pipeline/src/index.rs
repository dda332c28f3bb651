//! The index of an object: built from its extents in order, and walked from its top.
//!
//! A node is closed when its next item would not fit, sealed as a chunk of its own, and named in the level above; so
//! memory holds one open node a level, whatever the object's size. It knows neither where chunks are nor how they come.

use bytes::Bytes;
use storgo_protocol::limits::{INDEX_NODE_BYTES_MAX, OBJECT_BYTES_MAX, TREE_DEPTH_MAX};
use storgo_protocol::{ConvergenceSecret, Extent, IndexChild, IndexNode};

use crate::chunker::RawChunk;
use crate::error::PipelineError;
use crate::seal::SealedChunk;

/// Builds an index. The sealed nodes that it hands out come in post-order, the order of their layout entries.
#[derive(Debug)]
pub struct IndexBuilder {
    secret: ConvergenceSecret,
    extents: Vec<Extent>,
    extents_bytes: usize,
    /// The open inner nodes, the lowest first.
    levels: Vec<Level>,
    object_bytes: u64,
}

#[derive(Debug, Default)]
struct Level {
    children: Vec<IndexChild>,
    encoded_bytes: usize,
}

impl IndexBuilder {
    /// Starts an index whose nodes are sealed under `secret`.
    #[must_use]
    pub fn new(secret: ConvergenceSecret) -> Self {
        Self { secret, extents: Vec::new(), extents_bytes: 0, levels: Vec::new(), object_bytes: 0 }
    }

    /// Adds the extent that follows the last one; returns the nodes that this closed, to be coded and stored.
    ///
    /// # Errors
    /// [`PipelineError::TooLarge`] beyond the bounds of an object; [`PipelineError::Internal`] as for any chunk.
    pub fn push(&mut self, extent: Extent) -> Result<Vec<SealedChunk>, PipelineError> {
        self.object_bytes += u64::from(extent.bytes);
        if self.object_bytes > OBJECT_BYTES_MAX {
            return Err(PipelineError::TooLarge { what: "object", max: OBJECT_BYTES_MAX });
        }
        let mut closed = Vec::new();
        let bytes = IndexNode::extent_bytes(&extent);
        if IndexNode::HEAD_BYTES + self.extents_bytes + bytes > INDEX_NODE_BYTES_MAX {
            self.close_leaf(&mut closed)?;
        }
        self.extents_bytes += bytes;
        self.extents.push(extent);
        Ok(closed)
    }

    /// Ends the object: the last nodes, and the top, which is sealed into the root.
    ///
    /// # Errors
    /// As [`IndexBuilder::push`].
    pub fn finish(mut self) -> Result<(Vec<SealedChunk>, IndexNode), PipelineError> {
        let mut closed = Vec::new();
        if self.levels.is_empty() {
            return Ok((closed, IndexNode::Leaf(self.extents)));
        }
        self.close_leaf(&mut closed)?;
        // Closing a level can open one above it, so the number of levels is looked up anew.
        let mut number = 0;
        while number + 1 < self.levels.len() {
            self.close_level(number, &mut closed)?;
            number += 1;
        }
        let children = self.levels.pop().map(|level| level.children).unwrap_or_default();
        Ok((closed, IndexNode::Inner { height: height(number)?, children }))
    }

    fn close_leaf(&mut self, closed: &mut Vec<SealedChunk>) -> Result<(), PipelineError> {
        let leaf = IndexNode::Leaf(std::mem::take(&mut self.extents));
        self.extents_bytes = 0;
        self.add(0, &leaf, closed)
    }

    fn close_level(&mut self, number: usize, closed: &mut Vec<SealedChunk>) -> Result<(), PipelineError> {
        let level = self.levels.get_mut(number).map(std::mem::take).unwrap_or_default();
        let node = IndexNode::Inner { height: height(number)?, children: level.children };
        self.add(number + 1, &node, closed)
    }

    /// Seals a closed node and names it in level `number`, which is closed itself before it overflows: then the full
    /// parent comes out first, since it is behind all of its own and before this node in post-order.
    fn add(&mut self, number: usize, node: &IndexNode, closed: &mut Vec<SealedChunk>) -> Result<(), PipelineError> {
        let sealed = seal_node(&self.secret, node)?;
        let (bytes, extents, below) = node.totals();
        let child = IndexChild { chunk: sealed.reference().clone(), bytes, extents, nodes: below + 1 };
        let child_bytes = IndexNode::child_bytes(&child);
        let full = self
            .levels
            .get(number)
            .is_some_and(|level| IndexNode::HEAD_BYTES + level.encoded_bytes + child_bytes > INDEX_NODE_BYTES_MAX);
        if full {
            self.close_level(number, closed)?;
        }
        closed.push(sealed);
        if self.levels.len() <= number {
            height(number)?;
            self.levels.resize_with(number + 1, Level::default);
        }
        if let Some(level) = self.levels.get_mut(number) {
            level.encoded_bytes += child_bytes;
            level.children.push(child);
        }
        Ok(())
    }
}

/// The height of the inner nodes in level `number`.
fn height(number: usize) -> Result<u8, PipelineError> {
    let too_deep = || PipelineError::TooLarge { what: "index depth", max: TREE_DEPTH_MAX as u64 };
    if number >= TREE_DEPTH_MAX { Err(too_deep()) } else { u8::try_from(number + 1).map_err(|_| too_deep()) }
}

fn seal_node(secret: &ConvergenceSecret, node: &IndexNode) -> Result<SealedChunk, PipelineError> {
    let raw = RawChunk::new(Bytes::from(node.encode()))
        .ok_or_else(|| PipelineError::internal("sealing")("an index node of no or too many bytes"))?;
    raw.pack()?.seal(secret)
}

#[cfg(test)]
mod tests;
