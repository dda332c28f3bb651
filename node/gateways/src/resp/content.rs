//! What a key holds, and how that stands in a version: its kind in the metadata, and the rest in the body.
//!
//! A collection stays as it was read until somebody looks into it: whether it is there, what it is and when it ends is said
//! without that, and it is moved and copied byte for byte.

use bytes::Bytes;

use super::collections::{Collection, Hash, List, Set, Sorted};
use super::reply::Reply;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any bytes: all that other doors write is this.
    Text,
    Hash,
    List,
    Set,
    Sorted,
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Text(Bytes),
    /// A collection's body, that nobody has looked into.
    Packed(Kind, Bytes),
    Hash(Hash),
    List(List),
    Set(Set),
    Sorted(Sorted),
}

impl Kind {
    const COLLECTIONS: [Self; 4] = [Self::Hash, Self::List, Self::Set, Self::Sorted];

    /// By the metadata of a version.
    pub(super) fn of(metadata: &[u8]) -> Self {
        Self::COLLECTIONS.into_iter().find(|kind| kind.metadata() == metadata).unwrap_or(Self::Text)
    }

    /// As it stands in a version.
    pub(super) const fn metadata(self) -> &'static [u8] {
        match self {
            Self::Text => b"",
            Self::Hash => b"redis/hash",
            Self::List => b"redis/list",
            Self::Set => b"redis/set",
            Self::Sorted => b"redis/zset",
        }
    }

    /// As clients call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Hash => "hash",
            Self::List => "list",
            Self::Set => "set",
            Self::Sorted => "zset",
        }
    }
}

/// What is said of a command on what it is not for.
pub(super) fn wrong_kind() -> Reply {
    Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value")
}

impl Content {
    /// As a version has it.
    pub(super) fn unpack(metadata: &[u8], body: Bytes) -> Self {
        match Kind::of(metadata) {
            Kind::Text => Self::Text(body),
            kind => Self::Packed(kind, body),
        }
    }

    /// Metadata and body, as a version has them.
    pub(super) fn pack(self) -> (Bytes, Bytes) {
        let metadata = Bytes::from_static(self.kind().metadata());
        let body = match self {
            Self::Text(body) | Self::Packed(_, body) => body,
            Self::Hash(hash) => hash.encode(),
            Self::List(list) => list.encode(),
            Self::Set(set) => set.encode(),
            Self::Sorted(set) => set.encode(),
        };
        (metadata, body)
    }

    /// Bytes of the body that a version would have.
    pub(super) fn packed_bytes(&self) -> usize {
        match self {
            Self::Text(body) | Self::Packed(_, body) => body.len(),
            opened => opened.clone().pack().1.len(),
        }
    }

    /// What it weighs as it stands here.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(body) | Self::Packed(_, body) => body.len(),
            Self::Hash(hash) => hash.weight(),
            Self::List(list) => list.weight(),
            Self::Set(set) => set.weight(),
            Self::Sorted(set) => set.weight(),
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Packed(kind, _) => *kind,
            Self::Hash(_) => Kind::Hash,
            Self::List(_) => Kind::List,
            Self::Set(_) => Kind::Set,
            Self::Sorted(_) => Kind::Sorted,
        }
    }

    /// The bytes of a text.
    ///
    /// # Errors
    /// What a client is told of anything else.
    pub(super) fn text(&self) -> Result<&Bytes, Reply> {
        if let Self::Text(bytes) = self { Ok(bytes) } else { Err(wrong_kind()) }
    }

    /// Looks into a collection; from then on it is open.
    ///
    /// # Errors
    /// What a client is told of anything else, and of one that is damaged.
    pub(super) fn open<C: Collection>(&mut self) -> Result<&mut C, Reply> {
        if let Self::Packed(kind, body) = self
            && *kind == C::KIND
        {
            let opened = C::decode(body).map_err(|error| Reply::error(format!("ERR the value is damaged: {error}")))?;
            *self = opened.into();
        }
        C::within(self).ok_or_else(wrong_kind)
    }
}

impl From<Hash> for Content {
    fn from(hash: Hash) -> Self {
        Self::Hash(hash)
    }
}

impl From<List> for Content {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl From<Set> for Content {
    fn from(set: Set) -> Self {
        Self::Set(set)
    }
}

impl From<Sorted> for Content {
    fn from(set: Sorted) -> Self {
        Self::Sorted(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_metadata_and_all_else_is_text() {
        for kind in Kind::COLLECTIONS {
            assert_eq!(Kind::of(kind.metadata()), kind);
        }
        for metadata in [&b""[..], b"redis/", b"redis/hash2", b"REDIS/HASH", b"\x0a\x03any"] {
            assert_eq!(Kind::of(metadata), Kind::Text);
        }
    }

    #[test]
    fn what_nobody_looks_into_stays_as_it_is() {
        for kind in Kind::COLLECTIONS {
            let content = Content::unpack(kind.metadata(), "any bytes".into());
            assert_eq!((content.kind(), content.text()), (kind, Err(wrong_kind())));
            assert_eq!(content.pack(), (Bytes::from_static(kind.metadata()), "any bytes".into()));
        }
    }

    #[test]
    fn what_is_damaged_is_said_to_be_and_another_kind_is_told_from_it() {
        let mut content = Content::unpack(b"redis/set", "?".into());
        let damaged = Reply::error("ERR the value is damaged: its first bytes are none that are known");
        assert_eq!(content.open::<Set>(), Err(damaged));
        assert_eq!(content.open::<Hash>(), Err(wrong_kind()));
        assert_eq!(Content::Text("a".into()).open::<Set>(), Err(wrong_kind()));
        assert_eq!(content, Content::Packed(Kind::Set, "?".into()));
    }

    #[test]
    fn an_open_collection_is_packed_again() {
        let set: Set = ["b", "a"].into_iter().map(Bytes::from).collect();
        let (metadata, body) = Content::from(set.clone()).pack();
        let mut content = Content::unpack(&metadata, body.clone());
        assert_eq!(content.open::<Set>(), Ok(&mut set.clone()));
        assert_eq!((content.kind(), content.text()), (Kind::Set, Err(wrong_kind())));
        assert_eq!(content.pack(), (metadata, body));
    }
}
