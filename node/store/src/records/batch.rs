//! What one commit changes.

use bytes::Bytes;
use storgo_protocol::limits::{RECORDS_KEY_BYTES_MAX, RECORDS_VALUE_BYTES_MAX};

use super::error::RecordsError;

/// Changes of one group's rows that are made together. Of two changes of one key the later one holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteBatch {
    pub(super) changes: Vec<(Bytes, Option<Bytes>)>,
}

/// Where in its log a group's state stands, and what the group keeps beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The index of the last entry that was applied.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The group's members, its feature level, and what else belongs to that place. At most
    /// [`RECORDS_BLOB_BYTES_MAX`](storgo_protocol::limits::RECORDS_BLOB_BYTES_MAX) bytes.
    pub blob: Bytes,
}

impl WriteBatch {
    /// Sets the value of a key.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.changes.push((key.into(), Some(value.into())));
    }

    /// Takes a key away, if it is there.
    pub fn delete(&mut self, key: impl Into<Bytes>) {
        self.changes.push((key.into(), None));
    }

    /// The changes in their order: keys, each with its new value or none.
    pub fn changes(&self) -> impl Iterator<Item = (&Bytes, Option<&Bytes>)> {
        self.changes.iter().map(|(key, value)| (key, value.as_ref()))
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), RecordsError> {
        for (key, value) in &self.changes {
            check_bytes(key.len(), RECORDS_KEY_BYTES_MAX)?;
            check_bytes(value.as_ref().map_or(0, Bytes::len), RECORDS_VALUE_BYTES_MAX)?;
        }
        Ok(())
    }
}

pub(super) fn check_bytes(bytes: usize, max: usize) -> Result<(), RecordsError> {
    if bytes > max { Err(RecordsError::TooLarge { bytes, max }) } else { Ok(()) }
}
