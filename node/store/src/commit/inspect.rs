//! A second look at what a reader found wrong, where no rename can come between, and what follows from it.

use super::{Committer, Failure};
use crate::item::Item;
use crate::read::{self, Fault};
use crate::volume::QUARANTINE;

impl Committer {
    /// Between a reader's look and now a push may have put a good file in place, so the file is read again here, where
    /// no rename can come between.
    pub(super) fn inspect(&mut self, item: Item) {
        if !self.volume.is_good() {
            return;
        }
        let outcome = match read::verify(&*self.volume.disk, &self.volume.path, item) {
            Ok(()) | Err(Fault::Outside) => Ok(()),
            Err(Fault::Missing) => {
                tracing::warn!(disk = %self.volume.path.display(), ?item, "a file is gone");
                self.volume.note_gone();
                self.forget(item)
            }
            Err(Fault::Failed(error)) => {
                tracing::warn!(disk = %self.volume.path.display(), ?item, %error, "a file could not be read");
                Ok(())
            }
            Err(fault @ (Fault::Damaged | Fault::Lost(_))) => {
                let aside = self.volume.may_quarantine();
                tracing::warn!(disk = %self.volume.path.display(), ?item, ?fault, aside, "a file is damaged");
                let moved = if aside { self.quarantine(item) } else { Ok(()) };
                moved.and_then(|()| self.forget(item))
            }
        };
        if let Err(failure) = outcome {
            drop(self.give_up(failure));
        }
    }

    fn quarantine(&self, item: Item) -> Result<(), Failure> {
        let (disk, root) = (&self.volume.disk, &self.volume.path);
        let kept = root.join(QUARANTINE);
        let moved = disk
            .rename(&root.join(item.path()), &kept.join(item.name()))
            .and_then(|()| self.volume.sync_dir(&kept))
            .and_then(|()| self.volume.sync_dir(&root.join(item.directory())))
            .and_then(|()| self.volume.count_quarantined());
        moved.map_err(|error| Failure::Disk("quarantining a file", error))
    }

    fn forget(&mut self, item: Item) -> Result<(), Failure> {
        let slot = self.volume.slot;
        let Some(bytes) = self.catalog.file(item, slot).map_err(Failure::Index)? else { return Ok(()) };
        for lease in self.catalog.remove(item, slot).map_err(Failure::Index)? {
            self.quotas.subtract(lease.owner, lease.bytes);
            self.live_leases = self.live_leases.saturating_sub(1);
        }
        self.volume.count_out(item, bytes);
        Ok(())
    }
}
