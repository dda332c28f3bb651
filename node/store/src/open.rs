//! Starting: which directories are there, whether the index can be trusted, and what they add up to.
//!
//! A directory that does not open is fenced and said; the rest carries on. The index is trusted only after a clean
//! stop over the same disks; else it is rebuilt.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use storgo_object::ports::{Random, StoreError};
use storgo_protocol::limits::DISKS_MAX;

use crate::catalog::{Catalog, Summary};
use crate::commit::Committer;
use crate::config::StoreConfig;
use crate::core::Core;
use crate::disk::Disk;
use crate::home::Home;
use crate::index::{Index, IndexError, MemoryIndex, SledIndex};
use crate::item::Item;
use crate::known::KnownDisks;
use crate::leases::LeaseLog;
use crate::place::{DiskId, Slot};
use crate::placing::Placing;
use crate::quota::Quotas;
use crate::volume::Volume;
use crate::{home, marker, rebuild};

/// Which index to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IndexKind {
    /// On the real file system, between clean stops.
    Sled,
    /// In memory, rebuilt at each start.
    #[cfg_attr(not(any(test, feature = "sim")), expect(dead_code, reason = "the twin serves simulated disks"))]
    Memory,
}

/// Opens everything; gives the core and a committer for each good disk.
pub(crate) fn open(
    config: &StoreConfig,
    disk: &Arc<dyn Disk>,
    random: &dyn Random,
    kind: IndexKind,
) -> Result<(Core, Vec<Committer>), StoreError> {
    let failed = |source| StoreError::Io { what: "opening the index", disk: config.index.clone(), source };
    home::make_path(&**disk, &config.index).map_err(failed)?;
    let mut known = KnownDisks::read(&**disk, &config.index).map_err(failed)?;
    let volumes = open_volumes(config, disk, random, &mut known)?;
    let ids: Vec<_> = volumes.iter().map(|volume| volume.id).collect();
    let clean = marker::take(&**disk, &config.index).map_err(failed)?;

    let (catalog, summary) = match clean.and_then(|digest| reopen_index(&config.index, kind, &ids, digest)) {
        Some(trusted) => trusted,
        None => rebuild_index(&config.index, kind, &ids, &volumes)?,
    };
    let quotas = Arc::new(Quotas::new(config.quota_per_user_bytes, summary.owners));
    let mut committers = Vec::with_capacity(volumes.len());
    for volume in volumes.iter().filter(|volume| volume.is_good()) {
        let tally = summary.tallies.get(&volume.slot).copied().unwrap_or_default();
        volume.set_tally(tally);
        if let Some(log) = open_log(volume) {
            committers.push(Committer {
                volume: Arc::clone(volume),
                catalog: catalog.clone(),
                quotas: Arc::clone(&quotas),
                log,
                live_leases: tally.leases,
            });
        }
    }
    if committers.is_empty() {
        let first = volumes.iter().find_map(|volume| volume.refusal());
        return Err(first.unwrap_or_else(|| StoreError::Unavailable { reason: "no data directory is named".into() }));
    }
    Ok((Core { volumes, catalog, quotas, placing: Arc::new(Placing::default()) }, committers))
}

/// The lease log, ready for the next record.
fn open_log(volume: &Volume) -> Option<LeaseLog> {
    match LeaseLog::replay(&*volume.disk, &volume.path, &mut drop) {
        Ok((log, ..)) => Some(log),
        Err(error) => {
            volume.fence(format!("opening the lease log failed: {error}"));
            None
        }
    }
}

