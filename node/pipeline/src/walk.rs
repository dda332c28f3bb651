//! Walking an index from its top: where an offset leads, which layout entry stands for it, and whether a child is what
//! its parent says.
//!
//! Positions are counted while descending, so no node needs to know its place. It fetches nothing.

use storgo_protocol::{Extent, IndexChild, IndexNode};

use crate::error::PipelineError;
use crate::open::open_chunk;
use crate::stripe::JoinedChunk;

/// Where a node's first item stands in the whole object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexPosition {
    /// Object bytes before it.
    pub bytes: u64,
    /// Extents before it: the number of the next extent, and its place in the layout.
    pub extents: u64,
    /// Index nodes before it in post-order.
    pub nodes: u64,
}

/// One item of an index node and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexStep<'n> {
    /// Bytes, and the chunk that holds them.
    Extent {
        /// The extent. Its layout entry is number `at.extents`.
        extent: &'n Extent,
        /// What comes before it.
        at: IndexPosition,
    },
    /// A subtree to descend into.
    Child {
        /// The subtree.
        child: &'n IndexChild,
        /// What comes before it: the position to walk the child's own node from.
        at: IndexPosition,
    },
}

impl IndexStep<'_> {
    /// The object's first byte below this item.
    #[must_use]
    pub const fn first_byte(&self) -> u64 {
        match self {
            Self::Extent { at, .. } | Self::Child { at, .. } => at.bytes,
        }
    }

    /// Object bytes below this item.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        match self {
            Self::Extent { extent, .. } => extent.bytes as u64,
            Self::Child { child, .. } => child.bytes,
        }
    }

    /// The layout entry of this item's chunk, in an object of `extents` extents: extents stand first, then the index
    /// nodes in post-order, a child behind all that is below it.
    #[must_use]
    pub const fn layout_entry(&self, extents: u64) -> u64 {
        match self {
            Self::Extent { at, .. } => at.extents,
            Self::Child { child, at } => extents.saturating_add(at.nodes).saturating_add(child.nodes).saturating_sub(1),
        }
    }
}

/// The items of a node that starts at `at`, in order. The top starts at the default position.
pub fn index_steps(node: &IndexNode, at: IndexPosition) -> impl Iterator<Item = IndexStep<'_>> {
    let (extents, children) = match node {
        IndexNode::Leaf(extents) => (extents.as_slice(), [].as_slice()),
        IndexNode::Inner { children, .. } => ([].as_slice(), children.as_slice()),
    };
    let extents = extents.iter().scan(at, |next, extent| {
        let at = *next;
        next.bytes = next.bytes.saturating_add(u64::from(extent.bytes));
        next.extents = next.extents.saturating_add(1);
        Some(IndexStep::Extent { extent, at })
    });
    let children = children.iter().scan(at, |next, child| {
        let at = *next;
        next.bytes = next.bytes.saturating_add(child.bytes);
        next.extents = next.extents.saturating_add(child.extents);
        next.nodes = next.nodes.saturating_add(child.nodes);
        Some(IndexStep::Child { child, at })
    });
    extents.chain(children)
}

/// The item of a node that holds the object's byte at `offset`; `None` if none does.
#[must_use]
pub fn index_seek(node: &IndexNode, at: IndexPosition, offset: u64) -> Option<IndexStep<'_>> {
    index_steps(node, at).find(|step| offset.checked_sub(step.first_byte()).is_some_and(|into| into < step.bytes()))
}

/// Opens an index node below a parent of `parent_height`, and checks that it holds what the parent says.
///
/// # Errors
/// [`PipelineError::Corrupt`] if the chunk is not the child's, or its height or totals are not what was said;
/// [`PipelineError::Decode`] if it is no index node.
pub fn open_index_node(
    parent_height: u8,
    child: &IndexChild,
    chunk: JoinedChunk<'_>,
) -> Result<IndexNode, PipelineError> {
    let plain = open_chunk(&child.chunk, chunk)?;
    let node = IndexNode::decode(&plain).map_err(|source| PipelineError::Decode { what: "index node", source })?;
    // A node has a few hundred children of at most 2⁵⁰ bytes each, so the sums stay within 64 bits.
    let (bytes, extents, below) = node.totals();
    let agrees = (bytes, extents, below + 1) == (child.bytes, child.extents, child.nodes);
    if agrees && node.height().checked_add(1) == Some(parent_height) {
        Ok(node)
    } else {
        Err(PipelineError::corrupt("index node", child.chunk.id))
    }
}
