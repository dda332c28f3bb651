//! The trailer: the last bytes of a tree, by which a reader finds everything before them.

use super::item::{TreeTime, mode};
use super::totals::TreeTotals;
use crate::DecodeError;
use crate::bytes::Reader;
use crate::limits::{OBJECT_BYTES_MAX, TREE_PAGE_BYTES_MAX, TREE_TABLE_BYTES_MAX};

const MAGIC: [u8; 4] = *b"SGTR";
const VERSION: u8 = 1;

/// What the directory itself is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TreeRoot {
    /// Permission bits.
    pub mode: u16,
    /// When it was changed last.
    pub modified: TreeTime,
}

/// How a tree is laid out, what its root is like, and what is in it.
///
/// # Shape
/// `"SGTR"`, version 1, a zero byte, mode of the root (u16), its modification time in seconds (i64) and nanoseconds
/// (u32), pages (u32), bytes of contents, of all pages, and of the table (u64 each), [`TreeTotals`]:
/// [`TreeTrailer::BYTES`] in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeTrailer {
    /// What the directory itself is like.
    pub root: TreeRoot,
    /// Pages of the catalogue.
    pub pages: u32,
    /// Bytes of the files' contents, which stand first.
    pub contents: u64,
    /// Bytes of all pages, which follow.
    pub catalogue: u64,
    /// Bytes of the page table behind them.
    pub table: u64,
    /// What is in the tree.
    pub totals: TreeTotals,
}

impl TreeTrailer {
    /// Bytes of a trailer.
    pub const BYTES: usize = 80;

    /// Bytes of the whole tree.
    #[must_use]
    pub const fn object_bytes(&self) -> u64 {
        self.contents.saturating_add(self.catalogue).saturating_add(self.table).saturating_add(Self::BYTES as u64)
    }

    /// The trailer's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, 0]);
        out.extend_from_slice(&self.root.mode.to_le_bytes());
        self.root.modified.encode(&mut out);
        out.extend_from_slice(&self.pages.to_le_bytes());
        for bytes in [self.contents, self.catalogue, self.table] {
            out.extend_from_slice(&bytes.to_le_bytes());
        }
        self.totals.encode(&mut out);
        out
    }

    /// Decodes the trailer of an object of `object_bytes`: its last [`TreeTrailer::BYTES`].
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a trailer whose parts are within their bounds and fill the object.
    pub fn decode(bytes: &[u8], object_bytes: u64) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(MAGIC, VERSION)?;
        if reader.u8()? != 0 {
            return Err(DecodeError::field("reserved byte"));
        }
        let mode = mode(reader.u16()?)?;
        let root = TreeRoot { mode, modified: TreeTime::decode(&mut reader)? };
        let pages = reader.u32()?;
        let (contents, catalogue, table) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let totals = TreeTotals::decode(&mut reader)?;
        reader.finish()?;
        let trailer = Self { root, pages, contents, catalogue, table, totals };
        trailer.check(object_bytes)?;
        Ok(trailer)
    }

    fn check(&self, object_bytes: u64) -> Result<(), DecodeError> {
        if object_bytes > OBJECT_BYTES_MAX || self.object_bytes() != object_bytes {
            return Err(DecodeError::field("object bytes"));
        }
        let most = u64::from(self.pages).saturating_mul(TREE_PAGE_BYTES_MAX as u64);
        let items = self.totals.items();
        // Each page has an item.
        if u64::from(self.pages) > items || self.catalogue > most || (items > 0) != (self.pages > 0) {
            return Err(DecodeError::field("pages"));
        }
        if self.table > TREE_TABLE_BYTES_MAX as u64 {
            return Err(DecodeError::field("table bytes"));
        }
        Ok(())
    }
}
