//! The state of one group at one moment.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use redb::{Database, ReadOnlyTable, ReadableDatabase as _};
use storgo_protocol::GroupId;
use storgo_protocol::limits::{RECORDS_PAGE_BYTES, RECORDS_SCAN_MAX};

use super::batch::Applied;
use super::error::RecordsError;
use super::tables::{self, GROUPS, Standing};
use crate::NodeKey;

/// What a group's rows were when the view was made; what is committed later does not show. Calls may read from the
/// disk. The space of what is replaced meanwhile is not used again as long as the view lasts.
pub struct View {
    group: GroupId,
    key: NodeKey,
    rows: Option<ReadOnlyTable<&'static [u8], &'static [u8]>>,
    applied: Option<Applied>,
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
    pub(super) fn new(database: &Arc<Database>, group: GroupId, key: NodeKey) -> Result<Self, RecordsError> {
        const WHAT: &str = "reading the records";
        let transaction = database.begin_read().map_err(RecordsError::during(WHAT))?;
        let groups = transaction.open_table(GROUPS).map_err(RecordsError::during(WHAT))?;
        let Some(sealed) = groups.get(group.as_u64()).map_err(RecordsError::during(WHAT))? else {
            return Ok(Self { group, key, rows: None, applied: None });
        };
        let Standing { section, applied } = Standing::open(group.as_u64(), &key, sealed.value())?;
        let name = tables::section_name(section);
        let rows = match transaction.open_table(tables::section(&name)) {
            Err(redb::TableError::TableDoesNotExist(_)) => {
                return Err(RecordsError::damaged(format!("the rows of group {group} are missing")));
            }
            opened => opened.map_err(RecordsError::during(WHAT))?,
        };
        Ok(Self { group, key, rows: Some(rows), applied: Some(applied) })
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
        let Some(rows) = &self.rows else { return Ok(None) };
        let found = rows.get(key).map_err(RecordsError::during("reading a record"))?;
        found.map(|sealed| tables::open_value(&self.key, self.group, key, sealed.value())).transpose()
    }

    /// The rows of a range in the order of their keys, as many as `limit` and [`RECORDS_SCAN_MAX`] allow. Fewer if
    /// they are large: after [`RECORDS_PAGE_BYTES`] none is added.
    ///
    /// # Errors
    /// [`RecordsError::Damaged`] or [`RecordsError::Stopped`] if they cannot be read.
    pub fn scan<'a>(&self, range: impl RangeBounds<&'a [u8]>, limit: usize) -> Result<Rows, RecordsError> {
        const WHAT: &str = "scanning the records";
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        let mut found = Rows::default();
        let Some(rows) = self.rows.as_ref().filter(|_| !is_empty(bounds)) else { return Ok(found) };
        let mut bytes = 0;
        for row in rows.range::<&[u8]>(bounds).map_err(RecordsError::during(WHAT))? {
            if found.rows.len() >= limit.min(RECORDS_SCAN_MAX) || bytes >= RECORDS_PAGE_BYTES {
                found.has_more = true;
                break;
            }
            let (key, sealed) = row.map_err(RecordsError::during(WHAT))?;
            let value = tables::open_value(&self.key, self.group, key.value(), sealed.value())?;
            bytes += key.value().len() + value.len();
            found.rows.push((Bytes::copy_from_slice(key.value()), value));
        }
        Ok(found)
    }
}

/// Ranges that no key can be in, of which redb makes too much.
fn is_empty(bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match bounds {
        (Bound::Included(first), Bound::Included(last)) => first > last,
        (Bound::Included(first) | Bound::Excluded(first), Bound::Excluded(last))
        | (Bound::Excluded(first), Bound::Included(last)) => first >= last,
        _ => false,
    }
}
