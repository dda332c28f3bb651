//! The lease log of a disk: in whose name each item there is kept.
//!
//! It is append-only, of records of one length, each with its checksum, so that damage costs the records it touches
//! and no other. It must not know what is held; whoever replays it drops what is not.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use storgo_object::ports::Lease;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{LEASE_READ_BYTES, LEASES_REWRITTEN_AT_ONCE};

use crate::disk::{Disk, DiskFile};
use crate::item::Item;

const MAGIC: [u8; 4] = *b"SGLS";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 8;
const HEAD: [u8; HEAD_BYTES] = *b"SGLS\x01\0\0\0";
/// The log's name in a data directory.
pub(crate) const FILE: &str = "leases";

/// One lease as it stands in the log.
///
/// # Shape
/// CRC-32 (u32) of what follows, item (kind u8, id 32, shard index u8), two zero bytes, owner (32), bytes (u64), nonce
/// (16), expiry (u64 seconds since 1970).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseRecord {
    pub(crate) item: Item,
    pub(crate) owner: PeerId,
    /// Bytes of the item's file, as they count against the owner's quota.
    pub(crate) bytes: u64,
    pub(crate) nonce: [u8; 16],
    pub(crate) expiry: u64,
}

impl LeaseRecord {
    pub(crate) const BYTES: usize = 104;

    pub(crate) fn new(item: Item, bytes: u64, lease: &Lease) -> Self {
        Self { item, owner: lease.owner, bytes, nonce: lease.nonce, expiry: lease.expiry }
    }

    /// Whether this lease already says what `other` says.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.nonce == other.nonce && self.expiry >= other.expiry && self.bytes == other.bytes
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let body = [
            self.item.key().as_slice(),
            &[0; 2],
            self.owner.as_bytes(),
            &self.bytes.to_le_bytes(),
            &self.nonce,
            &self.expiry.to_le_bytes(),
        ]
        .concat();
        out.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        out.extend_from_slice(&body);
    }

    fn decode(record: &[u8; Self::BYTES]) -> Option<Self> {
        let (crc, body) = record.split_first_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (item, rest) = body.split_first_chunk::<{ Item::KEY_BYTES }>()?;
        let (_, rest) = rest.split_first_chunk::<2>()?;
        let (owner, rest) = rest.split_first_chunk()?;
        let (bytes, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        Some(Self {
            item: Item::from_key(item)?,
            owner: PeerId::from_bytes(*owner),
            bytes: u64::from_le_bytes(*bytes),
            nonce: *nonce,
            expiry: u64::from_le_bytes(*rest.first_chunk()?),
        })
    }
}

/// What a replay met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Replay {
    /// Records that were read.
    pub(crate) good: u64,
    /// Damaged ones before a good one: skipped, and worth saying.
    pub(crate) damaged: u64,
    /// Damaged ones after the last good one: what was being written when the power went. They are overwritten.
    pub(crate) torn: u64,
}

/// The open log of one disk.
#[derive(Debug)]
pub(crate) struct LeaseLog {
    root: PathBuf,
    file: Box<dyn DiskFile>,
    /// Where the next record goes. It moves only when a write succeeded, so a part of one is overwritten.
    end: u64,
}

impl LeaseLog {
    /// Makes an empty log where there is none; its name becomes durable with the directory.
    pub(crate) fn create(disk: &dyn Disk, root: &Path, tmp: &Path) -> io::Result<()> {
        let file = disk.create(tmp)?;
        file.write_at(0, &HEAD)?;
        file.sync()?;
        disk.rename(tmp, &root.join(FILE))
    }

