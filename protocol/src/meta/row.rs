//! Rows: what a group keeps beside slots, each under a key, changed together and only if they are as was thought.
//!
//! Group 0 keeps the network's own affairs in them: members, groups, buckets. What a row says stands in
//! [`cluster`](super::cluster).

use bytes::Bytes;
use prost::Message as _;

use super::{Stamp, at_most, decode, wire};
use crate::DecodeError;
use crate::limits::{ROW_BYTES_MAX, ROW_KEY_BYTES_MAX};

/// A row as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The stamp of the command that wrote it: another one whenever it was written again.
    pub revision: Stamp,
    /// What it says.
    pub value: Bytes,
}

/// A change of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// Which row; 1 to [`ROW_KEY_BYTES_MAX`] bytes.
    pub key: Bytes,
    /// How the row must stand for any row of the command to change: of this revision, or not there at all.
    pub expected: Option<Stamp>,
    /// What it is to say; `None` to remove it.
    pub value: Option<Bytes>,
}

impl Row {
    /// The record.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        wire::Row { revision: self.revision.as_u64(), value: self.value.clone() }.encode_to_vec().into()
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a whole row within its bounds.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let row: wire::Row = decode(bytes)?;
        Ok(Self { revision: Stamp::from_u64(row.revision), value: at_most(row.value, ROW_BYTES_MAX)? })
    }
}

impl RowChange {
    pub(super) fn to_wire(&self) -> wire::RowChange {
        wire::RowChange { key: self.key.clone(), expected: self.expected.map(Stamp::as_u64), value: self.value.clone() }
    }

    fn from_wire(change: wire::RowChange) -> Result<Self, DecodeError> {
        if change.key.is_empty() {
            return Err(DecodeError::field("row key"));
        }
        Ok(Self {
            key: at_most(change.key, ROW_KEY_BYTES_MAX)?,
            expected: change.expected.map(Stamp::from_u64),
            value: change.value.map(|value| at_most(value, ROW_BYTES_MAX)).transpose()?,
        })
    }

    /// The changes of one command: rows in ascending order, so that none comes twice.
    pub(super) fn all_from_wire(changes: Vec<wire::RowChange>) -> Result<Vec<Self>, DecodeError> {
        let changes: Vec<Self> = changes.into_iter().map(Self::from_wire).collect::<Result<_, _>>()?;
        if changes.is_empty() || !changes.is_sorted_by(|before, after| before.key < after.key) {
            return Err(DecodeError::field("rows"));
        }
        Ok(changes)
    }
}
