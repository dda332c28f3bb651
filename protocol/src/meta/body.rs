//! What a version holds: nothing, sealed bytes in the record itself, or the content id of an object.

use bytes::Bytes;
use prost::Message as _;

use super::unknown::unknown_fields;
use super::{at_most, decode, fixed, wire};
use crate::limits::{INLINE_BYTES_MAX, NODE_BYTES_MAX, TAG_BYTES};
use crate::{ContentId, DecodeError, LayoutId};

/// The body of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// None: the key is deleted from this version on.
    Marker,
    /// The sealed bytes themselves.
    Inline(InlineBody),
    /// An object, coded on peers.
    Object(ObjectBody),
}

/// A body of at most [`INLINE_BYTES_MAX`] bytes, sealed under a key that the bucket's key and the salt give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineBody {
    /// Which of the bucket's keys.
    pub generation: u32,
    /// Fresh for each body.
    pub salt: [u8; 32],
    /// The body and its tag.
    pub sealed: Bytes,
    /// Fields of a newer program.
    pub unknown: Bytes,
}

/// An object by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectBody {
    /// What it is.
    pub content: ContentId,
    /// How it is coded.
    pub layout: LayoutId,
    /// Its root, whole, if it is small enough to be kept here too; else empty.
    pub root: Bytes,
    /// The top of its layout, likewise.
    pub layout_top: Bytes,
    /// Which of the bucket's keys seals the content key, and every chunk.
    pub generation: u32,
    /// The content key and a tag, under [`BucketKey::record_key`](crate::BucketKey::record_key).
    pub sealed_key: [u8; 32 + TAG_BYTES],
    /// Fields of a newer program.
    pub unknown: Bytes,
}

impl Body {
    /// Which of the bucket's keys it is sealed under; `None` for a marker.
    #[must_use]
    pub const fn generation(&self) -> Option<u32> {
        match self {
            Self::Marker => None,
            Self::Inline(body) => Some(body.generation),
            Self::Object(body) => Some(body.generation),
        }
    }

    /// What the writer signs of it: a kind and a hash. Nothing for a marker.
    #[must_use]
    pub fn commitment(&self) -> (u8, [u8; 32]) {
        match self {
            Self::Marker => (0, [0; 32]),
            Self::Inline(body) => (1, *blake3::hash(&body.sealed).as_bytes()),
            Self::Object(body) => (2, *body.content.as_bytes()),
        }
    }

    pub(super) fn to_wire(&self, version: &mut wire::Version) {
        match self {
            Self::Marker => version.marker = true,
            Self::Inline(body) => version.inline_body = body.encode(),
            Self::Object(body) => version.object_body = body.encode(),
        }
    }

    pub(super) fn from_wire(marker: bool, inline: &Bytes, object: &Bytes) -> Result<Self, DecodeError> {
        match (marker, inline.is_empty(), object.is_empty()) {
            (true, true, true) => Ok(Self::Marker),
            (false, false, true) => InlineBody::decode(inline).map(Self::Inline),
            (false, true, false) => ObjectBody::decode(object).map(Self::Object),
            _ => Err(DecodeError::field("body")),
        }
    }
}

impl InlineBody {
    pub(super) fn encode(&self) -> Bytes {
        let body = wire::InlineBody {
            generation: self.generation,
            salt: self.salt.to_vec().into(),
            sealed: self.sealed.clone(),
        };
        [body.encode_to_vec().as_slice(), &self.unknown].concat().into()
    }

    fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let unknown = unknown_fields(bytes, 3)?;
        let body: wire::InlineBody = decode(bytes.clone())?;
        Ok(Self {
            generation: body.generation,
            salt: fixed(&body.salt, "salt")?,
            sealed: at_most(body.sealed, INLINE_BYTES_MAX + TAG_BYTES)?,
            unknown,
        })
    }
}

impl ObjectBody {
    fn encode(&self) -> Bytes {
        let body = wire::ObjectBody {
            content: self.content.as_bytes().to_vec().into(),
            layout: self.layout.as_bytes().to_vec().into(),
            root: self.root.clone(),
            layout_top: self.layout_top.clone(),
            generation: self.generation,
            sealed_key: self.sealed_key.to_vec().into(),
        };
        [body.encode_to_vec().as_slice(), &self.unknown].concat().into()
    }

    fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let unknown = unknown_fields(bytes, 6)?;
        let body: wire::ObjectBody = decode(bytes.clone())?;
        Ok(Self {
            content: ContentId::from_bytes(fixed(&body.content, "content")?),
            layout: LayoutId::from_bytes(fixed(&body.layout, "layout")?),
            root: at_most(body.root, NODE_BYTES_MAX)?,
            layout_top: at_most(body.layout_top, NODE_BYTES_MAX)?,
            generation: body.generation,
            sealed_key: fixed(&body.sealed_key, "sealed key")?,
            unknown,
        })
    }
}
