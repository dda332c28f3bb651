//! The state of one group at one moment.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use storgo_protocol::GroupId;
use storgo_protocol::limits::{RECORDS_PAGE_BYTES, RECORDS_SCAN_MAX};

use super::base::Section;
use super::batch::Applied;
use super::error::RecordsError;
use super::memory::{Changes, Seen};
use super::merge::{Bounds, Row, merge};
use super::tables;
use crate::NodeKey;

/// What a group's rows were when the view was made; what is committed later does not show. Calls may read from the
/// disk. The space of what is replaced meanwhile is not used again as long as the view lasts.
pub struct View {
    group: GroupId,
    key: NodeKey,
    applied: Option<Applied>,
    fresh: Arc<Changes>,
    writing: Arc<Changes>,
    rows: Option<Arc<Section>>,
}

/// Some rows in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    /// Keys and values.
    pub rows: Vec<(Bytes, Bytes)>,
    /// Whether the range goes on behind them.
    pub has_more: bool,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("group", &self.group).field("applied", &self.applied).finish_non_exhaustive()
    }
}

impl View {
    pub(super) fn new(group: GroupId, key: NodeKey, seen: Option<Seen>) -> Result<Self, RecordsError> {
        let Some(Seen { standing, fresh, writing, base }) = seen else {
            let (fresh, writing) = (Arc::default(), Arc::default());
            return Ok(Self { group, key, applied: None, fresh, writing, rows: None });
        };
        let rows = base.map(|base| base.section(standing.section)).transpose()?;
        Ok(Self { group, key, applied: Some(standing.applied), fresh, writing, rows })
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> GroupId {
        self.group
    }

    /// Where in the group's log the state stands; `None` if nothing was applied yet.
    #[must_use]
    pub const fn applied(&self) -> Option<&Applied> {
        self.applied.as_ref()
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`RecordsError::Damaged`] or [`RecordsError::Stopped`] if it cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, RecordsError> {
        if let Some(change) = self.fresh.get(key).or_else(|| self.writing.get(key)) {
            return Ok(change.clone());
        }
        let Some(rows) = &self.rows else { return Ok(None) };
        rows.get(key, |sealed| tables::open_value(&self.key, self.group, key, sealed))
    }

    /// The rows of a range in the order of their keys, as many as `limit` and [`RECORDS_SCAN_MAX`] allow. Fewer if
    /// they are large: after [`RECORDS_PAGE_BYTES`] none is added.
    ///
    /// # Errors
    /// [`RecordsError::Damaged`] or [`RecordsError::Stopped`] if they cannot be read.
    pub fn scan<'a>(&self, range: impl RangeBounds<&'a [u8]>, limit: usize) -> Result<Rows, RecordsError> {
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        let mut found = Rows::default();
        if is_empty(bounds) {
            return Ok(found);
        }
        let mut bytes = 0;
        let mut rows = merge(&self.fresh, &self.writing, self.rows.as_deref().map(Section::table), bounds)?;
        while let Some(row) = rows.next()? {
            if found.rows.len() >= limit.min(RECORDS_SCAN_MAX) || bytes >= RECORDS_PAGE_BYTES {
                found.has_more = true;
                break;
            }
            let (key, value) = match row {
                Row::Plain(key, value) => (key.clone(), value.clone()),
                Row::Sealed(key, sealed) => {
                    let value = tables::open_value(&self.key, self.group, key.value(), sealed.value())?;
                    (Bytes::copy_from_slice(key.value()), value)
                }
            };
            bytes += key.len() + value.len();
            found.rows.push((key, value));
        }
        Ok(found)
    }
}

/// Ranges that no key can be in, of which maps make too much.
fn is_empty(bounds: Bounds<'_>) -> bool {
    match bounds {
        (Bound::Included(first), Bound::Included(last)) => first > last,
        (Bound::Included(first) | Bound::Excluded(first), Bound::Excluded(last))
        | (Bound::Excluded(first), Bound::Included(last)) => first >= last,
        _ => false,
    }
}
