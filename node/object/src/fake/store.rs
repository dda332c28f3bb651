//! Disks in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use storgo_protocol::message::PushedShard;
use storgo_protocol::slice::{encode_slice, group_range, outboard};
use storgo_protocol::{
    ContentId, LayoutRecord, NodeId, PeerId, ShardAddress, ShardIndex, ShardSet, StripeHeader, StripeId,
};

use crate::ports::{DiskState, DiskStatus, Holdings, Lease, Scrutiny, ShardStore, StoreError, StoreStatus};

/// A [`ShardStore`] that keeps everything in maps, on one disk of a given capacity.
#[derive(Debug)]
pub struct MemoryStore {
    capacity_bytes: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    shards: BTreeMap<(StripeId, ShardIndex), (StripeHeader, Bytes)>,
    nodes: BTreeMap<NodeId, (Bytes, u32)>,
    records: BTreeMap<(ContentId, PeerId), LayoutRecord>,
    published: BTreeSet<NodeId>,
    leases: BTreeSet<(PeerId, String)>,
    quarantined: u64,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(capacity_bytes: u64) -> Self {
        Self { capacity_bytes: AtomicU64::new(capacity_bytes), kept: Mutex::default() }
    }

    /// Changes how much there is room for.
    pub fn set_capacity(&self, capacity_bytes: u64) {
        self.capacity_bytes.store(capacity_bytes, Ordering::Relaxed);
    }

    /// Damages one byte of each shard that is kept.
    pub fn damage_shards(&self) {
        for (_, payload) in self.kept.lock().shards.values_mut() {
            let mut bytes = payload.to_vec();
            if let Some(byte) = bytes.last_mut() {
                *byte ^= 1;
            }
            *payload = bytes.into();
        }
    }

    /// Forgets everything.
    pub fn wipe(&self) {
        *self.kept.lock() = Kept::default();
    }

    /// What is kept: shards and node copies.
    #[must_use]
    pub fn counts(&self) -> (usize, u32) {
        let kept = self.kept.lock();
        (kept.shards.len(), kept.nodes.values().map(|(_, copies)| copies).sum())
    }

    /// Every byte that is kept, for tests that look for what must not be there.
    #[must_use]
    pub fn all_bytes(&self) -> Vec<Bytes> {
        let kept = self.kept.lock();
        let shards = kept.shards.values().map(|(_, payload)| payload.clone());
        shards.chain(kept.nodes.values().map(|(payload, _)| payload.clone())).collect()
    }

    /// Whether a shard below this index is kept.
    #[must_use]
    pub fn holds_data(&self, data: usize) -> bool {
        self.kept.lock().shards.keys().any(|(_, index)| index.get() < data)
    }

    /// The layout records of a content that are kept.
    #[must_use]
    pub fn records(&self, content: ContentId) -> Vec<LayoutRecord> {
        self.kept.lock().records.values().filter(|record| record.content == content).cloned().collect()
    }

    /// The owners that hold a lease on something.
    #[must_use]
    pub fn owners(&self) -> BTreeSet<PeerId> {
        self.kept.lock().leases.iter().map(|(owner, _)| *owner).collect()
    }

    fn reserve(&self, kept: &Kept, bytes: usize) -> Result<(), StoreError> {
        let free = self.capacity_bytes.load(Ordering::Relaxed).saturating_sub(kept.used_bytes());
        let needed = bytes as u64;
        if needed > free { Err(StoreError::NoSpace { needed, free }) } else { Ok(()) }
    }
}

impl Kept {
    fn used_bytes(&self) -> u64 {
        let shards = self.shards.values().map(|(_, payload)| payload.len() as u64);
        shards.chain(self.nodes.values().map(|(payload, _)| payload.len() as u64)).sum()
    }

    /// The shard, if it is what its header says; damaged ones are set aside.
    fn verified(&mut self, shard: ShardAddress) -> Result<(StripeHeader, Bytes), StoreError> {
        let key = (shard.stripe, shard.index);
        let (header, payload) = self.shards.get(&key).cloned().ok_or(StoreError::NotFound)?;
        if header.verifies(shard.index, &payload) {
            return Ok((header, payload));
        }
        self.shards.remove(&key);
        self.quarantined += 1;
        Err(StoreError::Corrupt { what: format!("shard {shard}") })
    }

    fn held(&self, stripe: StripeId) -> ShardSet {
        let all = (stripe, ShardIndex::default())..;
        self.shards.range(all).take_while(|((id, _), _)| *id == stripe).map(|((_, index), _)| *index).collect()
    }
}

