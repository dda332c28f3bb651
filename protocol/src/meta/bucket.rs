//! A bucket's configuration, as every group that holds keys of it keeps a copy.

use bytes::Bytes;
use prost::Message as _;

use super::unknown::unknown_fields;
use super::{BucketId, Slot, decode, fixed, ids, wire};
use crate::limits::{INLINE_BYTES_MAX, KEY_BYTES_MAX, REDIS_KEY_BYTES_MAX, SLOTS};
use crate::{DecodeError, PeerId};

/// The highest field number of `BucketConfig` in `meta.proto`.
const KNOWN: u32 = 8;

/// What a group knows of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketConfig {
    /// Which bucket.
    pub bucket: BucketId,
    /// Counts the configurations of this bucket, from 1: commands name the one that they assumed.
    pub generation: u64,
    /// What keys look like, and which slots they have; as the bucket was made.
    pub rule: KeyRule,
    /// Whether overwriting and deleting keep what was there.
    pub versioning: bool,
    /// Bytes up to which a body stands in the record.
    pub inline_bytes_max: u32,
    /// Whether writes are refused, because the bucket is being deleted.
    pub fenced: bool,
    /// Who may read, and which of them may write; in ascending order, at most [`BUCKET_MEMBERS_MAX`](crate::limits::BUCKET_MEMBERS_MAX).
    pub members: Vec<BucketMember>,
    /// Fields of a newer program.
    pub unknown: Bytes,
}

/// A user that may read a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketMember {
    /// The user.
    pub user: PeerId,
    /// Whether it may write, too.
    pub writes: bool,
}

/// What a bucket's layout says of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRule {
    /// UTF-8 without NUL, 1 to [`KEY_BYTES_MAX`] bytes, spread by hash.
    Flat {
        /// Over so many slots, 1 to [`SLOTS`].
        spread: u16,
    },
    /// Any bytes, up to [`REDIS_KEY_BYTES_MAX`] of them, in the slots of Redis Cluster.
    Redis,
    /// As flat, in one slot.
    Tree,
}

impl KeyRule {
    /// Whether a key follows the rule.
    #[must_use]
    pub fn allows(self, key: &[u8]) -> bool {
        match self {
            Self::Redis => key.len() <= REDIS_KEY_BYTES_MAX,
            Self::Flat { .. } | Self::Tree => {
                (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.contains(&0) && std::str::from_utf8(key).is_ok()
            }
        }
    }
}

impl BucketConfig {
    /// The slot of a key of this bucket.
    #[must_use]
    pub fn slot(&self, key: &[u8]) -> Slot {
        match self.rule {
            KeyRule::Flat { spread } => Slot::of_flat(self.bucket, key, spread),
            KeyRule::Redis => Slot::of_redis(key),
            KeyRule::Tree => Slot::of_tree(self.bucket),
        }
    }

    /// The slots that keys of this bucket can have.
    #[must_use]
    pub fn slots(&self) -> Vec<Slot> {
        match self.rule {
            KeyRule::Tree => vec![Slot::of_tree(self.bucket)],
            KeyRule::Redis => (0..SLOTS).filter_map(Slot::new).collect(),
            KeyRule::Flat { spread } => {
                let first = Slot::of_tree(self.bucket).number();
                (0..spread).filter_map(|n| Slot::new((first + n) % SLOTS)).collect()
            }
        }
    }

    /// The record.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let (rule, spread) = match self.rule {
            KeyRule::Flat { spread } => (0, spread.into()),
            KeyRule::Redis => (1, 0),
            KeyRule::Tree => (2, 0),
        };
        let config = wire::BucketConfig {
            bucket: self.bucket.as_bytes().to_vec().into(),
            generation: self.generation,
            rule,
            spread,
            versioning: self.versioning,
            inline_max: self.inline_bytes_max,
            fenced: self.fenced,
            members: self.members.iter().copied().map(BucketMember::to_wire).collect(),
        };
        [config.encode_to_vec().as_slice(), &self.unknown].concat().into()
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a whole configuration within its bounds.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let unknown = unknown_fields(bytes, KNOWN)?;
        let config: wire::BucketConfig = decode(bytes.clone())?;
        let spread = u16::try_from(config.spread).ok().filter(|spread| (1..=SLOTS).contains(spread));
        let rule = match (config.rule, spread) {
            (0, Some(spread)) => KeyRule::Flat { spread },
            (1, None) if config.spread == 0 => KeyRule::Redis,
            (2, None) if config.spread == 0 => KeyRule::Tree,
            _ => return Err(DecodeError::field("key rule")),
        };
        if config.inline_max as usize > INLINE_BYTES_MAX {
            return Err(DecodeError::field("inline bytes"));
        }
        Ok(Self {
            bucket: ids::bucket(&config.bucket)?,
            generation: config.generation,
            rule,
            versioning: config.versioning,
            inline_bytes_max: config.inline_max,
            fenced: config.fenced,
            members: members(config.members)?,
            unknown,
        })
    }

    /// Whether a user may read, or write if that is asked.
    #[must_use]
    pub fn admits(&self, user: PeerId, to_write: bool) -> bool {
        let at = self.members.binary_search_by_key(&user, |member| member.user);
        at.ok().and_then(|at| self.members.get(at)).is_some_and(|member| member.writes || !to_write)
    }
}

