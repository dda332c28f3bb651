//! The index in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::RwLock;

use super::{Change, Index, IndexError, Visit};

/// A [`BTreeMap`] behind a lock that is held for one call each.
#[derive(Debug, Default)]
pub(crate) struct MemoryIndex(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Index for MemoryIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.0.read().get(key).cloned())
    }

    fn apply(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        let mut map = self.0.write();
        for (key, value) in changes {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<(), IndexError> {
        let first = after.map_or(Bound::Included(prefix), Bound::Excluded);
        for (key, value) in self.0.read().range::<[u8], _>((first, Bound::Unbounded)) {
            if !key.starts_with(prefix) || visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }
}
