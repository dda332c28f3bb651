//! Opens a tree: its trailer, and its page table.

use std::ops::Range;

use bytes::Bytes;
use parking_lot::Mutex;
use storgo_protocol::ObjectKind;
use storgo_protocol::limits::TREE_TAIL_BYTES;
use storgo_protocol::tree::{TreeTable, TreeTrailer};

use super::pages::damaged;
use crate::engine::Engine;
use crate::error::ObjectError;
use crate::read::Object;
use crate::report::GetReport;

/// An object that is a directory.
#[derive(Debug)]
pub struct Tree {
    pub(super) object: Object,
    pub(super) trailer: TreeTrailer,
    pub(super) table: TreeTable,
    /// The last bytes of the object: small trees whole.
    tail: Bytes,
    // Held only to add a few numbers, never across an await.
    read: Mutex<GetReport>,
}

impl Tree {
    /// The object that it is.
    #[must_use]
    pub const fn object(&self) -> &Object {
        &self.object
    }

    /// The object that it is.
    #[must_use]
    pub fn into_object(self) -> Object {
        self.object
    }

    /// How it is laid out, and what is in it.
    #[must_use]
    pub const fn trailer(&self) -> &TreeTrailer {
        &self.trailer
    }

    /// What it took so far to read the catalogue.
    #[must_use]
    pub fn catalogue_report(&self) -> GetReport {
        self.read.lock().clone()
    }

    /// Bytes of the object that the caller has bounded.
    pub(super) async fn bytes(&self, engine: &Engine, range: Range<u64>) -> Result<Bytes, ObjectError> {
        if let Some(bytes) = within(&self.tail, self.object.size(), &range) {
            return Ok(bytes);
        }
        let (bytes, report) = engine.read(&self.object, range).await?;
        self.read.lock().add(&report);
        Ok(bytes)
    }
}

impl Engine {
    /// Opens the tree that an object is.
    ///
    /// # Errors
    /// [`ObjectError::WrongKind`] for an object that is no tree, [`ObjectError::Corrupt`] for one that was made wrong,
    /// otherwise as [`Engine::get`].
    pub async fn open_tree(&self, object: Object) -> Result<Tree, ObjectError> {
        if object.kind() != ObjectKind::Tree {
            let what = "what the ticket opens".to_owned();
            return Err(ObjectError::WrongKind { what, is: "a file", wanted: "a directory" });
        }
        let size = object.size();
        let (tail, mut report) = self.read(&object, size.saturating_sub(TREE_TAIL_BYTES)..size).await?;
        let trailer = tail.len().checked_sub(TreeTrailer::BYTES).and_then(|at| tail.get(at..)).unwrap_or_default();
        let trailer = TreeTrailer::decode(trailer, size).map_err(|error| damaged("the trailer of the tree", error))?;
        let start = trailer.contents.saturating_add(trailer.catalogue);
        let place = start..start.saturating_add(trailer.table);
        let table = if let Some(table) = within(&tail, size, &place) {
            table
        } else {
            let (table, more) = self.read(&object, place).await?;
            report.add(&more);
            table
        };
        let what = "the page table of the tree";
        let table = TreeTable::decode(&table, trailer.pages).map_err(|error| damaged(what, error))?;
        if table.catalogue_bytes() != trailer.catalogue {
            return Err(ObjectError::corrupt(what, "its pages have other lengths than the trailer says"));
        }
        Ok(Tree { object, trailer, table, tail, read: Mutex::new(report) })
    }
}

/// A range of an object of `size`, if the object's last bytes hold it.
fn within(tail: &Bytes, size: u64, range: &Range<u64>) -> Option<Bytes> {
    let first = size.checked_sub(tail.len() as u64)?;
    let start = usize::try_from(range.start.checked_sub(first)?).ok()?;
    let end = usize::try_from(range.end.checked_sub(first)?).ok()?;
    (start <= end && end <= tail.len()).then(|| tail.slice(start..end))
}
