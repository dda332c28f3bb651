//! What one group asked its node to keep, as it stands inside the seal.

use bytes::Bytes;

use crate::bytes::Reader;
use crate::limits::{LOG_ENTRY_BYTES_MAX, LOG_MARK_BYTES_MAX};
use crate::{DecodeError, GroupId};

const ENTRY: u8 = 1;
const VOTE: u8 = 2;
const COMMITTED: u8 = 3;
const TRUNCATE: u8 = 4;
const PURGE: u8 = 5;
const GONE: u8 = 6;
const LEFT: u8 = 7;

/// One record of a group.
///
/// # Shape
/// Kind (u8), group (u64), then by kind: entry: term (u64), index (u64), payload to the end; vote, committed: bytes to
/// the end; truncate: index (u64); purge: index (u64), marker to the end; gone, left: times (u64).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Whose record it is.
    pub group: GroupId,
    /// What it says.
    pub body: LogBody,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogBody {
    /// An entry stands at its index, in place of what stood there.
    Entry {
        /// The term in which it was proposed.
        term: u64,
        /// Where it stands in the group's log.
        index: u64,
        /// What it holds; the log does not look into it.
        payload: Bytes,
    },
    /// The group's vote is this.
    Vote(Bytes),
    /// The group has committed as far as this says.
    Committed(Bytes),
    /// The entries from `index` on are void.
    Truncate {
        /// The first void index.
        index: u64,
    },
    /// The entries up to `index` are no longer needed.
    Purge {
        /// The last index that is not needed.
        index: u64,
        /// What the group wants to know of the last entry that went.
        marker: Bytes,
    },
    /// This node has left the group for this many times now: all before of it is void.
    Gone(u64),
    /// This node has left the group so often.
    Left(u64),
}

impl LogRecord {
    /// Bytes of the longest record.
    pub const BYTES_MAX: usize = Self::HEAD_BYTES + 16 + LOG_ENTRY_BYTES_MAX;

    const HEAD_BYTES: usize = 9;

    /// Bytes of the encoded record.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        Self::HEAD_BYTES
            + match &self.body {
                LogBody::Entry { payload, .. } => 16 + payload.len(),
                LogBody::Vote(bytes) | LogBody::Committed(bytes) => bytes.len(),
                LogBody::Truncate { .. } | LogBody::Gone(_) | LogBody::Left(_) => 8,
                LogBody::Purge { marker, .. } => 8 + marker.len(),
            }
    }

    /// Writes the record behind what is in `out`.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        let mut head = |kind: u8| {
            out.push(kind);
            out.extend_from_slice(&self.group.as_u64().to_le_bytes());
        };
        match &self.body {
            LogBody::Entry { term, index, payload } => {
                head(ENTRY);
                out.extend_from_slice(&term.to_le_bytes());
                out.extend_from_slice(&index.to_le_bytes());
                out.extend_from_slice(payload);
            }
            LogBody::Vote(bytes) => {
                head(VOTE);
                out.extend_from_slice(bytes);
            }
            LogBody::Committed(bytes) => {
                head(COMMITTED);
                out.extend_from_slice(bytes);
            }
            LogBody::Truncate { index } => {
                head(TRUNCATE);
                out.extend_from_slice(&index.to_le_bytes());
            }
            LogBody::Purge { index, marker } => {
                head(PURGE);
                out.extend_from_slice(&index.to_le_bytes());
                out.extend_from_slice(marker);
            }
            LogBody::Gone(times) => {
                head(GONE);
                out.extend_from_slice(&times.to_le_bytes());
            }
            LogBody::Left(times) => {
                head(LEFT);
                out.extend_from_slice(&times.to_le_bytes());
            }
        }
    }

    /// Decodes one record that is all of `bytes`. What it carries shares their memory.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole record within its bounds.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let kind = reader.u8()?;
        let group = GroupId::new(reader.u64()?);
        let rest = |at: usize, max: usize| match bytes.len().saturating_sub(at) {
            count if count > max => Err(DecodeError::TooMany { count, max }),
            _ => Ok(bytes.slice(at.min(bytes.len())..)),
        };
        let body = match kind {
            ENTRY => LogBody::Entry {
                term: reader.u64()?,
                index: reader.u64()?,
                payload: rest(Self::HEAD_BYTES + 16, LOG_ENTRY_BYTES_MAX)?,
            },
            VOTE => LogBody::Vote(rest(Self::HEAD_BYTES, LOG_MARK_BYTES_MAX)?),
            COMMITTED => LogBody::Committed(rest(Self::HEAD_BYTES, LOG_MARK_BYTES_MAX)?),
            TRUNCATE => {
                let index = reader.u64()?;
                reader.finish()?;
                LogBody::Truncate { index }
            }
            PURGE => LogBody::Purge { index: reader.u64()?, marker: rest(Self::HEAD_BYTES + 8, LOG_MARK_BYTES_MAX)? },
            GONE | LEFT => {
                let times = reader.u64()?;
                reader.finish()?;
                if kind == GONE { LogBody::Gone(times) } else { LogBody::Left(times) }
            }
            _ => return Err(DecodeError::field("record kind")),
        };
        Ok(Self { group, body })
    }
}