impl BucketMember {
    fn to_wire(self) -> wire::BucketMember {
        wire::BucketMember { user: self.user.as_bytes().to_vec().into(), writes: self.writes }
    }
}

fn members(members: Vec<wire::BucketMember>) -> Result<Vec<BucketMember>, DecodeError> {
    let read = |member: wire::BucketMember| {
        Ok(BucketMember { user: PeerId::from_bytes(fixed(&member.user, "user")?), writes: member.writes })
    };
    let members = members.into_iter().map(read).collect::<Result<Vec<_>, DecodeError>>()?;
    let ascending = members.is_sorted_by(|before, after| before.user < after.user);
    if ascending { Ok(members) } else { Err(DecodeError::field("members")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::BUCKET_MEMBERS_MAX;

    fn member(number: u8, writes: bool) -> BucketMember {
        BucketMember { user: PeerId::from_bytes([number; 32]), writes }
    }

    #[test]
    fn members_are_bounded_and_in_order_and_only_they_are_admitted() {
        let of = |members| BucketConfig { members, ..config(KeyRule::Tree) };
        let known = of(vec![member(1, true), member(2, false)]);
        assert!(known.admits(member(1, true).user, true) && known.admits(member(2, true).user, false));
        assert!(!known.admits(member(2, true).user, true) && !known.admits(member(3, true).user, false));
        let many = |count: u16| {
            let user = |n: u16| PeerId::from_bytes([n.to_be_bytes(); 16].concat().try_into().unwrap());
            of((0..count).map(|n| BucketMember { user: user(n), writes: true }).collect())
        };
        let most = many(u16::try_from(BUCKET_MEMBERS_MAX).unwrap());
        assert_eq!(BucketConfig::decode(&most.encode()), Ok(most));
        assert!(BucketConfig::decode(&many(u16::try_from(BUCKET_MEMBERS_MAX + 1).unwrap()).encode()).is_err());
        assert!(BucketConfig::decode(&of(vec![member(2, true), member(1, true)]).encode()).is_err());
        assert!(BucketConfig::decode(&of(vec![member(1, true), member(1, false)]).encode()).is_err());
    }

    fn config(rule: KeyRule) -> BucketConfig {
        BucketConfig {
            bucket: BucketId::from_bytes([1; 16]),
            generation: 4,
            rule,
            versioning: true,
            inline_bytes_max: 16384,
            fenced: false,
            members: vec![member(1, true), member(2, false)],
            unknown: Bytes::from_static(&[0xf2, 0x01, 2, 7, 8]),
        }
    }

    #[test]
    fn configurations_come_back_with_what_is_not_known_of_them() {
        for rule in [KeyRule::Flat { spread: 1 }, KeyRule::Flat { spread: SLOTS }, KeyRule::Redis, KeyRule::Tree] {
            assert_eq!(BucketConfig::decode(&config(rule).encode()), Ok(config(rule)));
        }
        assert!(BucketConfig::decode(&config(KeyRule::Flat { spread: 0 }).encode()).is_err());
        assert!(BucketConfig::decode(&config(KeyRule::Flat { spread: SLOTS + 1 }).encode()).is_err());
        let too_long = BucketConfig { inline_bytes_max: 16385, ..config(KeyRule::Tree) };
        assert!(BucketConfig::decode(&too_long.encode()).is_err());
    }

    #[test]
    fn keys_keep_to_the_rule_of_their_bucket() {
        for rule in [KeyRule::Flat { spread: 1 }, KeyRule::Tree] {
            assert!(rule.allows(b"a") && rule.allows("ü/ß".as_bytes()) && rule.allows(&[b'k'; KEY_BYTES_MAX]));
            assert!(!rule.allows(b"") && !rule.allows(b"a\0b") && !rule.allows(&[0xff]));
            assert!(!rule.allows(&[b'k'; KEY_BYTES_MAX + 1]));
        }
        assert!(KeyRule::Redis.allows(b"") && KeyRule::Redis.allows(&vec![0; REDIS_KEY_BYTES_MAX]));
        assert!(!KeyRule::Redis.allows(&vec![0; REDIS_KEY_BYTES_MAX + 1]));
    }
}
