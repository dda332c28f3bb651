//! Changes of rows of group 0, as commands.

use bytes::Bytes;
use storgo_protocol::cluster::RowKey;
use storgo_protocol::meta::{Action, Command, RowChange, Stamp};

/// The feature level of rows.
const FEATURE: u32 = 1;

/// One row: what it is to say, and how it was.
pub(super) fn row(key: &RowKey, expected: Option<Stamp>, value: Option<Bytes>) -> RowChange {
    RowChange { key: key.encode(), expected, value }
}

/// A command that changes these rows, all or none.
pub(super) fn rows(mut changes: Vec<RowChange>) -> Bytes {
    changes.sort_by(|before, after| before.key.cmp(&after.key));
    command(Action::SetRows(changes))
}

/// A command that groups tell themselves: told twice, it is done once.
pub(super) fn command(action: Action) -> Bytes {
    Command { feature: FEATURE, request: None, action }.encode()
}
