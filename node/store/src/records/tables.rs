//! How rows stand in redb: tables, and sealed values.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | number |
//! | `groups` | group | sealed: section, index, term, blob |
//! | `section-<number>` | the row's key | sealed: the row's value |
//!
//! A group's rows stand in one section. Sections are never used again: an import fills a new one.

use bytes::Bytes;
use redb::TableDefinition;
use storgo_object::ports::Random;
use storgo_protocol::GroupId;
use storgo_protocol::limits::TAG_BYTES;

use super::batch::Applied;
use super::error::RecordsError;
use crate::NodeKey;
use crate::sealing::Refused;

/// Numbers of the database itself.
pub(super) const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
/// Where each group stands.
pub(super) const GROUPS: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("groups");
/// The version of what stands in the tables, in [`META`].
pub(super) const VERSION: &str = "version";
pub(super) const VERSION_KNOWN: u64 = 1;
/// The number of the next section, in [`META`].
pub(super) const NEXT_SECTION: &str = "next section";
/// A group that is none: its place holds what tells a wrong key from damage.
pub(super) const KEY_CHECK: u64 = u64::MAX;

const SECTION: &str = "section-";
const VALUE: &str = "storgo v1 record";
const SALT_BYTES: usize = 32;

/// A group's section and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) section: u64,
    pub(super) applied: Applied,
}

/// The name of a section's table.
pub(super) fn section_name(number: u64) -> String {
    format!("{SECTION}{number:016x}")
}

/// Whether a table is a section.
pub(super) fn is_section(name: &str) -> bool {
    name.starts_with(SECTION)
}

/// A section's table.
pub(super) fn section(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

impl Standing {
    pub(super) fn seal(&self, group: u64, key: &NodeKey, random: &dyn Random) -> Result<Vec<u8>, RecordsError> {
        let Applied { index, term, blob } = &self.applied;
        let mut plain = Vec::with_capacity(24 + blob.len());
        for number in [self.section, *index, *term] {
            plain.extend_from_slice(&number.to_le_bytes());
        }
        plain.extend_from_slice(blob);
        seal(key, random, &group_aad(group), &plain)
    }

    pub(super) fn open(group: u64, key: &NodeKey, sealed: &[u8]) -> Result<Self, RecordsError> {
        let plain = open(key, &group_aad(group), sealed).ok_or_else(|| damaged(group))?;
        let (numbers, _) = plain.as_chunks::<8>();
        let mut numbers = numbers.iter().take(3).map(|number| u64::from_le_bytes(*number));
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(section), Some(index), Some(term)) => {
                Ok(Self { section, applied: Applied { index, term, blob: plain.slice(24..) } })
            }
            _ => Err(damaged(group)),
        }
    }
}

fn damaged(group: u64) -> RecordsError {
    RecordsError::damaged(format!("the place of group {group} does not open"))
}

/// Seals the value of a row.
pub(super) fn seal_value(
    key: &NodeKey,
    random: &dyn Random,
    group: GroupId,
    row: &[u8],
    value: &[u8],
) -> Result<Vec<u8>, RecordsError> {
    seal(key, random, &row_aad(group, row), value)
}

/// Opens the value of a row.
pub(super) fn open_value(key: &NodeKey, group: GroupId, row: &[u8], sealed: &[u8]) -> Result<Bytes, RecordsError> {
    open(key, &row_aad(group, row), sealed)
        .ok_or_else(|| RecordsError::damaged(format!("a value of group {group} does not open")))
}

fn group_aad(group: u64) -> Vec<u8> {
    [b"group".as_slice(), &group.to_le_bytes()].concat()
}

fn row_aad(group: GroupId, row: &[u8]) -> Vec<u8> {
    [b"row".as_slice(), &group.as_u64().to_le_bytes(), row].concat()
}

fn seal(key: &NodeKey, random: &dyn Random, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, RecordsError> {
    let salt = random.array::<SALT_BYTES>();
    let mut out = Vec::with_capacity(SALT_BYTES + plain.len() + TAG_BYTES);
    out.extend_from_slice(&salt);
    out.extend_from_slice(plain);
    let sealed = key.derive(VALUE, &salt).seal(0, aad, &mut out, SALT_BYTES);
    sealed.map_err(|Refused| RecordsError::TooLarge { bytes: plain.len(), max: u32::MAX as usize })?;
    Ok(out)
}

fn open(key: &NodeKey, aad: &[u8], sealed: &[u8]) -> Option<Bytes> {
    let (salt, sealed) = sealed.split_first_chunk::<SALT_BYTES>()?;
    let mut sealed = sealed.to_vec();
    let plain = key.derive(VALUE, salt).open(0, aad, &mut sealed).ok()?.len();
    sealed.truncate(plain);
    Some(sealed.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::rig::random;

    #[test]
    fn a_value_opens_for_its_group_and_key_alone() {
        let (key, random) = (NodeKey::from_bytes([1; 32]), random(1));
        let group = GroupId::new(7);
        let sealed = seal_value(&key, &*random, group, b"row", b"value").unwrap();
        assert_eq!(open_value(&key, group, b"row", &sealed).unwrap(), b"value".as_slice());
        assert!(open_value(&key, group, b"another", &sealed).is_err());
        assert!(open_value(&key, GroupId::new(8), b"row", &sealed).is_err());
        assert!(open_value(&key, group, b"row", &sealed[..sealed.len() - 1]).is_err());
        let again = seal_value(&key, &*random, group, b"row", b"value").unwrap();
        assert_ne!(sealed[..SALT_BYTES], again[..SALT_BYTES], "a salt was used twice");
    }

    #[test]
    fn a_place_opens_for_its_group_alone() {
        let (key, random) = (NodeKey::from_bytes([1; 32]), random(2));
        let applied = Applied { index: 5, term: 2, blob: Bytes::from_static(b"members") };
        let standing = Standing { section: 3, applied };
        let sealed = standing.seal(7, &key, &*random).unwrap();
        assert_eq!(Standing::open(7, &key, &sealed).unwrap(), standing);
        assert!(Standing::open(8, &key, &sealed).is_err());
        // A value of a row is no place, even where the bytes would fit.
        let row = seal_value(&key, &*random, GroupId::new(7), b"", &[0; 24]).unwrap();
        assert!(Standing::open(7, &key, &row).is_err());
    }
}
