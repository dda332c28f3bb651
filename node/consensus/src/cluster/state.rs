//! Rows of group 0, read into what they say.

use std::collections::BTreeMap;

use bytes::Bytes;
use storgo_protocol::cluster::{BucketRow, ClusterMap, GroupRow, MemberRow, NetworkRow, RowKey, SlotMove, SlotTable};
use storgo_protocol::limits::ROWS_LISTED_MAX;
use storgo_protocol::meta::{BucketId, Row, Slot, Stamp};
use storgo_protocol::{DecodeError, GroupId};

use crate::machine::{self, MachineError, View};

/// The cluster map, once there is a network.
pub(super) fn read_map(view: &dyn View) -> Result<Option<ClusterMap>, MachineError> {
    let (Some(network), Some(slots)) = (one(view, &RowKey::Network)?, one(view, &RowKey::Slots)?) else {
        return Ok(None);
    };
    let mut revision = network.revision.max(slots.revision);
    let mut members = BTreeMap::new();
    for (_, row) in all(view, RowKey::MEMBERS)? {
        revision = revision.max(row.revision);
        let member = said(row.value, "a member", MemberRow::decode)?;
        members.insert(member.peer(), member);
    }
    let mut groups = BTreeMap::new();
    for (key, row) in all(view, RowKey::GROUPS)? {
        revision = revision.max(row.revision);
        if let Ok(RowKey::Group(id)) = RowKey::decode(&key) {
            groups.insert(id, said(row.value, "a group", GroupRow::decode)?);
        }
    }
    let network = said(network.value, "the network", NetworkRow::decode)?;
    let slots = said(slots.value, "the slots", SlotTable::decode)?;
    Ok(Some(ClusterMap { revision, network, members, groups, slots }))
}

/// The slots that are on their way.
pub(super) fn read_moves(view: &dyn View) -> Result<Vec<(Slot, SlotMove, Stamp)>, MachineError> {
    let mut moves = Vec::new();
    for (key, row) in all(view, RowKey::MOVES)? {
        if let Ok(RowKey::Move(slot)) = RowKey::decode(&key) {
            moves.push((slot, said(row.value, "a move", SlotMove::decode)?, row.revision));
        }
    }
    Ok(moves)
}

/// A bucket by its name.
pub(super) fn read_bucket(view: &dyn View, name: &str) -> Result<Option<BucketRow>, MachineError> {
    one(view, &RowKey::Bucket(name.to_owned()))?.map(bucket_row).transpose()
}

/// A bucket by its id.
pub(super) fn read_bucket_by_id(view: &dyn View, id: BucketId) -> Result<Option<BucketRow>, MachineError> {
    let Some(named) = one(view, &RowKey::BucketName(id))? else { return Ok(None) };
    let name = String::from_utf8(named.value.to_vec()).map_err(|_| damaged("a bucket's name", utf8()))?;
    read_bucket(view, &name)
}

/// A page of all buckets behind a name, and whether there are more.
pub(super) fn read_buckets(view: &dyn View, after: &str) -> Result<(Vec<BucketRow>, bool), MachineError> {
    let behind = RowKey::Bucket(after.to_owned()).encode();
    let rows = machine::rows(view, RowKey::BUCKETS, Some(&behind), ROWS_LISTED_MAX)?;
    let more = rows.len() == ROWS_LISTED_MAX;
    Ok((rows.into_iter().map(|(_, row)| bucket_row(row)).collect::<Result<_, _>>()?, more))
}

/// How many buckets there are.
pub(super) fn count_buckets(view: &dyn View) -> Result<usize, MachineError> {
    Ok(all(view, RowKey::BUCKETS)?.len())
}

/// What is kept of a group, and its revision.
pub(super) fn read_group(view: &dyn View, id: GroupId) -> Result<Option<(GroupRow, Stamp)>, MachineError> {
    let row = one(view, &RowKey::Group(id))?;
    row.map(|row| Ok((said(row.value, "a group", GroupRow::decode)?, row.revision))).transpose()
}

/// The revision of a row; `None` if there is none.
pub(super) fn revision(view: &dyn View, key: &RowKey) -> Result<Option<Stamp>, MachineError> {
    Ok(one(view, key)?.map(|row| row.revision))
}

fn one(view: &dyn View, key: &RowKey) -> Result<Option<Row>, MachineError> {
    machine::row(view, &key.encode())
}

fn all(view: &dyn View, prefix: &[u8]) -> Result<Vec<(Bytes, Row)>, MachineError> {
    let mut rows: Vec<(Bytes, Row)> = Vec::new();
    loop {
        let after = rows.last().map(|(key, _)| key.clone());
        let page = machine::rows(view, prefix, after.as_deref(), ROWS_LISTED_MAX)?;
        let whole = page.len() < ROWS_LISTED_MAX;
        rows.extend(page);
        if whole {
            return Ok(rows);
        }
    }
}

fn bucket_row(row: Row) -> Result<BucketRow, MachineError> {
    let bucket = said(row.value, "a bucket", |bytes| storgo_protocol::cluster::Bucket::decode(&bytes))?;
    Ok(BucketRow { bucket, revision: row.revision })
}

fn said<T>(
    value: Bytes,
    what: &'static str,
    decode: impl FnOnce(Bytes) -> Result<T, DecodeError>,
) -> Result<T, MachineError> {
    decode(value).map_err(|source| damaged(what, source))
}

const fn damaged(what: &'static str, source: DecodeError) -> MachineError {
    MachineError::Damaged { what, source }
}

fn utf8() -> DecodeError {
    DecodeError::Unverified { what: "text" }
}
