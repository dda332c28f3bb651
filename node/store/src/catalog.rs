//! What the node holds, where, and for whom: the index with its keys spelled out.
//!
//! It must not know files. Committers write it after a change is durable on their disk; everybody reads it.
//!
//! ```text
//!   'f' item slot         bytes (u64)                         a file that is held
//!   'l' item slot owner   bytes (u64) nonce (16) expiry (u64) a lease that holds
//!   'd'                   disk ids in the order of their slots
//! ```

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use storgo_protocol::{NodeId, PeerId, StripeId};

use crate::index::{Change, Index, IndexError};
use crate::item::{Item, Kind};
use crate::leases::LeaseRecord;
use crate::place::{DiskId, Slot};

const FILES: u8 = b'f';
const LEASES: u8 = b'l';
const DISKS: u8 = b'd';

/// The typed view of the index.
#[derive(Debug, Clone)]
pub(crate) struct Catalog(Arc<dyn Index>);

/// How much a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// Shards.
    pub(crate) shards: u64,
    /// Nodes.
    pub(crate) nodes: u64,
    /// Bytes of all files.
    pub(crate) bytes: u64,
    /// Leases that hold.
    pub(crate) leases: u64,
}

/// What a whole catalog adds up to.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// By slot.
    pub(crate) tallies: HashMap<Slot, Tally>,
    /// Leased bytes by owner.
    pub(crate) owners: HashMap<PeerId, u64>,
}

impl Catalog {
    pub(crate) fn new(index: Arc<dyn Index>) -> Self {
        Self(index)
    }

    /// The disks that the catalog was written for; `None` if it was written for none.
    pub(crate) fn disks(&self) -> Result<Option<Vec<DiskId>>, IndexError> {
        let Some(bytes) = self.0.get(&[DISKS])? else { return Ok(None) };
        let (ids, rest) = bytes.as_chunks::<16>();
        if rest.is_empty() { Ok(Some(ids.iter().copied().map(DiskId).collect())) } else { Err(IndexError::Damaged) }
    }

    pub(crate) fn set_disks(&self, ids: &[DiskId]) -> Result<(), IndexError> {
        self.0.apply(vec![(vec![DISKS], Some(ids.iter().flat_map(|id| id.0).collect()))])
    }

