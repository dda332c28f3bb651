//! A bucket, as group 0 keeps it: its name, whose it is, its keys wrapped for each member, and its policies.

use bytes::Bytes;
use prost::Message as _;

use super::access::{self, AccessKey, AccessKeyId};
use super::{peer, peer_bytes, wire};
use crate::fields::decode;
use crate::limits::{BUCKET_NAME_CHARS_MAX, BUCKET_WRAPPED_BYTES_MAX};
use crate::meta::unknown::unknown_fields;
use crate::meta::{BucketConfig, fixed};
use crate::{Code, DecodeError, MemberKey, PeerId, WrappedKey};

/// The highest field number of `Bucket` in `cluster.proto`.
const KNOWN: u32 = 12;

/// How a write is to be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replication {
    /// By most members of its group, and all shards durable on distinct domains.
    #[default]
    Replicated,
    /// By the disk of the leader of its group, whether or not the others have it: what was acknowledged last is lost with
    /// that disk, or if another member leads before it has it. Bodies that do not stand in their records are kept as ever.
    Local,
    /// As replicated, and by all members of its group: one that is away holds up whoever writes.
    Durable,
}

/// Where reads of names are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadPreference {
    /// So that nothing is missed that was acknowledged before.
    #[default]
    Linearizable,
    /// By any member, if it misses nothing older than so many milliseconds.
    Bounded(u32),
    /// By any member.
    Eventual,
    /// By a leader that asks nobody while it holds its lease.
    Lease,
}

/// What opens a bucket, for one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberKeys {
    /// The user.
    pub user: PeerId,
    /// For which key the others are wrapped.
    pub key: MemberKey,
    /// The bucket's keys, in ascending order of their generations.
    pub wrapped: Vec<WrappedKey>,
}

/// A user that could write once. What it wrote then stays good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormerWriter {
    /// The user.
    pub user: PeerId,
    /// The newest of the bucket's keys under which it wrote: what is sealed under a later one is not its.
    pub key_generation: u32,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// What groups are told of it.
    pub config: BucketConfig,
    /// Its name: see [`is_bucket_name`].
    pub name: String,
    /// Whose it is: who may change it.
    pub owner: PeerId,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// The newest of its keys, with which is sealed; from 1.
    pub key_generation: u32,
    /// Its keys, for each member of `config`, in the same order.
    pub keys: Vec<MemberKeys>,
    /// How bodies are coded; `None` for the default of the network.
    pub redundancy: Option<Code>,
    /// How a write is to be acknowledged.
    pub replication: Replication,
    /// Where reads of names are answered.
    pub read_preference: ReadPreference,
    /// Who could write once and cannot now, in ascending order, at most [`BUCKET_FORMER_MAX`](crate::limits::BUCKET_FORMER_MAX).
    pub former: Vec<FormerWriter>,
    /// What programs show at doors, in ascending order of their ids, at most
    /// [`BUCKET_ACCESS_KEYS_MAX`](crate::limits::BUCKET_ACCESS_KEYS_MAX).
    pub access_keys: Vec<AccessKey>,
    /// Fields of a newer program.
    pub unknown: Bytes,
}

/// Whether a bucket may be called so: 3 to [`BUCKET_NAME_CHARS_MAX`] lower-case letters, digits, hyphens and dots, with a
/// letter or digit at both ends and no two dots together, as S3 wants it.
#[must_use]
pub fn is_bucket_name(name: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let bytes = name.as_bytes();
    (3..=BUCKET_NAME_CHARS_MAX).contains(&bytes.len())
        && bytes.iter().all(|byte| inner(*byte))
        && edge(bytes.first())
        && edge(bytes.last())
        && !name.contains("..")
}

impl Bucket {
    /// What opens it for a user, if it is a member.
    #[must_use]
    pub fn keys_of(&self, user: PeerId) -> Option<&MemberKeys> {
        let at = self.keys.binary_search_by_key(&user, |keys| keys.user).ok()?;
        self.keys.get(at)
    }

    /// The access key of this id.
    #[must_use]
    pub fn access_key(&self, id: AccessKeyId) -> Option<&AccessKey> {
        let at = self.access_keys.binary_search_by_key(&id, |key| key.terms.id).ok()?;
        self.access_keys.get(at)
    }

    /// Whether a version that a user signed, with a body under this key of the bucket, is one that it could write.
    #[must_use]
    pub fn could_write(&self, user: PeerId, key_generation: Option<u32>) -> bool {
        let former =
            self.former.binary_search_by_key(&user, |former| former.user).ok().and_then(|at| self.former.get(at));
        let within =
            |former: &FormerWriter| key_generation.is_none_or(|generation| generation <= former.key_generation);
        self.config.admits(user, true) || former.is_some_and(within)
    }

