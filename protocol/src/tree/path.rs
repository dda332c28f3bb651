//! A path inside a tree: names joined by `/`, from the tree's own root, and their order.

use std::cmp::Ordering;
use std::fmt;

use super::name::{TreeName, is_name};
use super::print::Printable;
use crate::DecodeError;
use crate::bytes::{Reader, count_u16};
use crate::limits::{TREE_LEVELS_MAX, TREE_PATH_BYTES_MAX};

/// A path inside a tree; the root is the path of no names.
///
/// Paths are ordered name by name, so a directory comes before all that is in it, and that before its next sibling.
///
/// # Shape
/// In formats: length (u16), names joined by `/`. At most [`TREE_LEVELS_MAX`] names and [`TREE_PATH_BYTES_MAX`] bytes.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// The tree itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Reads names joined by `/`, without one at the start or the end.
    ///
    /// # Errors
    /// [`DecodeError::Field`] if one of the names is none, or the path is longer than paths may be.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let path = Self(bytes.to_vec());
        if !path.names().all(is_name) {
            return Err(DecodeError::field("name"));
        }
        if bytes.len() > TREE_PATH_BYTES_MAX || path.levels() > TREE_LEVELS_MAX {
            return Err(DecodeError::field("path"));
        }
        Ok(path)
    }

    /// The names from the root on.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|_| !self.0.is_empty())
    }

    /// How many names.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.names().count()
    }

    /// Whether it is the tree itself.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, joined by `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path of the directory that it is in, and its name there; `None` for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, &[u8])> {
        let name = self.names().last()?;
        let above = self.0.len().checked_sub(name.len())?.saturating_sub(1);
        Some((Self(self.0.get(..above)?.to_vec()), name))
    }

    /// Whether it is `other` or below it.
    #[must_use]
    pub fn starts_with(&self, other: &Self) -> bool {
        self.below(other).is_some()
    }

    /// The path as seen from `other`; `None` unless it is that or below it.
    #[must_use]
    pub fn below(&self, other: &Self) -> Option<Self> {
        if other.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(other.0.as_slice())? {
            [] => Some(Self::root()),
            [b'/', rest @ ..] => Some(Self(rest.to_vec())),
            _ => None,
        }
    }

    /// Keeps the first `levels` names.
    pub(super) fn truncate(&mut self, levels: usize) {
        let mut bytes = 0;
        for (level, name) in self.names().take(levels).enumerate() {
            bytes += name.len() + usize::from(level > 0);
        }
        self.0.truncate(bytes);
    }

    /// Adds a name, if the path stays within its bounds.
    pub(super) fn push(&mut self, name: &TreeName) -> Result<(), DecodeError> {
        let slash = usize::from(!self.is_root());
        if self.0.len() + slash + name.as_bytes().len() > TREE_PATH_BYTES_MAX || self.levels() >= TREE_LEVELS_MAX {
            return Err(DecodeError::field("path"));
        }
        if slash == 1 {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name.as_bytes());
        Ok(())
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&count_u16(self.0.len()));
        out.extend_from_slice(&self.0);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = usize::from(reader.u16()?);
        Self::parse(reader.take(bytes)?)
    }

    pub(super) const fn encoded_bytes(&self) -> usize {
        2 + self.0.len()
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.names().cmp(other.names())
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As people may read it: see [`Printable`].
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.0).fmt(f)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreePath({})", self.0.escape_ascii())
    }
}
