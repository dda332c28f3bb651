//! Builds what stands behind a tree's contents: pages as their items come, then the table and the trailer.
//!
//! Memory holds the finished pages, less than a hundred bytes an item.

use super::item::{TreeItem, mode};
use super::page::{self, TreePage};
use super::path::TreePath;
use super::table::TreeTable;
use super::totals::TreeTotals;
use super::trailer::{TreeRoot, TreeTrailer};
use super::walk::TreeWalk;
use crate::DecodeError;
use crate::limits::{OBJECT_BYTES_MAX, TREE_PAGE_BYTES_MAX, TREE_TABLE_BYTES_MAX};

/// Builds a catalogue from items in the order of their paths.
#[derive(Debug)]
pub struct TreeBuilder {
    walk: TreeWalk,
    /// The open page: the directory of its first item, that item's path, its items, and how long they are.
    parent: TreePath,
    first: TreePath,
    items: Vec<TreeItem>,
    page_bytes: usize,
    pages: Vec<u8>,
    table: TreeTable,
    totals: TreeTotals,
}

impl Default for TreeBuilder {
    fn default() -> Self {
        Self {
            walk: TreeWalk::whole(),
            parent: TreePath::root(),
            first: TreePath::root(),
            items: Vec::new(),
            page_bytes: 0,
            pages: Vec::new(),
            table: TreeTable::default(),
            totals: TreeTotals::default(),
        }
    }
}

impl TreeBuilder {
    /// Adds the item that follows.
    ///
    /// # Errors
    /// [`DecodeError`] for an item that no reader would accept here: out of order or bounds. The builder is of no
    /// more use then.
    pub fn push(&mut self, item: TreeItem) -> Result<(), DecodeError> {
        item.check()?;
        let path = self.walk.step(&item)?;
        self.totals.add(&item)?;
        let item_bytes = item.encoded_bytes();
        let full = self.page_bytes + item_bytes > TREE_PAGE_BYTES_MAX;
        if self.items.is_empty() || full {
            let path = path.clone();
            self.close_page();
            self.parent = path.split_last().map(|(parent, _)| parent).unwrap_or_default();
            self.page_bytes = TreePage::head_bytes(&self.parent);
            self.first = path;
        }
        self.page_bytes += item_bytes;
        self.items.push(item);
        Ok(())
    }

    /// What was added so far.
    #[must_use]
    pub const fn totals(&self) -> &TreeTotals {
        &self.totals
    }

    /// All that stands behind `contents` bytes of contents.
    ///
    /// # Errors
    /// [`DecodeError`] when the tree is larger than a tree may be.
    pub fn finish(mut self, root: TreeRoot, contents: u64) -> Result<Vec<u8>, DecodeError> {
        mode(root.mode)?;
        self.close_page();
        let table = self.table.encode();
        if table.len() > TREE_TABLE_BYTES_MAX {
            return Err(DecodeError::TooMany { count: table.len(), max: TREE_TABLE_BYTES_MAX });
        }
        let trailer = TreeTrailer {
            root,
            pages: u32::try_from(self.table.rows().len()).unwrap_or(u32::MAX),
            contents,
            catalogue: self.pages.len() as u64,
            table: table.len() as u64,
            totals: self.totals,
        };
        if trailer.object_bytes() > OBJECT_BYTES_MAX {
            return Err(DecodeError::field("object bytes"));
        }
        let mut out = self.pages;
        out.extend_from_slice(&table);
        out.extend_from_slice(&trailer.encode());
        Ok(out)
    }

    fn close_page(&mut self) {
        if self.items.is_empty() {
            return;
        }
        let items = std::mem::take(&mut self.items);
        let bytes = page::encode(&std::mem::take(&mut self.parent), &items);
        self.table.push(bytes.len(), std::mem::take(&mut self.first));
        self.pages.extend_from_slice(&bytes);
    }
}
