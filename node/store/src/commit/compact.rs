//! When a lease log is rewritten, and what is asked of the disk for it.

use std::io;

use storgo_protocol::limits::LEASES_SUPERSEDED_MAX;

use super::{Committer, Failure, is_full};
use crate::item::Item;
use crate::leases::AppendError;
use crate::volume::lacks_descriptors;

impl Committer {
    /// Rewrites the lease log once most of it is superseded.
    pub(super) fn compact(&mut self) {
        if self.log.records() <= 2 * self.live_leases + LEASES_SUPERSEDED_MAX || !self.volume.is_good() {
            return;
        }
        let (volume, catalog) = (&self.volume, &self.catalog);
        // The index may be wrong, and a lease that is dropped is gone: what it does not name is looked for.
        let mut is_held = |item: Item| match catalog.file(item, volume.slot) {
            Ok(Some(_)) => Ok(true),
            Ok(None) | Err(_) => match volume.disk.open(&volume.path.join(item.path())) {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
        };
        let tmp = volume.tmp_path();
        match self.log.rewrite(&*volume.disk, &tmp, &mut is_held) {
            Ok(()) => self.live_leases = self.log.records(),
            // The old log still stands; it is tried again after the next round.
            Err(AppendError::Write(error)) if is_full(&error) || lacks_descriptors(&error) => volume.discard(&tmp),
            Err(AppendError::Write(error) | AppendError::Sync(error)) => {
                drop(self.give_up(Failure::Disk("rewriting the lease log", error)));
            }
        }
    }
}
