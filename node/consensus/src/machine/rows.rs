//! Rows: read by key or in order, and changed several at once, all or none.
//!
//! Who changes rows has read them first and says which revisions it saw. A row that is already as asked counts as
//! changed, so a retry whose first attempt was done is told so.

use bytes::Bytes;
use storgo_protocol::limits::ROWS_LISTED_MAX;
use storgo_protocol::meta::{RefusedKind, Reply, Row, RowChange};

use super::view::View;
use super::{MachineError, Step, Stop, damaged, keys, refuse};

/// A row; `None` if there is none.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn row(view: &dyn View, key: &[u8]) -> Result<Option<Row>, MachineError> {
    view.get(&keys::row(key))?.map(decode).transpose()
}

/// The rows whose keys start with `prefix`, behind `after` if given, in ascending order: at most `limit`, and never more
/// than [`ROWS_LISTED_MAX`].
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn rows(
    view: &dyn View,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Bytes, Row)>, MachineError> {
    let (first, end) = keys::rows(prefix);
    let first = after.map_or(first.clone(), |after| first.max(keys::behind_row(after)));
    let found = view.scan(&first, &end, limit.min(ROWS_LISTED_MAX))?;
    found.into_iter().filter_map(|(key, record)| Some((keys::read_row(&key)?, record))).map(read).collect()
}

fn read((key, record): (Bytes, Bytes)) -> Result<(Bytes, Row), MachineError> {
    Ok((key, decode(record)?))
}

fn decode(record: Bytes) -> Result<Row, MachineError> {
    Row::decode(record).map_err(|source| damaged("a row", source))
}

impl Step<'_> {
    pub(super) fn set_rows(&self, changes: &[RowChange]) -> Result<Reply, Stop> {
        let mut count = 0;
        for (number, change) in (0..).zip(changes) {
            let known = row(&self.draft, &change.key)?;
            if known.as_ref().map(|row| &row.value) == change.value.as_ref() {
                continue;
            }
            if known.map(|row| row.revision) != change.expected {
                return Err(refuse(RefusedKind::Row(number), "a row is not as it was when it was read"));
            }
            match &change.value {
                Some(value) => {
                    let row = Row { revision: self.stamp, value: value.clone() };
                    self.draft.put(keys::row(&change.key), row.encode());
                }
                None => self.draft.remove(keys::row(&change.key)),
            }
            count += 1;
        }
        Ok(Reply::Done { count })
    }
}
