//! A page of a catalogue: some items in a row, and the directory that the first of them is in.

use super::item::TreeItem;
use super::path::TreePath;
use super::walk::TreeWalk;
use crate::DecodeError;
use crate::bytes::{Reader, count_u16};
use crate::limits::TREE_PAGE_BYTES_MAX;

const MAGIC: [u8; 4] = *b"SGTP";
const VERSION: u8 = 1;

/// A page of a catalogue. Its items follow one another as items must.
///
/// # Shape
/// `"SGTP"`, version 1, path of the directory of the first item (length u16, bytes), item count (u16, ≥ 1), items.
/// Encoded, at most [`TREE_PAGE_BYTES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreePage {
    parent: TreePath,
    items: Vec<TreeItem>,
}

impl TreePage {
    /// The directory of the first item.
    #[must_use]
    pub const fn parent(&self) -> &TreePath {
        &self.parent
    }

    /// The items, at least one.
    #[must_use]
    pub fn items(&self) -> &[TreeItem] {
        &self.items
    }

    /// Encoded bytes of a page before its items.
    pub(super) const fn head_bytes(parent: &TreePath) -> usize {
        5 + parent.encoded_bytes() + 2
    }

    /// The page's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(&self.parent, &self.items)
    }

    /// Decodes a page of a tree with `contents` bytes of contents.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole page with items in their bounds and in order.
    pub fn decode(bytes: &[u8], contents: u64) -> Result<Self, DecodeError> {
        if bytes.len() > TREE_PAGE_BYTES_MAX {
            return Err(DecodeError::TooMany { count: bytes.len(), max: TREE_PAGE_BYTES_MAX });
        }
        let mut reader = Reader::new(bytes);
        reader.header(MAGIC, VERSION)?;
        let parent = TreePath::decode(&mut reader)?;
        let count = reader.count(TREE_PAGE_BYTES_MAX / TreeItem::BYTES_MIN, TreeItem::BYTES_MIN)?;
        let items = (0..count).map(|_| TreeItem::decode(&mut reader, contents)).collect::<Result<Vec<_>, _>>()?;
        reader.finish()?;
        let page = Self { parent, items };
        page.check()?;
        Ok(page)
    }

    fn check(&self) -> Result<(), DecodeError> {
        let first = self.items.first().ok_or(DecodeError::field("item count"))?;
        if usize::from(first.depth) != self.parent.levels() {
            return Err(DecodeError::field("depth"));
        }
        let mut walk = TreeWalk::below(self.parent.clone());
        self.items.iter().try_for_each(|item| walk.step(item).map(drop))
    }
}

pub(super) fn encode(parent: &TreePath, items: &[TreeItem]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC);
    out.push(VERSION);
    parent.encode(&mut out);
    out.extend_from_slice(&count_u16(items.len()));
    for item in items {
        item.encode(&mut out);
    }
    out
}
