//! Pages of a catalogue, and the item that a path names.

use std::ops::Range;

use storgo_protocol::DecodeError;
use storgo_protocol::limits::TREE_READ_AHEAD_BYTES;
use storgo_protocol::tree::{TreeItem, TreePage, TreePath, TreeWalk};

use super::open::Tree;
use crate::engine::Engine;
use crate::error::ObjectError;

impl Tree {
    /// What stands at a path; the root is no item.
    ///
    /// # Errors
    /// [`ObjectError::NotInTree`] if nothing does, [`ObjectError::Corrupt`] for a catalogue that was made wrong,
    /// otherwise as [`Engine::get`].
    pub async fn item(&self, engine: &Engine, path: &TreePath) -> Result<TreeItem, ObjectError> {
        let nothing = || ObjectError::NotInTree { path: path.clone() };
        let number = self.table.page_of(path).ok_or_else(nothing)?;
        for page in self.pages(engine, number..number + 1).await? {
            let mut walk = TreeWalk::below(page.parent().clone());
            for item in page.items() {
                if walk.step(item).map_err(|error| damaged("the catalogue of the tree", error))? == path {
                    return Ok(item.clone());
                }
            }
        }
        Err(nothing())
    }

    /// How many pages from `first` on are read at once when all are wanted: at least one.
    pub(super) fn read_ahead(&self, first: usize) -> Range<usize> {
        let rows = self.table.rows().get(first..).unwrap_or_default();
        let start = rows.first().map_or(0, |row| row.range.start);
        let count = rows.iter().take_while(|row| row.range.end - start <= TREE_READ_AHEAD_BYTES).count();
        first..first + count.max(1).min(rows.len())
    }

    /// Reads pages, and checks that each begins as the table says.
    pub(super) async fn pages(&self, engine: &Engine, numbers: Range<usize>) -> Result<Vec<TreePage>, ObjectError> {
        let rows = self.table.rows().get(numbers).unwrap_or_default();
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let start = self.trailer.contents + first.range.start;
        let bytes = self.bytes(engine, start..self.trailer.contents + last.range.end).await?;
        let mut rest = &bytes[..];
        let mut pages = Vec::with_capacity(rows.len());
        for row in rows {
            let what = "a page of the tree";
            let length = usize::try_from(row.range.end - row.range.start).unwrap_or(usize::MAX);
            let cut = rest.split_at_checked(length).ok_or_else(|| damaged(what, DecodeError::Truncated))?;
            rest = cut.1;
            let page = TreePage::decode(cut.0, self.trailer.contents).map_err(|error| damaged(what, error))?;
            let mut walk = TreeWalk::below(page.parent().clone());
            let begins = page.items().first().and_then(|item| walk.step(item).ok());
            if begins != Some(&row.first) {
                return Err(ObjectError::corrupt(what, "it begins with another path than the table says"));
            }
            pages.push(page);
        }
        Ok(pages)
    }
}

/// Says what of a tree a decoder refused.
pub(super) fn damaged(what: &'static str, error: DecodeError) -> ObjectError {
    ObjectError::corrupt(what, error)
}
