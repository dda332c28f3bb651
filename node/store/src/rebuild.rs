//! Finding out again what the disks hold: names and heads into the index, leases after them.
//!
//! Payloads are not read: they are verified whenever they are. A file whose head is wrong is quarantined here, so that
//! the index never names it.

use std::io;
use std::path::Path;

use storgo_object::ports::StoreError;
use storgo_protocol::limits::NODE_BYTES_MAX;

use crate::catalog::Catalog;
use crate::item::{Item, bucket};
use crate::leases::{LeaseLog, LeaseRecord, Replay};
use crate::read::{self, Fault};
use crate::volume::{QUARANTINE, Volume};

/// Entries that are written to the index at once.
const BATCH: usize = 1024;

/// Puts everything that a disk holds into the catalog. A disk that cannot be read to the end is fenced.
pub(crate) fn scan(volume: &Volume, catalog: &Catalog) -> Result<(), StoreError> {
    let mut found = Vec::with_capacity(BATCH);
    for root in Item::ROOTS {
        for first in 0..=u8::MAX {
            let directory = volume.path.join(root).join(bucket(first));
            let names = match volume.disk.list(&directory) {
                Ok(names) => names,
                Err(error) => {
                    gave_up(volume, "listing a directory", &error);
                    return Ok(());
                }
            };
            for name in names {
                let name = name.to_string_lossy();
                match examine(volume, root, &directory, &name) {
                    Ok(entry) => found.extend(entry),
                    Err(error) => {
                        gave_up(volume, "looking at a file or quarantining it", &error);
                        return Ok(());
                    }
                }
                if found.len() == BATCH {
                    catalog.add(volume.slot, &found, &[])?;
                    found.clear();
                }
            }
        }
    }
    Ok(catalog.add(volume.slot, &found, &[])?)
}

/// Reads a disk's lease log and notes the leases of what the catalog has there.
pub(crate) fn replay(volume: &Volume, catalog: &Catalog) -> Result<(), StoreError> {
    let mut failed = Ok(());
    let keep = |lease: LeaseRecord| -> Result<(), StoreError> {
        // A record of layout records stands with the root's file of them.
        if catalog.file(lease.item, volume.slot)?.is_some() {
            catalog.add(volume.slot, &[], &[lease])?;
        }
        Ok(())
    };
    let replayed = LeaseLog::replay(&*volume.disk, &volume.path, &mut |lease| {
        if failed.is_ok() {
            failed = keep(lease);
        }
    });
    failed?;
    match replayed {
        Ok((_, replay)) => report(&volume.path, replay),
        Err(error) => gave_up(volume, "reading the lease log", &error),
    }
    Ok(())
}

fn report(path: &Path, replay: Replay) {
    let Replay { good, damaged, torn } = replay;
    if damaged > 0 {
        tracing::warn!(disk = %path.display(), good, damaged, "lease records are damaged and are skipped");
    }
    if torn > 0 {
        tracing::info!(disk = %path.display(), good, torn, "the end of the lease log was being written and is cut");
    }
}

/// The item of a file with the file's bytes; nothing for a stranger's file, or one that was just quarantined.
fn examine(volume: &Volume, root: &str, directory: &Path, name: &str) -> io::Result<Option<(Item, u64)>> {
    let Some(item) = Item::parse(root, name).filter(|item| volume.path.join(item.path()) == directory.join(name))
    else {
        tracing::warn!(disk = %volume.path.display(), root, name, "a file that is not storgo's is left alone");
        return Ok(None);
    };
    let measured = match measure(volume, item) {
        // One failed read is not the end of a file.
        Err(Fault::Lost(_)) => measure(volume, item),
        measured => measured,
    };
    match measured {
        Ok(bytes) => Ok(Some((item, bytes))),
        Err(Fault::Missing) => Ok(None),
        // It may be good, and must not be forgotten.
        Err(Fault::Failed(error)) => Err(error),
        Err(fault) => {
            let aside = volume.may_quarantine();
            tracing::warn!(disk = %volume.path.display(), ?item, ?fault, aside, "a file is damaged");
            if !aside {
                return Ok(None);
            }
            let kept = volume.path.join(QUARANTINE);
            volume.disk.rename(&directory.join(name), &kept.join(item.name()))?;
            volume.sync_dir(&kept)?;
            volume.sync_dir(directory)?;
            volume.count_quarantined()?;
            Ok(None)
        }
    }
}

/// Bytes of an item's file, after a look at its head.
fn measure(volume: &Volume, item: Item) -> Result<u64, Fault> {
    let bytes_max = match item {
        Item::Shard(shard) => return read::head(&*volume.disk, &volume.path, shard).map(|(_, head)| head.file_bytes()),
        Item::Node(_) | Item::Mark(_) => NODE_BYTES_MAX,
        Item::Records(_) => read::RECORDS_BYTES_MAX,
    };
    let bytes = volume.disk.open(&volume.path.join(item.path()))?.bytes()?;
    if bytes <= bytes_max as u64 { Ok(bytes) } else { Err(Fault::Damaged) }
}

fn gave_up(volume: &Volume, what: &str, error: &io::Error) {
    volume.fence(format!("{what} failed: {error}"));
}
