//! Going through items in order: gives each its path, and refuses what cannot follow what came before.

use super::item::TreeItem;
use super::path::TreePath;
use crate::DecodeError;

/// Where a walk through a catalogue is.
#[derive(Debug, Clone)]
pub struct TreeWalk {
    path: TreePath,
    /// Whether the path is that of a directory, which the next item may be in.
    is_directory: bool,
}

impl TreeWalk {
    /// A walk of the whole catalogue.
    #[must_use]
    pub const fn whole() -> Self {
        Self { path: TreePath::root(), is_directory: true }
    }

    /// A walk that starts with a page whose first item is in the directory `parent`.
    #[must_use]
    pub const fn below(parent: TreePath) -> Self {
        Self { path: parent, is_directory: true }
    }

    /// Goes on with the page that follows, whose first item is in the directory `parent`.
    ///
    /// # Errors
    /// [`DecodeError::Field`] if the walk is not in that directory.
    pub fn enter(&mut self, parent: &TreePath) -> Result<(), DecodeError> {
        if self.path.starts_with(parent) { Ok(()) } else { Err(DecodeError::field("parent")) }
    }

    /// The path of the item that follows.
    ///
    /// # Errors
    /// [`DecodeError::Field`] for an item in what is no directory, out of order, named twice, or too deep.
    pub fn step(&mut self, item: &TreeItem) -> Result<&TreePath, DecodeError> {
        let depth = usize::from(item.depth);
        let follows = self.path.names().nth(depth).map(|before| item.name.as_bytes() > before);
        match follows {
            Some(true) => self.path.truncate(depth),
            Some(false) => return Err(DecodeError::field("order")),
            None if depth == self.path.levels() && self.is_directory => {}
            None => return Err(DecodeError::field("parent")),
        }
        self.path.push(&item.name)?;
        self.is_directory = item.is_directory();
        Ok(&self.path)
    }
}
