//! The root: the one node that names an object. Clear totals, and the top of its index, sealed.
//!
//! The [`ContentId`](crate::ContentId) is the BLAKE3 of the root's bytes, so nothing here depends on code, layout,
//! owner or place.

use crate::bytes::Reader;
use crate::index::{IndexNode, PackedSegment};
use crate::limits::{INDEX_NODE_BYTES_MAX, NODE_BYTES_MAX, OBJECT_BYTES_MAX, TAG_BYTES, TREE_DEPTH_MAX};
use crate::{Cipher, ContentId, DecodeError};

const MAGIC: [u8; 4] = *b"SGRT";
const VERSION: u8 = 1;

/// An object's root.
///
/// # Shape
/// `"SGRT"`, version 1, cipher (u8), size, extents and index nodes (u64 each), key commitment (32), plain bytes of the
/// top (u32), packed length and flag of the top (u32), sealed top. Everything before the sealed top is its AAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// How the top, and every chunk, is sealed.
    pub cipher: Cipher,
    /// Bytes of the object.
    pub size: u64,
    /// Extents of the object: the layout's first entries.
    pub extents: u64,
    /// Index nodes below the top: the layout's last entries.
    pub index_nodes: u64,
    /// What the content key must commit to ([`ContentKey::commitment`](crate::ContentKey::commitment)).
    pub commitment: [u8; 32],
    /// Bytes of the encoded top index node.
    pub top_plain_bytes: u32,
    /// How the top was packed.
    pub top: PackedSegment,
    /// The top of the index: packed, then sealed under the content key with nonce 0.
    pub sealed_top: Vec<u8>,
}

impl Root {
    /// The clear fields as they stand before the sealed top: its associated data.
    #[must_use]
    pub fn clear_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(NODE_BYTES_MAX);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, self.cipher as u8]);
        for total in [self.size, self.extents, self.index_nodes] {
            out.extend_from_slice(&total.to_le_bytes());
        }
        out.extend_from_slice(&self.commitment);
        out.extend_from_slice(&self.top_plain_bytes.to_le_bytes());
        out.extend_from_slice(&self.top.to_u32().to_le_bytes());
        out
    }

    /// The root's bytes, whose hash is the content id.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.clear_bytes();
        out.extend_from_slice(&self.sealed_top);
        out
    }

    /// Decodes a root and checks that it is the one asked for.
    ///
    /// # Errors
    /// [`DecodeError::Unverified`] if the bytes are not those of `id`, or another [`DecodeError`].
    pub fn decode(id: ContentId, bytes: &[u8]) -> Result<Self, DecodeError> {
        if blake3::hash(bytes) != *id.as_bytes() {
            return Err(DecodeError::Unverified { what: "root" });
        }
        Self::decode_unverified(bytes)
    }

    /// Decodes bytes that claim to be a root, whatever their hash.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole root within its bounds.
    pub fn decode_unverified(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > NODE_BYTES_MAX {
            return Err(DecodeError::TooMany { count: bytes.len(), max: NODE_BYTES_MAX });
        }
        let mut reader = Reader::new(bytes);
        reader.header(MAGIC, VERSION)?;
        let cipher = Cipher::from_u8(reader.u8()?).ok_or(DecodeError::field("cipher"))?;
        let (size, extents, index_nodes) = (reader.u64()?, reader.u64()?, reader.u64()?);
        if size > OBJECT_BYTES_MAX || extents > size || (extents == 0) != (size == 0) {
            return Err(DecodeError::field("totals"));
        }
        // Each level below the top has at most one node for each extent.
        if index_nodes > extents * TREE_DEPTH_MAX as u64 {
            return Err(DecodeError::field("totals"));
        }
        let commitment = reader.array()?;
        let top_plain_bytes = reader.u32()?;
        let top = PackedSegment::from_u32(reader.u32()?);
        if !(IndexNode::HEAD_BYTES..=INDEX_NODE_BYTES_MAX).contains(&(top_plain_bytes as usize)) {
            return Err(DecodeError::field("top bytes"));
        }
        if top.packed_bytes == 0
            || top.packed_bytes > top_plain_bytes
            || (!top.compressed && top.packed_bytes != top_plain_bytes)
        {
            return Err(DecodeError::field("packed bytes"));
        }
        let sealed_top = reader.take(top.packed_bytes as usize + TAG_BYTES)?.to_vec();
        reader.finish()?;
        Ok(Self { cipher, size, extents, index_nodes, commitment, top_plain_bytes, top, sealed_top })
    }
}
