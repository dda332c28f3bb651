//! What a command sees of a group's records, and what it changes of them.
//!
//! Ordered bytes and nothing else: no database, no file. A [`Draft`] lays changes over a view, so that commands that are
//! committed together see each other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::MachineError;

/// A key and its value.
pub type Pair = (Bytes, Bytes);

/// A consistent view of a group's records.
pub trait View {
    /// The value of a key.
    ///
    /// # Errors
    /// [`MachineError::Records`] if the records cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MachineError>;

    /// The records from `from` on and before `to`, in ascending order of their keys, at most `limit`.
    ///
    /// # Errors
    /// [`MachineError::Records`] if the records cannot be read.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, MachineError>;
}

/// Changes to records: a value, or `None` for what is removed.
pub type Batch = BTreeMap<Bytes, Option<Bytes>>;

/// A view with changes laid over it.
pub struct Draft<'a> {
    below: &'a dyn View,
    changes: RefCell<Batch>,
}

impl std::fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").field("changes", &self.changes.borrow().len()).finish_non_exhaustive()
    }
}

impl<'a> Draft<'a> {
    /// No changes yet.
    #[must_use]
    pub fn over(below: &'a dyn View) -> Self {
        Self { below, changes: RefCell::default() }
    }

    /// These changes.
    pub(crate) fn with(below: &'a dyn View, changes: Batch) -> Self {
        Self { below, changes: RefCell::new(changes) }
    }

    /// Sets a value.
    pub fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.changes.borrow_mut().insert(key.into(), Some(value.into()));
    }

    /// Removes a record, whether or not it is there.
    pub fn remove(&self, key: impl Into<Bytes>) {
        self.changes.borrow_mut().insert(key.into(), None);
    }

    /// Takes changes in.
    pub fn merge(&self, batch: Batch) {
        self.changes.borrow_mut().extend(batch);
    }

    /// The changes so far.
    #[must_use]
    pub fn batch(&self) -> Batch {
        self.changes.borrow().clone()
    }

    /// The changes.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        self.changes.into_inner()
    }
}

impl View for Draft<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MachineError> {
        match self.changes.borrow().get(key) {
            Some(change) => Ok(change.clone()),
            None => self.below.get(key),
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, MachineError> {
        if from >= to || limit == 0 {
            return Ok(Vec::new());
        }
        let changes = self.changes.borrow();
        let range = (Bound::Included(from), Bound::Excluded(to));
        if changes.range::<[u8], _>(range).next().is_none() {
            return self.below.scan(from, to, limit);
        }
        // Each removed record may hide one from below, so that many more are looked at there.
        let removed = changes.range::<[u8], _>(range).filter(|(_, change)| change.is_none()).count();
        let below = self.below.scan(from, to, limit.saturating_add(removed))?;
        let mut merged: BTreeMap<Bytes, Option<Bytes>> =
            below.into_iter().map(|(key, value)| (key, Some(value))).collect();
        merged.extend(changes.range::<[u8], _>(range).map(|(key, change)| (key.clone(), change.clone())));
        Ok(merged.into_iter().filter_map(|(key, value)| Some((key, value?))).take(limit).collect())
    }
}

/// Records in memory.
impl View for BTreeMap<Bytes, Bytes> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MachineError> {
        Ok(Self::get(self, key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, MachineError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let range = self.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        Ok(range.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(keys: &[&'static str]) -> BTreeMap<Bytes, Bytes> {
        keys.iter().map(|key| (Bytes::from(*key), Bytes::from("below"))).collect()
    }

    #[test]
    fn a_draft_shows_its_changes_over_what_is_below() {
        let below = records(&["a", "b", "c", "d", "e"]);
        let draft = Draft::over(&below);
        draft.remove("b");
        draft.remove("c");
        draft.put("bb", "draft");
        draft.put("d", "draft");
        let scanned = |limit| {
            let pairs = draft.scan(b"a", b"e", limit).unwrap();
            pairs.into_iter().map(|(key, value)| format!("{key:?}{value:?}")).collect::<Vec<_>>()
        };
        let all = [r#"b"a"b"below""#, r#"b"bb"b"draft""#, r#"b"d"b"draft""#];
        assert_eq!(scanned(10), all);
        assert_eq!(scanned(2), all[..2]);
        assert_eq!(draft.get(b"b").unwrap(), None);
        assert_eq!(draft.get(b"e").unwrap(), Some(Bytes::from("below")));
        assert!(draft.scan(b"e", b"a", 5).unwrap().is_empty());
    }
}
