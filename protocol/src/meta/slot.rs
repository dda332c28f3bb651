//! Where a key is at home: one of 16384 slots, each of which is some group's.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use super::{BucketId, Stamp, wire};
use crate::limits::SLOTS;
use crate::{DecodeError, GroupId};

/// One of [`SLOTS`] slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Slot(u16);

impl Slot {
    /// The slot of this number, if there is one.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < SLOTS { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The slot of a key in a flat bucket that is spread over `spread` slots: they follow one another from a place that
    /// the bucket's id chooses, so that small buckets do not meet in the same groups.
    #[must_use]
    pub fn of_flat(bucket: BucketId, key: &[u8], spread: u16) -> Self {
        let secret = blake3::derive_key("storgo v1 slot", bucket.as_bytes());
        let within = first_u64(blake3::keyed_hash(&secret, key).as_bytes()) % u64::from(spread.clamp(1, SLOTS));
        wrap(first_u64(&secret) + within)
    }

    /// The slot of a key in a bucket of Redis's layout, as Redis Cluster computes it: CRC16 of the key, or of what
    /// stands between its first `{` and the next `}` if that is not empty.
    ///
    /// # Source
    /// Redis Cluster specification, "Key distribution model" and "Hash tags".
    #[must_use]
    pub fn of_redis(key: &[u8]) -> Self {
        let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
            let rest = key.get(open + 1..)?;
            rest.get(..rest.iter().position(|byte| *byte == b'}')?).filter(|tag| !tag.is_empty())
        });
        Self(crc16(tag.unwrap_or(key)) % SLOTS)
    }

    /// The slot of every key in a tree bucket: that of its id, so that renaming a directory is one command.
    #[must_use]
    pub fn of_tree(bucket: BucketId) -> Self {
        wrap(first_u64(&blake3::derive_key("storgo v1 slot", bucket.as_bytes())))
    }

    pub(crate) fn from_wire(number: u32) -> Result<Self, DecodeError> {
        u16::try_from(number).ok().and_then(Self::new).ok_or(DecodeError::field("slot"))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whose a slot is, as one group sees it. In a move, `since` is the stamp of the freeze: it tells attempts apart, and of
/// the states that groups have of one slot the one with the latest is the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// This group's.
    Owned,
    /// This group's still, but nothing more is written: it goes to another.
    Frozen {
        /// Where.
        to: GroupId,
        /// Since when: nothing in the slot is later.
        since: Stamp,
    },
    /// Another group's.
    Forwarded {
        /// Whose.
        to: GroupId,
        /// When it was frozen.
        since: Stamp,
    },
    /// Another group's still; its records are coming.
    Receiving {
        /// Whence.
        from: GroupId,
        /// The page that is to come.
        page: u64,
        /// When it was frozen there.
        since: Stamp,
    },
}

impl SlotState {
    /// The record.
    #[must_use]
    pub fn encode(self) -> Bytes {
        let (state, group, page, since) = match self {
            Self::Owned => (1, 0, 0, Stamp::ZERO),
            Self::Frozen { to, since } => (2, to.as_u64(), 0, since),
            Self::Forwarded { to, since } => (3, to.as_u64(), 0, since),
            Self::Receiving { from, page, since } => (4, from.as_u64(), page, since),
        };
        wire::SlotState { state, group, page, since: since.as_u64() }.encode_to_vec().into()
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a slot's state.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let wire::SlotState { state, group, page, since } = super::decode(bytes)?;
        let (group, since) = (GroupId::new(group), Stamp::from_u64(since));
        Ok(match state {
            1 => Self::Owned,
            2 => Self::Frozen { to: group, since },
            3 => Self::Forwarded { to: group, since },
            4 => Self::Receiving { from: group, page, since },
            _ => return Err(DecodeError::field("slot state")),
        })
    }
}

fn wrap(number: u64) -> Slot {
    Slot(u16::try_from(number % u64::from(SLOTS)).unwrap_or_default())
}

fn first_u64(hash: &[u8; 32]) -> u64 {
    // 56 bits: room to add another number below 2^56.
    hash.first_chunk().copied().map_or(0, u64::from_le_bytes) & (u64::MAX >> 8)
}

/// CRC16-CCITT as XMODEM has it: polynomial 0x1021, from zero, nothing reflected.
fn crc16(bytes: &[u8]) -> u16 {
    let step = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ (u16::from(*byte) << 8), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_slots_are_those_of_redis_cluster() {
        // The check value of CRC-16/XMODEM, and what CLUSTER KEYSLOT answers.
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b""), 0);
        for (key, slot) in [("foo", 12182), ("bar", 5061), ("somekey", 11058), ("foo{hash_tag}", 2515)] {
            assert_eq!(Slot::of_redis(key.as_bytes()).number(), slot, "{key}");
        }
        assert_eq!(Slot::of_redis(b"{user1000}.following"), Slot::of_redis(b"{user1000}.followers"));
        // An empty tag is none, and only the first one counts.
        assert_eq!(Slot::of_redis(b"foo{}{bar}").number(), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(Slot::of_redis(b"foo{{bar}}zap"), Slot::of_redis(b"{{bar}"));
        assert_eq!(Slot::of_redis(b"foo{bar}{zap}"), Slot::of_redis(b"bar"));
        assert_eq!(Slot::of_redis(b"foo{bar").number(), crc16(b"foo{bar") % SLOTS);
    }

    #[test]
    fn a_flat_bucket_keeps_to_its_spread_and_a_tree_to_one_slot() {
        let bucket = BucketId::from_bytes([3; 16]);
        let slots = |spread| {
            let keys = (0..2000_u32).map(|n| Slot::of_flat(bucket, &n.to_le_bytes(), spread));
            keys.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!((slots(1), slots(16)), (1, 16));
        assert!(slots(SLOTS) > 1800);
        assert_eq!(Slot::of_tree(bucket), Slot::of_flat(bucket, b"any", 1));
        assert_ne!(Slot::of_tree(bucket), Slot::of_tree(BucketId::from_bytes([4; 16])));
        assert_eq!(Slot::new(SLOTS), None);
    }

    #[test]
    fn states_come_back() {
        let (group, since) = (GroupId::new(9), Stamp::from_ms(7));
        let receiving = SlotState::Receiving { from: group, page: 3, since };
        let (frozen, forwarded) = (SlotState::Frozen { to: group, since }, SlotState::Forwarded { to: group, since });
        for state in [SlotState::Owned, frozen, forwarded, receiving] {
            assert_eq!(SlotState::decode(state.encode()), Ok(state));
        }
        assert!(SlotState::decode(Bytes::new()).is_err());
    }
}
