//! The names of things: one type for each kind of id, so that no two can be confused.
//!
//! An id knows its bytes and how it is printed and parsed, never how it was computed: that stands with the format
//! whose bytes it names.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER};

/// A text that is no id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: {reason}")]
pub struct ParseIdError {
    /// The kind that was expected, as a person calls it.
    pub kind: &'static str,
    /// What is wrong with the text.
    pub reason: &'static str,
}

/// Declares one 32-byte id type that prints as 64 lower-case hexadecimal digits.
macro_rules! id32 {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes 32 bytes for this id; nothing is checked.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The id's bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let hex = HEXLOWER.encode(&self.0);
                write!(f, concat!(stringify!($name), "({})"), hex.get(..12).unwrap_or_default())
            }
        }
    };
}

/// Prints and parses an [`id32`] type as hexadecimal.
macro_rules! hex_id {
    ($name:ident, $kind:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let refuse = |reason| ParseIdError { kind: $kind, reason };
                let bytes = HEXLOWER
                    .decode(text.as_bytes())
                    .map_err(|_| refuse("expected 64 lower-case hexadecimal digits"))?;
                let bytes = bytes.try_into().map_err(|_| refuse("expected 32 bytes"))?;
                Ok(Self(bytes))
            }
        }
    };
}

id32!(
    /// A network: nodes and tickets of different networks refuse one another.
    ///
    /// ```compile_fail
    /// use storgo_protocol::{ChunkId, NetworkId};
    /// let chunk: ChunkId = NetworkId::from_bytes([0; 32]);
    /// ```
    NetworkId, "network id"
);
hex_id!(NetworkId, "network id");

impl NetworkId {
    /// The id of the network called `name` that has no trust root.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self(blake3::derive_key("storgo v1 network name", name.as_bytes()))
    }

    /// The id of the network with this trust root.
    #[must_use]
    pub fn from_root(root: PeerId) -> Self {
        Self(blake3::derive_key("storgo v1 network root", root.as_bytes()))
    }
}

id32!(
    /// A sealed chunk: a hash over its format, its sealed length and its sealed bytes.
    ChunkId, "chunk id"
);
hex_id!(ChunkId, "chunk id");

id32!(
    /// One coding of one chunk: the BLAKE3 of the encoded [`StripeHeader`](crate::StripeHeader).
    StripeId, "stripe id"
);
hex_id!(StripeId, "stripe id");

id32!(
    /// The plain BLAKE3 of a shard's payload. It verifies, and never addresses.
    ShardId, "shard id"
);
hex_id!(ShardId, "shard id");

id32!(
    /// A node: the plain BLAKE3 of a root or of a layout node, by which it is stored and asked for whole.
    NodeId, "node id"
);
hex_id!(NodeId, "node id");

impl NodeId {
    /// The id of the node with these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

id32!(
    /// A layout: the [`NodeId`] of its top.
    LayoutId, "layout id"
);
hex_id!(LayoutId, "layout id");

impl From<LayoutId> for NodeId {
    fn from(id: LayoutId) -> Self {
        Self(id.0)
    }
}

id32!(
    /// An object's content: the [`NodeId`] of its root. Prints as a `CIDv1` (raw codec, BLAKE3 multihash, base 32).
    ContentId, "content id"
);

impl From<ContentId> for NodeId {
    fn from(id: ContentId) -> Self {
        Self(id.0)
    }
}

/// `CIDv1`, raw codec (0x55), BLAKE3 multihash (0x1e) of 32 bytes (0x20).
const CID_PREFIX: [u8; 4] = [0x01, 0x55, 0x1e, 0x20];

/// The multihash prefix alone: what a provider record in the DHT is keyed by.
const MULTIHASH_PREFIX: [u8; 2] = [0x1e, 0x20];

impl NodeId {
    /// The key under which holders of this node announce themselves in the DHT: its BLAKE3 multihash, as every
    /// libp2p `findProviders` computes it from the CID.
    #[must_use]
    pub fn provider_key(&self) -> Vec<u8> {
        [MULTIHASH_PREFIX.as_slice(), &self.0].concat()
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = BASE32_NOPAD.encode(&[CID_PREFIX.as_slice(), &self.0].concat());
        write!(f, "b{}", text.to_ascii_lowercase())
    }
}

impl FromStr for ContentId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let refuse = |reason| ParseIdError { kind: "content id", reason };
        let digits = text.strip_prefix('b').ok_or_else(|| refuse("expected a CID that starts with 'b'"))?;
        if digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(refuse("expected lower-case base 32"));
        }
        let bytes =
            BASE32_NOPAD.decode(digits.to_ascii_uppercase().as_bytes()).map_err(|_| refuse("expected base 32"))?;
        let hash = bytes.strip_prefix(&CID_PREFIX).ok_or_else(|| refuse("expected a CIDv1 of raw bytes by BLAKE3"))?;
        Ok(Self(hash.try_into().map_err(|_| refuse("expected a 32-byte hash"))?))
    }
}

