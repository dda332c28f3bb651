//! A page of a group's exported state: the unit in which a snapshot travels, is checked and goes on after a break.
//!
//! It must not know how pages are compressed: a page has its compressed bytes, and what they say is decoded once they
//! are opened. Pages are chained by their hashes, so that those of two exports never mix.

use bytes::Bytes;

use crate::bytes::{Reader, count_u32};
use crate::limits::{
    RECORDS_BLOB_BYTES_MAX, RECORDS_KEY_BYTES_MAX, RECORDS_PACKED_BYTES_MAX, RECORDS_PAGE_BYTES_MAX,
    RECORDS_VALUE_BYTES_MAX,
};
use crate::{DecodeError, GroupId};

const MAGIC: [u8; 4] = *b"SGSP";
const VERSION: u8 = 1;
const HASH_BYTES: usize = 32;

/// One page.
///
/// # Shape
/// `"SGSP"`, version 1, 1 for the last page else 0, two zero bytes, group (u64), number (u64), hash of the page before
/// (32, zeros for page 0), bytes of the content (u32), its compressed bytes to 32 before the end, BLAKE3 (32) of all
/// before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPage {
    /// Whose state it is.
    pub group: GroupId,
    /// Its place among the pages, from 0.
    pub number: u64,
    /// Whether it is the last.
    pub is_last: bool,
    /// The hash of the page before; zeros for the first.
    pub previous: [u8; HASH_BYTES],
    /// Bytes of the content once it is no longer compressed.
    pub content_bytes: u32,
    /// The content, compressed.
    pub packed: Bytes,
}

/// What the content of the first page begins with: where in the group's log the state stands.
///
/// # Shape
/// Index (u64), term (u64), length of the blob (u32), blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotStart {
    /// The index of the last entry that was applied.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// What the group keeps beside it.
    pub blob: Bytes,
}

/// A row of the state.
///
/// # Shape
/// Length of the key (u32), length of the value (u32), key, value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRow {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

impl SnapshotPage {
    const HEAD_BYTES: usize = 8 + 8 + 8 + HASH_BYTES + 4;

    /// Bytes of the longest page.
    pub const BYTES_MAX: usize = Self::HEAD_BYTES + RECORDS_PACKED_BYTES_MAX + HASH_BYTES;

    /// The page's bytes. Its hash is their last 32.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::HEAD_BYTES + self.packed.len() + HASH_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, u8::from(self.is_last), 0, 0]);
        out.extend_from_slice(&self.group.as_u64().to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.previous);
        out.extend_from_slice(&self.content_bytes.to_le_bytes());
        out.extend_from_slice(&self.packed);
        let hash = blake3::hash(&out);
        out.extend_from_slice(hash.as_bytes());
        out
    }

    /// The hash that the next page names: the end of an encoded page.
    #[must_use]
    pub fn hash_of(encoded: &[u8]) -> [u8; HASH_BYTES] {
        encoded.last_chunk().copied().unwrap_or_default()
    }

    /// Decodes a page that is all of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole page whose hash holds, within its bounds.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(DecodeError::TooMany { count: bytes.len(), max: Self::BYTES_MAX });
        }
        let mut reader = Reader::new(bytes);
        reader.header(MAGIC, VERSION)?;
        let is_last = match reader.array()? {
            [last @ (0 | 1), 0, 0] => last == 1,
            _ => return Err(DecodeError::field("flags")),
        };
        let (group, number) = (GroupId::new(reader.u64()?), reader.u64()?);
        let previous = reader.array()?;
        let content_bytes = reader.u32()?;
        if content_bytes as usize > RECORDS_PAGE_BYTES_MAX {
            return Err(DecodeError::TooMany { count: content_bytes as usize, max: RECORDS_PAGE_BYTES_MAX });
        }
        let end = bytes.len().checked_sub(HASH_BYTES).filter(|end| *end >= Self::HEAD_BYTES);
        let end = end.ok_or(DecodeError::Truncated)?;
        let (covered, hash) = bytes.split_at_checked(end).ok_or(DecodeError::Truncated)?;
        if blake3::hash(covered) != *hash {
            return Err(DecodeError::Unverified { what: "snapshot page" });
        }
        let packed = bytes.slice(Self::HEAD_BYTES..end);
        Ok(Self { group, number, is_last, previous, content_bytes, packed })
    }

    /// Takes the content of a page apart, once it is no longer compressed.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but the whole content of a page with that number, within its bounds.
    pub fn decode_content(
        number: u64,
        content: &Bytes,
    ) -> Result<(Option<SnapshotStart>, Vec<SnapshotRow>), DecodeError> {
        if content.len() > RECORDS_PAGE_BYTES_MAX {
            return Err(DecodeError::TooMany { count: content.len(), max: RECORDS_PAGE_BYTES_MAX });
        }
        let mut at = 0;
        let mut next = |count: usize, max: usize| {
            if count > max {
                return Err(DecodeError::TooMany { count, max });
            }
            let end = at + count;
            if end > content.len() {
                return Err(DecodeError::Truncated);
            }
            let part = content.slice(at..end);
            at = end;
            Ok((part, content.len() - end))
        };
        let number_of = |part: &Bytes| part.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
        let (mut left, mut start) = (content.len(), None);
        if number == 0 {
            let (head, _) = next(20, 20)?;
            let mut reader = Reader::new(&head);
            let (index, term, blob_bytes) = (reader.u64()?, reader.u64()?, reader.u32()? as usize);
            let (blob, rest) = next(blob_bytes, RECORDS_BLOB_BYTES_MAX)?;
            (left, start) = (rest, Some(SnapshotStart { index, term, blob }));
        }
        let mut rows: Vec<SnapshotRow> = Vec::new();
        while left > 0 {
            let (key_bytes, _) = next(4, 4)?;
            let (value_bytes, _) = next(4, 4)?;
            let (key, _) = next(number_of(&key_bytes), RECORDS_KEY_BYTES_MAX)?;
            let (value, rest) = next(number_of(&value_bytes), RECORDS_VALUE_BYTES_MAX)?;
            if rows.last().is_some_and(|before| before.key >= key) {
                return Err(DecodeError::field("order of keys"));
            }
            left = rest;
            rows.push(SnapshotRow { key, value });
        }
        Ok((start, rows))
    }
}

impl SnapshotStart {
    /// Writes it behind what is in `out`.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.term.to_le_bytes());
        out.extend_from_slice(&count_u32(self.blob.len()));
        out.extend_from_slice(&self.blob);
    }
}

impl SnapshotRow {
    /// Writes it behind what is in `out`.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&count_u32(self.key.len()));
        out.extend_from_slice(&count_u32(self.value.len()));
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.value);
    }
}
