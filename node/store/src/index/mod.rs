//! An ordered map of bytes that may be lost: the store rebuilds it from the disks.
//!
//! It must not know what its keys mean. [`SledIndex`] keeps it between clean stops; [`MemoryIndex`] is its twin in
//! memory, for a simulated disk.

use std::fmt;
use std::ops::ControlFlow;

use storgo_object::ports::StoreError;

mod memory;
mod sled;

pub(crate) use memory::MemoryIndex;
pub(crate) use sled::SledIndex;

/// The index could not be read or written. Nothing that was acknowledged depends on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum IndexError {
    /// The store beneath failed.
    #[error("the index failed")]
    Sled(#[from] ::sled::Error),
    /// Its files failed.
    #[error("the index's files failed")]
    Io(#[from] std::io::Error),
    /// An entry cannot be what was written.
    #[error("an entry of the index is damaged")]
    Damaged,
}

impl From<IndexError> for StoreError {
    fn from(error: IndexError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self::Unavailable { reason: format!("{error}{cause}; it is rebuilt at the next start") }
    }
}

/// One change: a key, and its new value or none.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

/// What a scan gives each key and value to, until it breaks off.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// An ordered map from bytes to bytes.
pub(crate) trait Index: Send + Sync + fmt::Debug {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;

    /// Makes changes in their order. Others may see some of them before the rest; who fails in between is rebuilt.
    fn apply(&self, changes: Vec<Change>) -> Result<(), IndexError>;

    /// Visits the entries whose key starts with `prefix`, in ascending order, those up to `after` left out.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<(), IndexError>;

    /// Hands everything to the operating system.
    fn flush(&self) -> Result<(), IndexError>;
}

#[cfg(test)]
mod tests;
