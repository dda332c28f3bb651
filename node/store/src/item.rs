//! What a disk keeps, and the name of its file.
//!
//! Everything is one file of one of four kinds. Names carry the id, so a scan of the names tells what is there; whether
//! the bytes are right is told by reading them.

use std::path::{Path, PathBuf};

use storgo_protocol::{NodeId, ShardAddress, ShardIndex, StripeId};

const SHARDS: &str = "shards";
const NODES: &str = "nodes";
const RECORDS: &str = "records";
const PUBLISH: &str = "publish";

/// The kinds of file, as they stand first in index keys and lease records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Shard = 1,
    Node = 2,
    Records = 3,
    Mark = 4,
}

/// One thing that is kept in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    /// A shard with its head and outboard.
    Shard(ShardAddress),
    /// A node's bytes.
    Node(NodeId),
    /// The layout records beside a root.
    Records(NodeId),
    /// The mark that a node is to be published.
    Mark(NodeId),
}

impl Item {
    /// Bytes of [`Item::key`].
    pub(crate) const KEY_BYTES: usize = 34;

    /// The directories that hold files of items, below a data directory.
    pub(crate) const ROOTS: [&str; 2] = [SHARDS, NODES];

    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Shard(_) => Kind::Shard,
            Self::Node(_) => Kind::Node,
            Self::Records(_) => Kind::Records,
            Self::Mark(_) => Kind::Mark,
        }
    }

    /// The stripe or node id.
    pub(crate) const fn id(&self) -> &[u8; 32] {
        match self {
            Self::Shard(shard) => shard.stripe.as_bytes(),
            Self::Node(node) | Self::Records(node) | Self::Mark(node) => node.as_bytes(),
        }
    }

    /// Kind (u8), id (32), shard index (u8, else 0): ordered, so that the shards of a stripe stand together.
    pub(crate) fn key(self) -> [u8; Self::KEY_BYTES] {
        let mut key = [0; Self::KEY_BYTES];
        let [kind, id @ .., index] = &mut key;
        *kind = self.kind() as u8;
        id.copy_from_slice(self.id());
        if let Self::Shard(shard) = self {
            // An index is below 32; should that ever grow, none of these keys is read back.
            *index = u8::try_from(shard.index.get()).unwrap_or(u8::MAX);
        }
        key
    }

    /// Reads [`Item::key`]; `None` for bytes that it does not make.
    pub(crate) fn from_key(key: &[u8; Self::KEY_BYTES]) -> Option<Self> {
        let [kind, id @ .., index] = key;
        let id: [u8; 32] = *id;
        let node = NodeId::from_bytes(id);
        match (*kind, *index) {
            (1, index) => Some(Self::Shard(ShardAddress {
                stripe: StripeId::from_bytes(id),
                index: ShardIndex::new(usize::from(index))?,
            })),
            (2, 0) => Some(Self::Node(node)),
            (3, 0) => Some(Self::Records(node)),
            (4, 0) => Some(Self::Mark(node)),
            _ => None,
        }
    }

    /// The directory of the file, below a data directory: one of 256, by the id's first byte.
    pub(crate) fn directory(&self) -> PathBuf {
        let root = if matches!(self, Self::Shard(_)) { SHARDS } else { NODES };
        let [first, ..] = self.id();
        Path::new(root).join(bucket(*first))
    }

    /// The file's name in its directory.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Shard(shard) => format!("{}.{}", shard.stripe, shard.index),
            Self::Node(node) => node.to_string(),
            Self::Records(node) => format!("{node}.{RECORDS}"),
            Self::Mark(node) => format!("{node}.{PUBLISH}"),
        }
    }

    /// The file, below a data directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory().join(self.name())
    }

    /// The item whose file has this name in a directory below `root`.
    pub(crate) fn parse(root: &str, name: &str) -> Option<Self> {
        let (id, suffix) = name.split_once('.').map_or((name, None), |(id, suffix)| (id, Some(suffix)));
        let item = match (root, suffix) {
            (SHARDS, Some(index)) => {
                Self::Shard(ShardAddress { stripe: id.parse().ok()?, index: ShardIndex::new(index.parse().ok()?)? })
            }
            (NODES, None) => Self::Node(id.parse().ok()?),
            (NODES, Some(RECORDS)) => Self::Records(id.parse().ok()?),
            (NODES, Some(PUBLISH)) => Self::Mark(id.parse().ok()?),
            _ => return None,
        };
        // Only the spelling that is written is read, so that no item has two names.
        (item.name() == name).then_some(item)
    }
}

/// The name of the directory for ids that begin with `first`.
pub(crate) fn bucket(first: u8) -> String {
    format!("{first:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<Item> {
        let node = NodeId::from_bytes([0xab; 32]);
        let stripe = StripeId::from_bytes([0x01; 32]);
        let shards =
            [0, 9, 31].map(|index| Item::Shard(ShardAddress { stripe, index: ShardIndex::new(index).unwrap() }));
        [shards.as_slice(), &[Item::Node(node), Item::Records(node), Item::Mark(node)]].concat()
    }

    #[test]
    fn names_and_keys_lead_back() {
        for item in items() {
            let path = item.path();
            let root = path.iter().next().unwrap().to_str().unwrap();
            assert_eq!(Item::parse(root, &item.name()), Some(item));
            assert_eq!(Item::from_key(&item.key()), Some(item));
        }
    }

    #[test]
    fn other_names_and_keys_are_refused() {
        let id = "ab".repeat(32);
        for name in ["", "x", &format!("{id}.32"), &format!("{id}.01"), &format!("{id}.+1"), &id.to_uppercase()] {
            assert_eq!(Item::parse(SHARDS, name), None, "{name}");
        }
        assert_eq!(Item::parse(NODES, &format!("{id}.tmp")), None);
        let mut key = items()[3].key();
        key[33] = 1;
        assert_eq!(Item::from_key(&key), None);
    }
}
