//! The extents of a range in order, with the peers that hold them: the index walked as far ahead as a get needs.

use std::ops::Range;

use futures::stream::{self, Stream};
use storgo_pipeline::{IndexPosition, IndexStep, index_steps, join, open_index_node};
use storgo_protocol::limits::PIECES_LOCATED_AT_ONCE_MAX;
use storgo_protocol::{Extent, IndexChild, IndexNode, LayoutEntry};

use super::fetcher::Fetcher;
use super::locate::{Located, locate};
use super::object::Object;
use super::sink::Piece;
use crate::engine::Engine;
use crate::error::ObjectError;

/// A piece to be fetched.
#[derive(Debug)]
pub(super) struct PlacedPiece {
    pub(super) piece: Piece,
    /// The chunk that holds it, and where the piece begins in the chunk's plaintext.
    pub(super) extent: Extent,
    pub(super) first: u32,
    pub(super) stripe: Located,
}

/// One item of an index node, with its place.
#[derive(Debug)]
enum Step {
    Extent { extent: Extent, at: IndexPosition },
    Child { child: IndexChild, at: IndexPosition, parent_height: u8, entry: u64 },
}

/// Walks an object's index over a range.
pub(super) struct PieceWalk<'a> {
    engine: &'a Engine,
    object: &'a Object,
    fetcher: &'a Fetcher,
    range: Range<u64>,
    /// What is still to be visited, the next on top.
    stack: Vec<Step>,
    /// Located, and not handed out yet; the next at the end.
    ready: Vec<PlacedPiece>,
}

impl<'a> PieceWalk<'a> {
    pub(super) fn new(engine: &'a Engine, object: &'a Object, fetcher: &'a Fetcher, range: Range<u64>) -> Self {
        let mut walk = Self { engine, object, fetcher, range, stack: Vec::new(), ready: Vec::new() };
        walk.push_items(&object.top, IndexPosition::default());
        walk
    }

    /// The pieces in order; ends after an error.
    pub(super) fn stream(self) -> impl Stream<Item = Result<PlacedPiece, ObjectError>> + use<'a> {
        stream::unfold(Some(self), |walk| async move {
            let mut walk = walk?;
            match walk.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(walk))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<PlacedPiece>, ObjectError> {
        if self.ready.is_empty() {
            self.ready = self.batch().await?;
            self.ready.reverse();
        }
        Ok(self.ready.pop())
    }

    /// The next pieces, located with one question to each peer.
    async fn batch(&mut self) -> Result<Vec<PlacedPiece>, ObjectError> {
        let mut found = Vec::new();
        while found.len() < PIECES_LOCATED_AT_ONCE_MAX
            && let Some(step) = self.stack.pop()
        {
            match step {
                Step::Extent { extent, at } => {
                    let entry = self.entry(at.extents, &extent.chunk.id).await?;
                    found.push((extent, at, entry));
                }
                Step::Child { child, at, parent_height, entry } => {
                    let node = self.fetch_node(&child, parent_height, entry).await?;
                    self.push_items(&node, at);
                }
            }
        }
        let entries = found.iter().map(|(_, _, entry)| *entry).collect();
        let located = locate(&self.fetcher.remote, &self.fetcher.pool, entries, self.fetcher.code).await;
        let place = |((extent, at, _), stripe)| self.place(extent, at, stripe);
        Ok(found.into_iter().zip(located).map(place).collect())
    }

    /// Cuts an extent to the range.
    fn place(&self, extent: Extent, at: IndexPosition, stripe: Located) -> PlacedPiece {
        let end = at.bytes.saturating_add(u64::from(extent.bytes)).min(self.range.end);
        let offset = at.bytes.max(self.range.start);
        let bytes = u32::try_from(end.saturating_sub(offset)).unwrap_or(0);
        let first = extent.first + u32::try_from(offset - at.bytes).unwrap_or(0);
        PlacedPiece { piece: Piece { number: at.extents, offset, bytes }, extent, first, stripe }
    }

    async fn fetch_node(&self, child: &IndexChild, height: u8, entry: u64) -> Result<IndexNode, ObjectError> {
        let entry = self.entry(entry, &child.chunk.id).await?;
        let (remote, pool) = (&self.fetcher.remote, &self.fetcher.pool);
        let located = locate(remote, pool, vec![entry], self.fetcher.code).await;
        let stripe = located.into_iter().next().ok_or(ObjectError::NoPeers)?;
        let parent = child.clone();
        let open = move |header: &_, shards: &[_]| open_index_node(height, &parent, join(header, shards)?);
        let sealed = child.chunk.sealed_bytes as usize;
        let fetched = self.fetcher.fetch(&stripe, Some(sealed), "an index node", open).await?;
        pool.count_node_bytes(fetched.pulled);
        Ok(fetched.value)
    }

    /// The layout's entry for a chunk of the index: the two must agree.
    async fn entry(&self, number: u64, chunk: &storgo_protocol::ChunkId) -> Result<LayoutEntry, ObjectError> {
        let entry = self.object.layout.entry(self.engine, &self.fetcher.pool, number).await?;
        if entry.chunk == *chunk {
            Ok(entry)
        } else {
            Err(ObjectError::corrupt("the layout", format!("entry {number} is of another chunk")))
        }
    }

    /// Puts a node's items that touch the range on the stack, the first on top.
    fn push_items(&mut self, node: &IndexNode, at: IndexPosition) {
        let range = self.range.clone();
        let touches = |step: &IndexStep<'_>| {
            !range.is_empty()
                && step.first_byte() < range.end
                && step.first_byte().saturating_add(step.bytes()) > range.start
        };
        let extents = self.object.root.extents;
        let own = |step: IndexStep<'_>| match step {
            IndexStep::Extent { extent, at } => Step::Extent { extent: extent.clone(), at },
            IndexStep::Child { child, at } => {
                let entry = step.layout_entry(extents);
                Step::Child { child: child.clone(), at, parent_height: node.height(), entry }
            }
        };
        let steps: Vec<Step> = index_steps(node, at).filter(touches).map(own).collect();
        self.stack.extend(steps.into_iter().rev());
    }
}
