//! What is in a tree, counted.

use super::item::{TreeItem, TreeNode};
use crate::DecodeError;
use crate::bytes::Reader;
use crate::limits::{OBJECT_BYTES_MAX, TREE_ITEMS_MAX};

/// Counts of a tree, the root not counted.
///
/// # Shape
/// Files, directories, links, bytes of all files (u64 each).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TreeTotals {
    /// Files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of all files as they are restored; those stored once count as often as they stand there.
    pub bytes: u64,
}

impl TreeTotals {
    /// Items in all.
    #[must_use]
    pub const fn items(&self) -> u64 {
        self.files.saturating_add(self.directories).saturating_add(self.links)
    }

    /// Counts an item.
    ///
    /// # Errors
    /// [`DecodeError`] when the tree has more items or bytes than a tree may have.
    pub fn add(&mut self, item: &TreeItem) -> Result<(), DecodeError> {
        match &item.node {
            TreeNode::File(file) => {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(file.bytes);
            }
            TreeNode::Directory { .. } => self.directories += 1,
            TreeNode::Link { .. } => self.links += 1,
        }
        self.check()
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.items() > TREE_ITEMS_MAX {
            let count = usize::try_from(self.items()).unwrap_or(usize::MAX);
            return Err(DecodeError::TooMany { count, max: usize::try_from(TREE_ITEMS_MAX).unwrap_or(usize::MAX) });
        }
        if self.bytes > OBJECT_BYTES_MAX { Err(DecodeError::field("file bytes")) } else { Ok(()) }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for count in [self.files, self.directories, self.links, self.bytes] {
            out.extend_from_slice(&count.to_le_bytes());
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let totals =
            Self { files: reader.u64()?, directories: reader.u64()?, links: reader.u64()?, bytes: reader.u64()? };
        totals.check()?;
        Ok(totals)
    }
}