id32!(
    /// A peer, a user or a grant's holder: an Ed25519 public key. Prints as a libp2p peer id (`12D3Koo…`).
    PeerId, "peer id"
);

/// An identity multihash (0x00) of 36 bytes: the protobuf of an Ed25519 public key (type 1, data of 32 bytes).
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

impl PeerId {
    /// The libp2p form: the multihash bytes of the public key.
    #[must_use]
    pub fn to_multihash(self) -> Vec<u8> {
        [PEER_ID_PREFIX.as_slice(), &self.0].concat()
    }

    /// Takes a libp2p peer id's multihash; `None` for keys that are not Ed25519.
    #[must_use]
    pub fn from_multihash(bytes: &[u8]) -> Option<Self> {
        let key = bytes.strip_prefix(&PEER_ID_PREFIX)?;
        Some(Self(key.try_into().ok()?))
    }

    /// The last eight characters of the printed id: what people compare.
    #[must_use]
    pub fn short(&self) -> String {
        let text = self.to_string();
        text.get(text.len().saturating_sub(8)..).unwrap_or_default().to_owned()
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.to_multihash()).into_string())
    }
}

impl FromStr for PeerId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let refuse = |reason| ParseIdError { kind: "peer id", reason };
        if text.len() > 64 {
            return Err(refuse("too long"));
        }
        let bytes = bs58::decode(text).into_vec().map_err(|_| refuse("expected base 58"))?;
        Self::from_multihash(&bytes).ok_or_else(|| refuse("expected an Ed25519 peer id (12D3Koo…)"))
    }
}

/// Declares one id that is a number: printed in decimal, and as such in no way a count.
macro_rules! id64 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Takes a number for this id; nothing is checked.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The id's number.
            #[must_use]
            pub const fn as_u64(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id64!(
    /// A Raft group: the keys of some slots, kept by a few peers.
    ///
    /// ```compile_fail
    /// use storgo_protocol::{GroupId, LogIncarnation};
    /// let group: GroupId = LogIncarnation::new(0);
    /// ```
    GroupId
);

id64!(
    /// One life of a node's log: drawn at random when the log is made, and anew whenever its past is given up. With the
    /// peer's id it names a member of a Raft group, so that who lost its past is not taken for who it was.
    LogIncarnation
);

impl LogIncarnation {
    /// The life of what a log keeps of one group. Whoever leaves a group forgets what it promised there, and so comes back
    /// as somebody else.
    #[must_use]
    pub fn after_leaving(self, group: GroupId, times: u64) -> Self {
        if times == 0 {
            return self;
        }
        let numbers = [self.0, group.0, times].map(u64::to_le_bytes);
        let hash = blake3::derive_key("storgo v1 seat", numbers.as_flattened());
        let first = hash.first_chunk().copied().unwrap_or_default();
        Self(u64::from_le_bytes(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_left_a_group_is_another_one_there_and_only_there() {
        let (log, groups) = (LogIncarnation::new(7), [GroupId::new(0), GroupId::new(1)]);
        assert_eq!(log.after_leaving(groups[0], 0), log);
        let lives = groups.into_iter().flat_map(|group| (1..4).map(move |times| log.after_leaving(group, times)));
        assert_eq!(lives.chain([log]).collect::<std::collections::BTreeSet<_>>().len(), 7);
    }

    #[test]
    fn a_content_id_prints_as_the_cid_other_tools_print() {
        // `ipfs add --raw-leaves --hash blake3` of the empty input.
        let id = ContentId::from_bytes(*blake3::hash(b"").as_bytes());
        assert!(id.to_string().starts_with("bafkr4i"), "{id}");
        assert_eq!(id.to_string().parse::<ContentId>(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<ContentId>().is_err());
    }

    #[test]
    fn a_peer_id_prints_as_libp2p_prints_it() {
        let id = PeerId::from_bytes([7; 32]);
        assert!(id.to_string().starts_with("12D3Koo"), "{id}");
        assert_eq!(id.to_string().parse::<PeerId>(), Ok(id));
        assert!("12D3Koo".parse::<PeerId>().is_err());
        assert_eq!(id.short().len(), 8);
    }

    #[test]
    fn hexadecimal_ids_parse_what_they_print_and_nothing_else() {
        let id = ChunkId::from_bytes([0xab; 32]);
        assert_eq!(id.to_string().parse::<ChunkId>(), Ok(id));
        for text in ["", "ab", &"AB".repeat(32), &"ab".repeat(33), &"zz".repeat(32)] {
            assert!(text.parse::<ChunkId>().is_err(), "{text}");
        }
    }
}