    /// Opens a log and gives each record that can be read to `visit`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if a newer program wrote it; what the system says.
    pub(crate) fn replay(
        disk: &dyn Disk,
        root: &Path,
        visit: &mut dyn FnMut(LeaseRecord),
    ) -> io::Result<(Self, Replay)> {
        let file = disk.open_to_write(&root.join(FILE))?;
        let mut head = [0; HEAD_BYTES];
        let found = file.read_at(0, &mut head)?;
        if found == head.len() && head.starts_with(&MAGIC) && head.get(4).is_some_and(|&version| version > VERSION) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a newer storgo wrote the lease log"));
        }
        let (mut replay, mut first, mut end) = (Replay::default(), HEAD_BYTES as u64, HEAD_BYTES as u64);
        let cut = read_records(&*file, &mut |record| {
            first += LeaseRecord::BYTES as u64;
            if let Some(lease) = LeaseRecord::decode(record) {
                replay.good += 1;
                replay.damaged += std::mem::take(&mut replay.torn);
                end = first;
                visit(lease);
            } else {
                replay.torn += 1;
            }
        })?;
        replay.torn += u64::from(cut);
        Ok((Self { root: root.to_owned(), file, end }, replay))
    }

    /// Records in the log, superseded ones too.
    pub(crate) const fn records(&self) -> u64 {
        (self.end - HEAD_BYTES as u64) / LeaseRecord::BYTES as u64
    }

    /// Writes records behind the last. They are durable after a sync.
    ///
    /// # Errors
    /// What the system says; the log is as it was.
    pub(crate) fn write(&mut self, leases: &[LeaseRecord]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(leases.len() * LeaseRecord::BYTES);
        for lease in leases {
            lease.encode(&mut bytes);
        }
        if !bytes.is_empty() {
            self.file.write_at(self.end, &bytes)?;
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// What the system says; the log must not be used after that.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    /// Puts a log of only the last record of each owner and item in place of this one, as far as the item `is_held`.
    /// It reads this log, once for each [`LEASES_REWRITTEN_AT_ONCE`] records, and keeps no more of them in memory.
    ///
    /// # Errors
    /// [`AppendError::Write`] leaves the log as it was; after [`AppendError::Sync`] it must not be used.
    pub(crate) fn rewrite(
        &mut self,
        disk: &dyn Disk,
        tmp: &Path,
        is_held: &mut dyn FnMut(Item) -> io::Result<bool>,
    ) -> Result<(), AppendError> {
        let (file, end) = self.write_anew(disk, tmp, is_held).map_err(AppendError::Write)?;
        disk.rename(tmp, &self.root.join(FILE)).map_err(AppendError::Sync)?;
        disk.sync_dir(&self.root).map_err(AppendError::Sync)?;
        (self.file, self.end) = (file, end);
        Ok(())
    }

    fn write_anew(
        &self,
        disk: &dyn Disk,
        tmp: &Path,
        is_held: &mut dyn FnMut(Item) -> io::Result<bool>,
    ) -> io::Result<(Box<dyn DiskFile>, u64)> {
        let file = disk.create(tmp)?;
        file.write_at(0, &HEAD)?;
        let mut end = HEAD_BYTES as u64;
        // Which records are held together is nobody else's choice.
        let shares = RandomState::new();
        let count = self.records().div_ceil(LEASES_REWRITTEN_AT_ONCE);
        for share in 0..count {
            let mut last = BTreeMap::new();
            read_records(&*self.file, &mut |record| {
                let key = |lease: &LeaseRecord| (lease.item.key(), *lease.owner.as_bytes());
                let lease = LeaseRecord::decode(record).filter(|lease| shares.hash_one(key(lease)) % count == share);
                if let Some(lease) = lease {
                    last.insert(key(&lease), lease);
                }
            })?;
            let mut bytes = Vec::new();
            for lease in last.values() {
                if is_held(lease.item)? {
                    lease.encode(&mut bytes);
                }
            }
            file.write_at(end, &bytes)?;
            end += bytes.len() as u64;
        }
        file.sync()?;
        Ok((file, end))
    }
}

/// Gives each whole record of a log to `visit`, and whether something shorter follows the last.
fn read_records(file: &dyn DiskFile, visit: &mut dyn FnMut(&[u8; LeaseRecord::BYTES])) -> io::Result<bool> {
    let mut first = HEAD_BYTES as u64;
    let mut buffer = vec![0; LEASE_READ_BYTES / LeaseRecord::BYTES * LeaseRecord::BYTES];
    loop {
        let count = file.read_at(first, &mut buffer)?;
        let (records, rest) = buffer.get(..count).unwrap_or_default().as_chunks::<{ LeaseRecord::BYTES }>();
        records.iter().for_each(&mut *visit);
        first += count as u64;
        if count < buffer.len() {
            return Ok(!rest.is_empty());
        }
    }
}

/// Why leases are not durable.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// They were not written.
    Write(io::Error),
    /// They were not synced.
    Sync(io::Error),
}

#[cfg(test)]
mod tests;
