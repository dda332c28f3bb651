//! How much is kept in whose name.
//!
//! Totals come from the leases; it must not know what they are for.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use storgo_object::ports::StoreError;
use storgo_protocol::PeerId;

/// The bytes of each owner, and the bound that holds for all.
#[derive(Debug)]
pub(crate) struct Quotas {
    bound: Option<u64>,
    /// Held for one look-up each time.
    owners: Mutex<HashMap<PeerId, Owned>>,
}

#[derive(Debug, Default)]
struct Owned {
    leased: u64,
    pending: u64,
}

/// Bytes counted against an owner until their lease is durable or given up.
#[derive(Debug)]
pub(crate) struct QuotaHold {
    quotas: Arc<Quotas>,
    owner: PeerId,
    bytes: u64,
}

impl Drop for QuotaHold {
    fn drop(&mut self) {
        self.quotas.change(self.owner, |owned| owned.pending = owned.pending.saturating_sub(self.bytes));
    }
}

impl Quotas {
    pub(crate) fn new(bound: Option<u64>, leased: HashMap<PeerId, u64>) -> Self {
        let owners = leased.into_iter().map(|(owner, leased)| (owner, Owned { leased, pending: 0 })).collect();
        Self { bound, owners: Mutex::new(owners) }
    }

    /// Counts bytes that are about to be leased.
    ///
    /// # Errors
    /// [`StoreError::Quota`] if they are too many.
    pub(crate) fn hold(self: &Arc<Self>, owner: PeerId, bytes: u64) -> Result<QuotaHold, StoreError> {
        self.change(owner, |owned| {
            let total = owned.leased.saturating_add(owned.pending).saturating_add(bytes);
            if let Some(quota) = self.bound.filter(|&bound| bytes > 0 && total > bound) {
                return Err(StoreError::Quota { quota });
            }
            owned.pending += bytes;
            Ok(())
        })?;
        Ok(QuotaHold { quotas: Arc::clone(self), owner, bytes })
    }

    /// Counts a lease that is durable.
    pub(crate) fn add(&self, owner: PeerId, bytes: u64) {
        self.change(owner, |owned| owned.leased = owned.leased.saturating_add(bytes));
    }

    /// Counts a lease that no longer holds.
    pub(crate) fn subtract(&self, owner: PeerId, bytes: u64) {
        self.change(owner, |owned| owned.leased = owned.leased.saturating_sub(bytes));
    }

    /// Owners without bytes are forgotten, so that strangers cannot fill the table.
    fn change<T>(&self, owner: PeerId, change: impl FnOnce(&mut Owned) -> T) -> T {
        let mut owners = self.owners.lock();
        let account = owners.entry(owner).or_default();
        let changed = change(account);
        if account.leased == 0 && account.pending == 0 {
            owners.remove(&owner);
        }
        changed
    }
}
