//! The blocking half of the store: choosing a disk and writing temporary files.
//!
//! It must not know tasks or queues. Payloads come from the async half, staged files go back to it and on to the
//! committers.

use std::sync::Arc;

use rustix::io::Errno;
use storgo_object::ports::StoreError;
use storgo_protocol::limits::{DISK_BLOCK_BYTES, LAYOUT_RECORDS_MAX};
use storgo_protocol::{LayoutRecord, NodeId, ShardFileHead, slice};

use crate::catalog::Catalog;
use crate::commit::{Staged, is_full};
use crate::item::Item;
use crate::place::{Slot, rank};
use crate::placing::{PlaceHold, Placing};
use crate::quota::Quotas;
use crate::read::{self, Fault};
use crate::volume::Volume;

/// What large files are padded with.
const ZEROES: [u8; DISK_BLOCK_BYTES] = [0; DISK_BLOCK_BYTES];

/// What a mark file says: that it is one.
const MARK: [u8; 5] = *b"SGPM\x01";

/// The disks and what is known of them.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) volumes: Vec<Arc<Volume>>,
    pub(crate) catalog: Catalog,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) placing: Arc<Placing>,
}

/// Files of one item that wait for one disk's committer.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) item: Item,
    pub(crate) volume: Arc<Volume>,
    pub(crate) files: Vec<Staged>,
    pub(crate) place: Option<PlaceHold>,
    /// Bytes of the leased item's file.
    pub(crate) bytes: u64,
}

impl Core {
    /// Good disks that hold an item, with the bytes of its file.
    pub(crate) fn holders(&self, item: Item) -> Result<Vec<(Arc<Volume>, u64)>, StoreError> {
        let found = self.catalog.holders(item)?;
        Ok(found.into_iter().filter_map(|(slot, bytes)| Some((self.good(slot)?, bytes))).collect())
    }

    /// A disk, if it is good.
    pub(crate) fn good(&self, slot: Slot) -> Option<Arc<Volume>> {
        self.volumes.get(usize::from(slot.0)).filter(|volume| volume.is_good()).cloned()
    }

    /// Compares a shard with its head and writes it under a temporary name.
    pub(crate) fn stage_shard(&self, head: &ShardFileHead, payload: &[u8]) -> Result<Prepared, StoreError> {
        let (id, outboard) = slice::outboard(payload);
        if id != head.id() || payload.len() != head.payload_bytes() {
            return Err(StoreError::Mismatch { what: "shard" });
        }
        let first = [head.encode(), outboard].concat();
        let padding = ZEROES.get(..head.padding_bytes()).unwrap_or_default();
        self.stage(Item::Shard(head.address()), &[&first, payload, padding], &[])
    }

    /// Writes a node's copies and marks as far as they are missing beside those of `holders`, which are good.
    pub(crate) fn stage_node(
        &self,
        node: NodeId,
        payload: &[u8],
        copies: usize,
        publish: bool,
        holders: Vec<(Arc<Volume>, u64)>,
    ) -> Result<Vec<Prepared>, StoreError> {
        let mut prepared: Vec<Prepared> = holders
            .into_iter()
            .map(|(volume, bytes)| Prepared { item: Item::Node(node), volume, files: Vec::new(), place: None, bytes })
            .collect();
        self.stage_copies(node, payload, copies, &mut prepared)?;
        prepared.iter_mut().filter(|_| publish).try_for_each(|copy| self.stage_mark(node, copy))?;
        Ok(prepared)
    }

    /// Writes the layout records beside a root anew with `record` among them, wherever that changes them.
    pub(crate) fn stage_record(record: &LayoutRecord, holders: Vec<Arc<Volume>>) -> Result<Vec<Prepared>, StoreError> {
        let node = NodeId::from(record.content);
        let stood = holders.iter().map(|volume| records_on(volume, node)).collect::<Result<Vec<_>, _>>()?;
        let merged = merge(stood.iter().flat_map(|(records, _)| records).chain([record]).cloned());
        if merged.len() > LAYOUT_RECORDS_MAX {
            return Err(StoreError::Unavailable {
                reason: format!("{LAYOUT_RECORDS_MAX} other owners have a layout record there"),
            });
        }
        let bytes = read::encode_records(&merged);
        let mut prepared: Vec<Prepared> = Vec::with_capacity(holders.len());
        for (volume, stood) in holders.into_iter().zip(stood) {
            let files = if stood == (merged.clone(), true) {
                Vec::new()
            } else {
                vec![Self::stage_on(&volume, Item::Records(node), &[&bytes])?]
            };
            let (item, bytes) = (Item::Records(node), LayoutRecord::BYTES as u64);
            prepared.push(Prepared { item, volume, files, place: None, bytes });
        }
        Ok(prepared)
    }