    /// The row.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let (read_preference, read_bound_ms) = match self.read_preference {
            ReadPreference::Linearizable => (0, 0),
            ReadPreference::Bounded(ms) => (1, ms),
            ReadPreference::Eventual => (2, 0),
            ReadPreference::Lease => (3, 0),
        };
        let bucket = wire::Bucket {
            config: self.config.encode(),
            name: self.name.clone(),
            owner: peer_bytes(self.owner),
            created_ms: self.created_ms,
            key_generation: self.key_generation,
            members: self.keys.iter().map(MemberKeys::to_wire).collect(),
            redundancy: self.redundancy.map(|code| code.to_string()).unwrap_or_default(),
            replication: match self.replication {
                Replication::Replicated => 0,
                Replication::Local => 1,
                Replication::Durable => 2,
            },
            read_preference,
            read_bound_ms,
            former: self.former.iter().copied().map(FormerWriter::to_wire).collect(),
            access_keys: self.access_keys.iter().map(AccessKey::to_wire).collect(),
        };
        [bucket.encode_to_vec().as_slice(), &self.unknown].concat().into()
    }

    /// Decodes a row.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a bucket within its bounds whose members all have its newest key.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let unknown = unknown_fields(bytes, KNOWN)?;
        let bucket: wire::Bucket = decode(bytes.clone())?;
        if !is_bucket_name(&bucket.name) {
            return Err(DecodeError::field("bucket name"));
        }
        let config = BucketConfig::decode(&bucket.config)?;
        let keys = bucket.members.iter().map(MemberKeys::from_wire).collect::<Result<Vec<_>, _>>()?;
        let users = keys.iter().map(|keys| keys.user);
        let newest = |keys: &MemberKeys| keys.wrapped.last().map(|key| key.generation) == Some(bucket.key_generation);
        if !users.eq(config.members.iter().map(|member| member.user)) || !keys.iter().all(newest) {
            return Err(DecodeError::field("member keys"));
        }
        let wrapped_bytes: usize = keys.iter().flat_map(|keys| &keys.wrapped).map(|key| key.encode().len()).sum();
        if wrapped_bytes > BUCKET_WRAPPED_BYTES_MAX {
            return Err(DecodeError::TooMany { count: wrapped_bytes, max: BUCKET_WRAPPED_BYTES_MAX });
        }
        let redundancy = match bucket.redundancy.as_str() {
            "" => None,
            word => Some(word.parse().map_err(|_| DecodeError::field("redundancy"))?),
        };
        Ok(Self {
            config,
            name: bucket.name,
            owner: peer(&bucket.owner)?,
            created_ms: bucket.created_ms,
            key_generation: bucket.key_generation,
            keys,
            redundancy,
            replication: match bucket.replication {
                0 => Replication::Replicated,
                1 => Replication::Local,
                2 => Replication::Durable,
                _ => return Err(DecodeError::field("replication")),
            },
            read_preference: match bucket.read_preference {
                0 => ReadPreference::Linearizable,
                1 => ReadPreference::Bounded(bucket.read_bound_ms),
                2 => ReadPreference::Eventual,
                3 => ReadPreference::Lease,
                _ => return Err(DecodeError::field("read preference")),
            },
            former: former(bucket.former)?,
            access_keys: access::all(&bucket.access_keys, bucket.key_generation)?,
            unknown,
        })
    }
}

impl MemberKeys {
    fn to_wire(&self) -> wire::MemberKeys {
        wire::MemberKeys {
            user: peer_bytes(self.user),
            key: self.key.as_bytes().to_vec().into(),
            wrapped: self.wrapped.iter().map(|key| key.encode().into()).collect(),
        }
    }

    fn from_wire(keys: &wire::MemberKeys) -> Result<Self, DecodeError> {
        let wrapped = keys.wrapped.iter().map(|key| WrappedKey::decode(key)).collect::<Result<Vec<_>, _>>()?;
        if !wrapped.is_sorted_by(|before, after| before.generation < after.generation) {
            return Err(DecodeError::field("wrapped keys"));
        }
        Ok(Self { user: peer(&keys.user)?, key: MemberKey::from_bytes(fixed(&keys.key, "member key")?), wrapped })
    }
}

impl FormerWriter {
    fn to_wire(self) -> wire::FormerWriter {
        wire::FormerWriter { user: peer_bytes(self.user), key_generation: self.key_generation }
    }
}

fn former(former: Vec<wire::FormerWriter>) -> Result<Vec<FormerWriter>, DecodeError> {
    let read = |former: wire::FormerWriter| {
        Ok(FormerWriter { user: peer(&former.user)?, key_generation: former.key_generation })
    };
    let former = former.into_iter().map(read).collect::<Result<Vec<_>, DecodeError>>()?;
    let ascending = former.is_sorted_by(|before, after| before.user < after.user);
    if ascending { Ok(former) } else { Err(DecodeError::field("former writers")) }
}
