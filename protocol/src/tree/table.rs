//! The page table: where each page of a catalogue stands, and with which path it begins.

use std::ops::Range;

use super::path::TreePath;
use crate::DecodeError;
use crate::bytes::{Reader, count_u32};
use crate::limits::{TREE_PAGE_BYTES_MAX, TREE_TABLE_BYTES_MAX};

const MAGIC: [u8; 4] = *b"SGTT";
const VERSION: u8 = 1;

/// One page, as the table knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeRow {
    /// Where the page stands among the pages.
    pub range: Range<u64>,
    /// The path of its first item.
    pub first: TreePath,
}

/// The pages of a catalogue, in order.
///
/// # Shape
/// `"SGTT"`, version 1, then for each page its bytes (u32) and the path of its first item (length u16, bytes). How many
/// pages there are stands in the trailer. At most [`TREE_TABLE_BYTES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TreeTable {
    rows: Vec<TreeRow>,
}

impl TreeTable {
    /// Adds the page that follows.
    pub(super) fn push(&mut self, bytes: usize, first: TreePath) {
        let start = self.catalogue_bytes();
        self.rows.push(TreeRow { range: start..start + bytes as u64, first });
    }

    /// The pages.
    #[must_use]
    pub fn rows(&self) -> &[TreeRow] {
        &self.rows
    }

    /// Bytes of all pages.
    #[must_use]
    pub fn catalogue_bytes(&self) -> u64 {
        self.rows.last().map_or(0, |row| row.range.end)
    }

    /// The page that a path stands on, if it is anywhere.
    #[must_use]
    pub fn page_of(&self, path: &TreePath) -> Option<usize> {
        self.rows.partition_point(|row| row.first <= *path).checked_sub(1)
    }

    /// The page on which what follows `path` and all below it begins, if anything follows.
    #[must_use]
    pub fn page_behind(&self, path: &TreePath) -> usize {
        self.rows.partition_point(|row| row.first <= *path || row.first.starts_with(path)).saturating_sub(1)
    }

    /// The table's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        for row in &self.rows {
            let bytes = usize::try_from(row.range.end - row.range.start).unwrap_or(usize::MAX);
            out.extend_from_slice(&count_u32(bytes));
            row.first.encode(&mut out);
        }
        out
    }

    /// Decodes the table of `pages` pages.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole table whose pages begin with ascending paths.
    pub fn decode(bytes: &[u8], pages: u32) -> Result<Self, DecodeError> {
        if bytes.len() > TREE_TABLE_BYTES_MAX {
            return Err(DecodeError::TooMany { count: bytes.len(), max: TREE_TABLE_BYTES_MAX });
        }
        let mut reader = Reader::new(bytes);
        reader.header(MAGIC, VERSION)?;
        let mut table = Self::default();
        for _ in 0..pages {
            let page_bytes = reader.u32()? as usize;
            if page_bytes == 0 || page_bytes > TREE_PAGE_BYTES_MAX {
                return Err(DecodeError::field("page bytes"));
            }
            let first = TreePath::decode(&mut reader)?;
            let ascends = table.rows.last().map_or(!first.is_root(), |before| before.first < first);
            if !ascends {
                return Err(DecodeError::field("order"));
            }
            table.push(page_bytes, first);
        }
        reader.finish()?;
        Ok(table)
    }
}
