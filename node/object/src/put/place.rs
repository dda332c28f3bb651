//! An encoded chunk onto its peers, unless an equal one was placed a moment ago.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use storgo_protocol::limits::RECENT_CHUNKS_MAX;
use storgo_protocol::{ChunkId, ChunkRef, LayoutEntry, ShardIndex, StripeId};

use super::encode::Encoded;
use crate::error::ObjectError;
use crate::spread::{Spread, Spreader};
use crate::writer::Proof;

/// A chunk whose every shard is durable.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) reference: ChunkRef,
    pub(super) stripe: StripeId,
    pub(super) shard_bytes: u64,
    pub(super) spread: Spread,
    /// Whether the same chunk was placed a moment ago.
    pub(super) duplicate: bool,
}

impl Placed {
    pub(super) const fn entry(&self) -> LayoutEntry {
        LayoutEntry { chunk: self.reference.id, stripe: self.stripe }
    }
}

/// Places the chunks of one put.
#[derive(Debug)]
pub(super) struct Placer {
    spreader: Spreader,
    // Held only for look-ups, never across an await.
    recent: Mutex<Recent>,
}

/// Chunks placed a moment ago: a run of equal ones (zeros, say) is pushed once.
#[derive(Debug, Default)]
struct Recent {
    placed: HashMap<ChunkId, Placed>,
    order: VecDeque<ChunkId>,
}

impl Placer {
    pub(super) fn new(spreader: Spreader) -> Self {
        Self { spreader, recent: Mutex::default() }
    }

    pub(super) async fn place(&self, encoded: Encoded) -> Result<Placed, ObjectError> {
        let Encoded { reference, stripe } = encoded;
        if let Some(placed) = self.recent.lock().placed.get(&reference.id) {
            let spread = Spread { present: 0, pushed: 0, ..placed.spread.clone() };
            return Ok(Placed { duplicate: true, spread, ..placed.clone() });
        }
        let (header, shards) = stripe.into_parts();
        let shards: Vec<_> = shards
            .into_iter()
            .enumerate()
            .filter_map(|(index, payload)| Some((ShardIndex::new(index)?, payload)))
            .collect();
        let spread = self.spreader.spread(&header, &shards, Vec::new(), &Proof::from([])).await?;
        let shard_bytes = header.shard_bytes() as u64;
        let placed = Placed { reference, stripe: header.id(), shard_bytes, spread, duplicate: false };
        self.recent.lock().remember(&placed);
        Ok(placed)
    }
}

impl Recent {
    fn remember(&mut self, placed: &Placed) {
        if self.order.len() >= RECENT_CHUNKS_MAX {
            self.order.pop_front().map(|oldest| self.placed.remove(&oldest));
        }
        if self.placed.insert(placed.reference.id, placed.clone()).is_none() {
            self.order.push_back(placed.reference.id);
        }
    }
}