fn open_volumes(
    config: &StoreConfig,
    disk: &Arc<dyn Disk>,
    random: &dyn Random,
    known: &mut KnownDisks,
) -> Result<Vec<Arc<Volume>>, StoreError> {
    let count = config.disks.len();
    if count > DISKS_MAX {
        return Err(StoreError::Unavailable { reason: format!("{count} data directories where {DISKS_MAX} may be") });
    }
    let before = known.clone();
    known.0.retain(|path, _| config.disks.contains(path));
    let share = config.capacity_bytes.map(|bytes| bytes / (count as u64).max(1));
    let (mut volumes, mut seen) = (Vec::with_capacity(count), HashSet::new());
    for (path, slot) in config.disks.iter().zip(0..) {
        // The id of a disk that does not open is not known; nothing is placed there.
        let opened = refuse_unmounted(known, &**disk, config, path).and_then(|()| home::open(&**disk, path, random));
        let (id, file, fence) = match opened {
            Ok(Home { id, file }) => {
                let twin = (!seen.insert(id)).then(|| format!("another data directory has the same id {id}"));
                (id, Some(file), twin)
            }
            Err(error) => (DiskId([0; 16]), None, Some(format!("opening it failed: {error}"))),
        };
        let volume = Volume::new(Slot(slot), id, path.clone(), Arc::clone(disk), share, file);
        if let Some(reason) = fence {
            volume.fence(reason);
        } else {
            known.0.insert(path.clone(), id);
            if let Err(error) = volume.count_quarantined() {
                volume.fence(format!("counting what was set aside failed: {error}"));
            }
        }
        volumes.push(Arc::new(volume));
    }
    if *known != before {
        let failed = |source| StoreError::Io { what: "noting the disks", disk: config.index.clone(), source };
        known.write(&**disk, &config.index).map_err(failed)?;
    }
    Ok(volumes)
}

/// Refuses a directory in which a disk stood and that now is missing or has nothing of the store's in it.
fn refuse_unmounted(known: &KnownDisks, disk: &dyn Disk, config: &StoreConfig, path: &Path) -> io::Result<()> {
    let Some(id) = known.0.get(path) else { return Ok(()) };
    let names = match disk.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    let ours = |name: &OsString| name == home::FILE || Item::ROOTS.iter().any(|root| name == root);
    if names.iter().any(ours) {
        return Ok(());
    }
    let memory = KnownDisks::path(&config.index);
    let reason = format!(
        "disk {id} stood there and is gone: is it mounted? If it is lost for good, remove {} to have a new one made",
        memory.display()
    );
    Err(io::Error::new(io::ErrorKind::NotFound, reason))
}

/// The index of the last clean stop, if it is about these disks and can be read to its end. sled panics over some
/// damage; what it left half open goes with its directory.
fn reopen_index(path: &Path, kind: IndexKind, ids: &[DiskId], digest: [u8; 32]) -> Option<(Catalog, Summary)> {
    catch_unwind(AssertUnwindSafe(|| read_index(path, kind, ids, digest))).unwrap_or_else(|_| {
        tracing::warn!("the index is damaged and is rebuilt");
        None
    })
}

fn read_index(path: &Path, kind: IndexKind, ids: &[DiskId], digest: [u8; 32]) -> Option<(Catalog, Summary)> {
    let index = match kind {
        IndexKind::Sled => SledIndex::reopen(&path.join("sled"))?,
        IndexKind::Memory => return None,
    };
    let catalog = Catalog::new(Arc::new(index));
    let known = catalog.disks().ok().flatten()?;
    for id in known.iter().filter(|id| !ids.contains(id)) {
        tracing::warn!(disk = %id, "a data directory of the last run is gone or was emptied");
    }
    if known != ids {
        return None;
    }
    let read =
        catalog.digest().and_then(|found| if found == digest { catalog.summarize() } else { Err(IndexError::Damaged) });
    match read {
        Ok(summary) => Some((catalog, summary)),
        Err(error) => {
            tracing::warn!(%error, "the index is damaged and is rebuilt");
            None
        }
    }
}

fn rebuild_index(
    path: &Path,
    kind: IndexKind,
    ids: &[DiskId],
    volumes: &[Arc<Volume>],
) -> Result<(Catalog, Summary), StoreError> {
    let fresh = || -> Result<Arc<dyn Index>, IndexError> {
        Ok(match kind {
            IndexKind::Sled => Arc::new(SledIndex::fresh(&path.join("sled"))?),
            IndexKind::Memory => Arc::new(MemoryIndex::default()),
        })
    };
    let catalog = Catalog::new(fresh()?);
    for volume in volumes.iter().filter(|volume| volume.is_good()) {
        rebuild::scan(volume, &catalog)?;
        if volume.is_good() {
            rebuild::replay(volume, &catalog)?;
        }
    }
    catalog.set_disks(ids)?;
    let summary = catalog.summarize()?;
    Ok((catalog, summary))
}