    /// Where an item is held, with the bytes of its file.
    pub(crate) fn holders(&self, item: Item) -> Result<Vec<(Slot, u64)>, IndexError> {
        let mut found = Vec::new();
        self.files(&[&[FILES], item.key().as_slice()].concat(), None, &mut |_, slot, bytes| {
            found.push((slot, bytes));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The shards of a stripe that are held, and where.
    pub(crate) fn shards(&self, stripe: StripeId) -> Result<Vec<(Item, Slot)>, IndexError> {
        let mut found = Vec::new();
        let prefix = [[FILES, Kind::Shard as u8].as_slice(), stripe.as_bytes()].concat();
        self.files(&prefix, None, &mut |item, slot, _| {
            found.push((item, slot));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Visits marked nodes in ascending order after `after`, once for each slot.
    pub(crate) fn marks(
        &self,
        after: Option<NodeId>,
        visit: &mut dyn FnMut(NodeId, Slot) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        // The greatest slot that an entry can have: what follows is another node.
        let after = after.map(|node| [[FILES].as_slice(), &Item::Mark(node).key(), &[u8::MAX]].concat());
        self.files(&[FILES, Kind::Mark as u8], after.as_deref(), &mut |item, slot, _| match item {
            Item::Mark(node) => visit(node, slot),
            _ => ControlFlow::Continue(()),
        })
    }

    /// Bytes of an item's file on a slot, if it is held there.
    pub(crate) fn file(&self, item: Item, slot: Slot) -> Result<Option<u64>, IndexError> {
        self.0.get(&file_key(item, slot))?.map(|value| read_u64(&value)).transpose()
    }

    /// The lease of an owner on an item, if there is one.
    pub(crate) fn lease(&self, item: Item, slot: Slot, owner: PeerId) -> Result<Option<LeaseRecord>, IndexError> {
        let value = self.0.get(&lease_key(item, slot, owner))?;
        value.map(|value| read_lease(item, owner, &value)).transpose()
    }

    /// Notes files and leases that are durable on a slot.
    pub(crate) fn add(&self, slot: Slot, files: &[(Item, u64)], leases: &[LeaseRecord]) -> Result<(), IndexError> {
        let files = files.iter().map(|&(item, bytes)| (file_key(item, slot), Some(bytes.to_le_bytes().to_vec())));
        let leases = leases.iter().map(|lease| (lease_key(lease.item, slot, lease.owner), Some(lease_value(lease))));
        // What others see as held is leased by then.
        self.0.apply(leases.chain(files).collect())
    }

    /// Forgets an item on a slot with its leases, which are returned.
    pub(crate) fn remove(&self, item: Item, slot: Slot) -> Result<Vec<LeaseRecord>, IndexError> {
        let leases = self.leases(&[&[LEASES], item.key().as_slice(), &[slot.0]].concat(), slot)?;
        let keys = leases.iter().map(|lease| lease_key(item, slot, lease.owner)).chain([file_key(item, slot)]);
        self.0.apply(keys.map(|key| -> Change { (key, None) }).collect())?;
        Ok(leases)
    }

    /// Adds everything up.
    pub(crate) fn summarize(&self) -> Result<Summary, IndexError> {
        let mut summary = Summary::default();
        self.files(&[FILES], None, &mut |item, slot, bytes| {
            let tally = summary.tallies.entry(slot).or_default();
            tally.bytes += bytes;
            match item {
                Item::Shard(_) => tally.shards += 1,
                Item::Node(_) => tally.nodes += 1,
                Item::Records(_) | Item::Mark(_) => {}
            }
            ControlFlow::Continue(())
        })?;
        self.each_lease(&[LEASES], &mut |slot, lease| {
            summary.tallies.entry(slot).or_default().leases += 1;
            *summary.owners.entry(lease.owner).or_default() += lease.bytes;
        })?;
        Ok(summary)
    }

    /// One hash of all entries.
    pub(crate) fn digest(&self) -> Result<[u8; 32], IndexError> {
        let mut hasher = blake3::Hasher::new();
        self.0.scan(&[], None, &mut |key, value| {
            for part in [key, value] {
                hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
            }
            ControlFlow::Continue(())
        })?;
        Ok(*hasher.finalize().as_bytes())
    }

    pub(crate) fn flush(&self) -> Result<(), IndexError> {
        self.0.flush()
    }

    fn files(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(Item, Slot, u64) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        let mut damaged = false;
        self.0.scan(prefix, after, &mut |key, value| {
            let entry = split_key(key).filter(|(_, _, owner)| owner.is_empty()).zip(read_u64(value).ok());
            if let Some(((item, slot, _), bytes)) = entry {
                return visit(item, slot, bytes);
            }
            damaged = true;
            ControlFlow::Break(())
        })?;
        if damaged { Err(IndexError::Damaged) } else { Ok(()) }
    }

    fn leases(&self, prefix: &[u8], slot: Slot) -> Result<Vec<LeaseRecord>, IndexError> {
        let mut found = Vec::new();
        self.each_lease(prefix, &mut |at, lease| found.extend((at == slot).then_some(lease)))?;
        Ok(found)
    }

    fn each_lease(&self, prefix: &[u8], visit: &mut dyn FnMut(Slot, LeaseRecord)) -> Result<(), IndexError> {
        let mut damaged = false;
        self.0.scan(prefix, None, &mut |key, value| {
            let lease = split_key(key).and_then(|(item, slot, owner)| {
                let owner = PeerId::from_bytes(owner.try_into().ok()?);
                Some((slot, read_lease(item, owner, value).ok()?))
            });
            match lease {
                Some((slot, lease)) => visit(slot, lease),
                None => damaged = true,
            }
            if damaged { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if damaged { Err(IndexError::Damaged) } else { Ok(()) }
    }
}

fn file_key(item: Item, slot: Slot) -> Vec<u8> {
    [[FILES].as_slice(), &item.key(), &[slot.0]].concat()
}

fn lease_key(item: Item, slot: Slot, owner: PeerId) -> Vec<u8> {
    [[LEASES].as_slice(), &item.key(), &[slot.0], owner.as_bytes()].concat()
}

/// Item, slot and owner of a key; the owner is empty in a file's.
fn split_key(key: &[u8]) -> Option<(Item, Slot, &[u8])> {
    let (_, key) = key.split_first()?;
    let (item, key) = key.split_first_chunk::<{ Item::KEY_BYTES }>()?;
    let (slot, owner) = key.split_first()?;
    Some((Item::from_key(item)?, Slot(*slot), owner))
}

fn read_u64(value: &[u8]) -> Result<u64, IndexError> {
    value.try_into().map(u64::from_le_bytes).map_err(|_| IndexError::Damaged)
}

fn lease_value(lease: &LeaseRecord) -> Vec<u8> {
    [lease.bytes.to_le_bytes().as_slice(), &lease.nonce, &lease.expiry.to_le_bytes()].concat()
}

fn read_lease(item: Item, owner: PeerId, value: &[u8]) -> Result<LeaseRecord, IndexError> {
    let value: &[u8; 32] = value.try_into().map_err(|_| IndexError::Damaged)?;
    let [b0, b1, b2, b3, b4, b5, b6, b7, nonce @ .., e0, e1, e2, e3, e4, e5, e6, e7] = value;
    Ok(LeaseRecord {
        item,
        owner,
        bytes: u64::from_le_bytes([*b0, *b1, *b2, *b3, *b4, *b5, *b6, *b7]),
        nonce: *nonce,
        expiry: u64::from_le_bytes([*e0, *e1, *e2, *e3, *e4, *e5, *e6, *e7]),
    })
}