    fn stage_copies(
        &self,
        node: NodeId,
        payload: &[u8],
        copies: usize,
        prepared: &mut Vec<Prepared>,
    ) -> Result<(), StoreError> {
        while prepared.len() < copies.max(1) {
            let taken: Vec<_> = prepared.iter().map(|copy| copy.volume.slot).collect();
            let left = self.volumes.iter().any(|volume| volume.is_good() && !taken.contains(&volume.slot));
            if !left && !prepared.is_empty() {
                break;
            }
            match self.stage(Item::Node(node), &[payload], &taken) {
                Ok(copy) => prepared.push(copy),
                // The last disk left was found to be broken just now.
                Err(StoreError::Io { .. }) if !prepared.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn stage_mark(&self, node: NodeId, copy: &mut Prepared) -> Result<(), StoreError> {
        if self.catalog.file(Item::Mark(node), copy.volume.slot)?.is_none() {
            copy.files.push(Self::stage_on(&copy.volume, Item::Mark(node), &[&MARK])?);
        }
        Ok(())
    }

    /// Writes a file on the best disk that takes it, `taken` ones left out.
    fn stage(&self, item: Item, parts: &[&[u8]], taken: &[Slot]) -> Result<Prepared, StoreError> {
        let mut tried = taken.to_vec();
        let mut refused: Option<StoreError> = None;
        while let Some((slot, place)) = self.placing.enter(item, |others| self.choose(item, others, &tried))? {
            tried.push(slot);
            let Some(volume) = self.good(slot) else { continue };
            match Self::stage_on(&volume, item, parts) {
                Ok(staged) => {
                    let bytes = staged.bytes;
                    return Ok(Prepared { item, volume, files: vec![staged], place: Some(place), bytes });
                }
                Err(error) => refused = Some(worse(refused, error)),
            }
        }
        Err(refused.unwrap_or_else(|| StoreError::Unavailable { reason: "no disk is in use".into() }))
    }

    /// The best disk not yet tried. An item that is on its way, or arrived since somebody looked, goes there again, so
    /// that no two pushes of it end on two disks.
    fn choose(&self, item: Item, others: &[(Item, Slot)], tried: &[Slot]) -> Result<Option<Slot>, StoreError> {
        let mut held = match item {
            Item::Shard(shard) => self.catalog.shards(shard.stripe)?,
            _ => self.catalog.holders(item)?.into_iter().map(|(slot, _)| (item, slot)).collect(),
        };
        // Two pushes of one shard at once are one shard.
        for other in others {
            if !held.contains(other) {
                held.push(*other);
            }
        }
        let left = || self.volumes.iter().filter(|volume| volume.is_good() && !tried.contains(&volume.slot));
        let mut disks: Vec<_> = left().filter(|volume| volume.stall().is_none()).map(|v| (v.slot, v.id)).collect();
        // A slow disk is better than none.
        if disks.is_empty() {
            disks = left().map(|volume| (volume.slot, volume.id)).collect();
        }
        let again = held.iter().find(|(other, at)| *other == item && disks.iter().any(|(slot, _)| slot == at));
        if let Some(&(_, slot)) = again {
            return Ok(Some(slot));
        }
        let count = |slot| held.iter().filter(|(_, other)| *other == slot).count();
        Ok(rank(&disks, item.id(), count).first().copied())
    }

    fn stage_on(volume: &Arc<Volume>, item: Item, parts: &[&[u8]]) -> Result<Staged, StoreError> {
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        let reservation = volume.reserve(bytes)?;
        let (file, tmp) = volume.create().map_err(|error| refuse_write(volume, bytes, error))?;
        file.fill(parts).map_err(|error| refuse_write(volume, bytes, error))?;
        Ok(Staged { item, file, tmp, bytes, _reservation: reservation })
    }
}

/// The records that stand on a disk, and whether nothing else stands among them.
fn records_on(volume: &Volume, node: NodeId) -> Result<(Vec<LayoutRecord>, bool), StoreError> {
    match read::records(&*volume.disk, &volume.path, node) {
        Ok(found) => Ok(found),
        Err(Fault::Missing | Fault::Damaged | Fault::Outside) => Ok((Vec::new(), false)),
        Err(Fault::Failed(source) | Fault::Lost(source)) => {
            Err(StoreError::Io { what: "reading layout records", disk: volume.path.clone(), source })
        }
    }
}

/// The highest record of each owner, in the order of the owners.
pub(crate) fn merge(records: impl Iterator<Item = LayoutRecord>) -> Vec<LayoutRecord> {
    let mut records: Vec<_> = records.collect();
    records.sort_by(|a, b| (a.owner, b.number).cmp(&(b.owner, a.number)));
    records.dedup_by_key(|record| record.owner);
    records
}

/// A lack of room, descriptors or memory is no fault of the disk; anything else that a write fails with is.
fn refuse_write(volume: &Volume, needed: u64, source: std::io::Error) -> StoreError {
    if is_full(&source) {
        return StoreError::NoSpace { needed, free: 0 };
    }
    let scarce = [Errno::MFILE, Errno::NFILE, Errno::NOMEM].map(Errno::raw_os_error);
    if source.raw_os_error().is_some_and(|code| scarce.contains(&code)) {
        return StoreError::Io { what: "writing a file", disk: volume.path.clone(), source };
    }
    volume.fence_for("writing a file", source)
}

/// Of two refusals the one to tell: a lack of room if there is one, with the most room that was found.
fn worse(before: Option<StoreError>, error: StoreError) -> StoreError {
    match (before, error) {
        (Some(StoreError::NoSpace { needed, free }), StoreError::NoSpace { free: other, .. }) => {
            StoreError::NoSpace { needed, free: free.max(other) }
        }
        (Some(full @ StoreError::NoSpace { .. }), _) => full,
        (_, error) => error,
    }
}