#[async_trait]
impl ShardStore for MemoryStore {
    async fn has(&self, stripes: &[StripeId], nodes: &[NodeId], scrutiny: Scrutiny) -> Result<Holdings, StoreError> {
        let mut kept = self.kept.lock();
        if scrutiny == Scrutiny::Verified {
            for stripe in stripes {
                for index in kept.held(*stripe).iter() {
                    // A damaged one is set aside, which is all that counts here.
                    drop(kept.verified(ShardAddress { stripe: *stripe, index }));
                }
            }
        }
        Ok(Holdings {
            shards: stripes.iter().map(|stripe| kept.held(*stripe)).collect(),
            nodes: nodes.iter().map(|node| kept.nodes.get(node).map_or(0, |(_, copies)| *copies)).collect(),
        })
    }

    async fn renew(&self, shards: &[ShardAddress], lease: &Lease) -> Result<Vec<bool>, StoreError> {
        let mut kept = self.kept.lock();
        let mut renew = |shard: &ShardAddress| {
            let held = kept.shards.contains_key(&(shard.stripe, shard.index));
            if held {
                kept.leases.insert((lease.owner, shard.to_string()));
            }
            held
        };
        Ok(shards.iter().map(&mut renew).collect())
    }

    async fn push(&self, shards: Vec<PushedShard>, lease: &Lease) -> Result<(), StoreError> {
        if !shards.iter().all(PushedShard::verifies) {
            return Err(StoreError::Mismatch { what: "the shard" });
        }
        let mut kept = self.kept.lock();
        for shard in shards {
            self.reserve(&kept, shard.payload.len())?;
            kept.leases.insert((lease.owner, shard.address().to_string()));
            kept.shards.insert((shard.header.id(), shard.index), (shard.header, shard.payload));
        }
        Ok(())
    }

    async fn pull(&self, shard: ShardAddress) -> Result<(StripeHeader, Bytes), StoreError> {
        self.kept.lock().verified(shard)
    }

    async fn pull_range(
        &self,
        shard: ShardAddress,
        first: u32,
        bytes: u32,
    ) -> Result<(StripeHeader, Bytes), StoreError> {
        let (header, payload) = self.kept.lock().verified(shard)?;
        let mismatch = |_| StoreError::Mismatch { what: "the range" };
        let range = first as usize..(first as usize).saturating_add(bytes as usize);
        let (id, outboard) = outboard(&payload);
        let groups = group_range(payload.len(), &range).map_err(mismatch)?;
        let data = payload.get(groups).ok_or(StoreError::Mismatch { what: "the range" })?;
        let slice = encode_slice(id, payload.len(), &outboard, &range, data).map_err(mismatch)?;
        Ok((header, slice.into()))
    }

    async fn push_node(
        &self,
        node: NodeId,
        payload: Bytes,
        copies: u8,
        publish: bool,
        lease: &Lease,
    ) -> Result<(), StoreError> {
        if NodeId::of(&payload) != node {
            return Err(StoreError::Mismatch { what: "the node" });
        }
        let mut kept = self.kept.lock();
        self.reserve(&kept, payload.len())?;
        kept.leases.insert((lease.owner, node.to_string()));
        kept.nodes.insert(node, (payload, u32::from(copies).min(1)));
        if publish {
            kept.published.insert(node);
        }
        Ok(())
    }

    async fn pull_node(&self, node: NodeId) -> Result<Bytes, StoreError> {
        self.kept.lock().nodes.get(&node).map(|(payload, _)| payload.clone()).ok_or(StoreError::NotFound)
    }

    async fn push_record(&self, record: &LayoutRecord, _lease: &Lease) -> Result<(), StoreError> {
        let mut kept = self.kept.lock();
        if !kept.nodes.contains_key(&record.content.into()) {
            return Err(StoreError::NotFound);
        }
        let known = kept.records.entry((record.content, record.owner)).or_insert_with(|| record.clone());
        if known.number < record.number {
            *known = record.clone();
        }
        Ok(())
    }

    async fn pull_records(&self, content: ContentId) -> Result<Vec<LayoutRecord>, StoreError> {
        Ok(self.records(content))
    }

    async fn published(&self, after: Option<NodeId>, max: usize) -> Result<Vec<NodeId>, StoreError> {
        let kept = self.kept.lock();
        Ok(kept.published.iter().filter(|node| after.is_none_or(|after| **node > after)).take(max).copied().collect())
    }

    fn status(&self) -> StoreStatus {
        let kept = self.kept.lock();
        let disk = DiskStatus {
            path: "memory".into(),
            state: DiskState::Good,
            capacity_bytes: self.capacity_bytes.load(Ordering::Relaxed),
            used_bytes: kept.used_bytes(),
            shards: kept.shards.len() as u64,
            nodes: kept.nodes.len() as u64,
            quarantined: kept.quarantined,
        };
        StoreStatus { disks: vec![disk] }
    }
}
