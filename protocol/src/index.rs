//! The index: how an object's bytes are made of chunks. A tree of bounded nodes, seekable by offset.
//!
//! Nodes are encoded here and sealed elsewhere: below the top they are chunks like any other, the top rides sealed in
//! the [root](crate::Root). Leaves hold extents, so parallel parts, part copies, append and truncate can cut inside
//! chunks without rewriting them.

use crate::bytes::{Reader, count_u16};
use crate::limits::{
    CHUNK_BYTES_MAX, INDEX_NODE_BYTES_MAX, OBJECT_BYTES_MAX, SEALED_BYTES_MAX, SEGMENT_BYTES, SEGMENTS_MAX, TAG_BYTES,
    TREE_DEPTH_MAX,
};
use crate::{ChunkId, ChunkKey, DecodeError};

const MAGIC: [u8; 4] = *b"SGIX";
const VERSION: u8 = 1;

/// The highest bit of a packed length says that the segment was compressed.
const COMPRESSED: u32 = 1 << 31;

/// One segment as it was packed: what its sealed bytes are, tag aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedSegment {
    /// Bytes after packing; the sealed segment has [`TAG_BYTES`] more.
    pub packed_bytes: u32,
    /// Whether the packed bytes are a zstd frame, or the plaintext itself.
    pub compressed: bool,
}

impl PackedSegment {
    /// The form in formats and in the hash that a chunk key derives from: length, and the flag as highest bit.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.packed_bytes | if self.compressed { COMPRESSED } else { 0 }
    }

    /// Reads [`PackedSegment::to_u32`]; the length is not checked.
    #[must_use]
    pub const fn from_u32(value: u32) -> Self {
        Self { packed_bytes: value & !COMPRESSED, compressed: value & COMPRESSED != 0 }
    }
}

/// All that it takes to find, verify and open a chunk.
///
/// # Shape
/// Chunk id (32), chunk key (32), sealed bytes (u32), plain bytes (u32), one u32 a segment; the number of segments
/// follows from the plain bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRef {
    /// The chunk's name.
    pub id: ChunkId,
    /// Opens it.
    pub key: ChunkKey,
    /// Bytes of the sealed chunk, padding included.
    pub sealed_bytes: u32,
    /// Bytes of its plaintext; every segment but the last has [`SEGMENT_BYTES`].
    pub plain_bytes: u32,
    /// The segments in order.
    pub segments: Vec<PackedSegment>,
}

impl ChunkRef {
    /// Plaintext bytes of segment `number`, 0 beyond the last.
    #[must_use]
    pub fn segment_plain_bytes(&self, number: usize) -> usize {
        (self.plain_bytes as usize).saturating_sub(number.saturating_mul(SEGMENT_BYTES)).min(SEGMENT_BYTES)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(self.key.expose());
        out.extend_from_slice(&self.sealed_bytes.to_le_bytes());
        out.extend_from_slice(&self.plain_bytes.to_le_bytes());
        self.segments.iter().for_each(|segment| out.extend_from_slice(&segment.to_u32().to_le_bytes()));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = ChunkId::from_bytes(reader.array()?);
        let key = ChunkKey::from_bytes(reader.array()?);
        let (sealed_bytes, plain_bytes) = (reader.u32()?, reader.u32()?);
        if plain_bytes == 0 || plain_bytes as usize > CHUNK_BYTES_MAX {
            return Err(DecodeError::field("plain bytes"));
        }
        let count = (plain_bytes as usize).div_ceil(SEGMENT_BYTES).min(SEGMENTS_MAX);
        let segments = (0..count).map(|_| reader.u32().map(PackedSegment::from_u32)).collect::<Result<Vec<_>, _>>()?;
        let chunk = Self { id, key, sealed_bytes, plain_bytes, segments };
        chunk.check()?;
        Ok(chunk)
    }

    /// Each packed segment is no longer than its plaintext, uncompressed ones are exactly as long, and all of them
    /// with their tags fit the sealed bytes.
    fn check(&self) -> Result<(), DecodeError> {
        let mut sealed = 0;
        for (number, segment) in self.segments.iter().enumerate() {
            let (packed, plain) = (segment.packed_bytes as usize, self.segment_plain_bytes(number));
            if packed == 0 || packed > plain || (!segment.compressed && packed != plain) {
                return Err(DecodeError::field("packed bytes"));
            }
            sealed += packed + TAG_BYTES;
        }
        if sealed > self.sealed_bytes as usize || self.sealed_bytes as usize > SEALED_BYTES_MAX {
            return Err(DecodeError::field("sealed bytes"));
        }
        Ok(())
    }

    fn encoded_bytes(&self) -> usize {
        72 + self.segments.len() * 4
    }
}

/// A run of an object's bytes inside one chunk.
///
/// # Shape
/// A [`ChunkRef`], then the first plaintext byte (u32) and the length (u32).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The chunk.
    pub chunk: ChunkRef,
    /// The first byte of the chunk's plaintext that belongs to the object here.
    pub first: u32,
    /// How many bytes do.
    pub bytes: u32,
}

/// A subtree of an index, as its parent knows it.
///
/// # Shape
/// A [`ChunkRef`] to the node, then bytes, extents and nodes (u64 each).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexChild {
    /// The chunk that the node was sealed as.
    pub chunk: ChunkRef,
    /// Object bytes below the node.
    pub bytes: u64,
    /// Extents below the node.
    pub extents: u64,
    /// Index nodes of the subtree, this one included: its place among the layout's post-ordered entries.
    pub nodes: u64,
}

/// One node of an index.
///
/// # Shape
/// `"SGIX"`, version 1, height (u8; 0 for a leaf), item count (u16), items. Encoded, at most
/// [`INDEX_NODE_BYTES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexNode {
    /// Extents in the order of their bytes. Only the top of an empty object has none.
    Leaf(Vec<Extent>),
    /// Subtrees in order, each one level lower.
    Inner {
        /// Levels below this node.
        height: u8,
        /// The subtrees, at least one.
        children: Vec<IndexChild>,
    },
}

impl IndexNode {
    /// Bytes before the first item.
    pub const HEAD_BYTES: usize = 8;

    /// Encoded bytes of an extent, for whoever decides where a leaf ends.
    #[must_use]
    pub fn extent_bytes(extent: &Extent) -> usize {
        extent.chunk.encoded_bytes() + 8
    }

    /// Encoded bytes of a child, for whoever decides where an inner node ends.
    #[must_use]
    pub fn child_bytes(child: &IndexChild) -> usize {
        child.chunk.encoded_bytes() + 24
    }

    /// Levels below this node.
    #[must_use]
    pub const fn height(&self) -> u8 {
        match self {
            Self::Leaf(_) => 0,
            Self::Inner { height, .. } => *height,
        }
    }

    /// Object bytes, extents and index nodes below this node (itself not counted).
    #[must_use]
    pub fn totals(&self) -> (u64, u64, u64) {
        match self {
            Self::Leaf(extents) => (extents.iter().map(|e| u64::from(e.bytes)).sum(), extents.len() as u64, 0),
            Self::Inner { children, .. } => children.iter().fold((0, 0, 0), |(bytes, extents, nodes), child| {
                (bytes + child.bytes, extents + child.extents, nodes + child.nodes)
            }),
        }
    }

    /// The node's bytes, to be packed and sealed.
    ///
    /// # Panics
    /// If no reader would accept them: the builder broke a bound, and to seal them would lose what they point to.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        out.push(self.height());
        match self {
            Self::Leaf(extents) => {
                out.extend_from_slice(&count_u16(extents.len()));
                for extent in extents {
                    extent.chunk.encode(&mut out);
                    out.extend_from_slice(&extent.first.to_le_bytes());
                    out.extend_from_slice(&extent.bytes.to_le_bytes());
                }
            }
            Self::Inner { children, .. } => {
                out.extend_from_slice(&count_u16(children.len()));
                for child in children {
                    child.chunk.encode(&mut out);
                    for total in [child.bytes, child.extents, child.nodes] {
                        out.extend_from_slice(&total.to_le_bytes());
                    }
                }
            }
        }
        assert_eq!(Self::decode(&out).as_ref(), Ok(self), "an index node that its builder made wrong");
        out
    }

    /// Decodes a node that was sealed under the owner's keys but may still be anything.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole node with items in their bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > INDEX_NODE_BYTES_MAX {
            return Err(DecodeError::TooMany { count: bytes.len(), max: INDEX_NODE_BYTES_MAX });
        }
        let mut reader = Reader::new(bytes);
        reader.header(MAGIC, VERSION)?;
        let height = reader.u8()?;
        if usize::from(height) > TREE_DEPTH_MAX {
            return Err(DecodeError::field("height"));
        }
        let count = reader.count(INDEX_NODE_BYTES_MAX / 80, 80)?;
        let node = if height == 0 {
            Self::Leaf((0..count).map(|_| Self::decode_extent(&mut reader)).collect::<Result<_, _>>()?)
        } else {
            let child = |_| Self::decode_child(&mut reader, height);
            let children = (0..count).map(child).collect::<Result<Vec<_>, _>>()?;
            if children.is_empty() {
                return Err(DecodeError::field("child count"));
            }
            // Each is within the bound and there are at most thousands, so the sum cannot overflow.
            if children.iter().map(|child| child.bytes).sum::<u64>() > OBJECT_BYTES_MAX {
                return Err(DecodeError::field("child totals"));
            }
            Self::Inner { height, children }
        };
        reader.finish()?;
        Ok(node)
    }

    fn decode_extent(reader: &mut Reader<'_>) -> Result<Extent, DecodeError> {
        let chunk = ChunkRef::decode(reader)?;
        let (first, bytes) = (reader.u32()?, reader.u32()?);
        if bytes == 0 || first.checked_add(bytes).is_none_or(|end| end > chunk.plain_bytes) {
            return Err(DecodeError::field("extent"));
        }
        Ok(Extent { chunk, first, bytes })
    }

    fn decode_child(reader: &mut Reader<'_>, levels: u8) -> Result<IndexChild, DecodeError> {
        let chunk = ChunkRef::decode(reader)?;
        if chunk.plain_bytes as usize > INDEX_NODE_BYTES_MAX {
            return Err(DecodeError::field("index node bytes"));
        }
        let child = IndexChild { chunk, bytes: reader.u64()?, extents: reader.u64()?, nodes: reader.u64()? };
        if child.bytes > OBJECT_BYTES_MAX || child.extents == 0 || child.extents > child.bytes {
            return Err(DecodeError::field("child totals"));
        }
        // One node at the subtree's top, and on each level below it at least one and at most one for each extent.
        let levels = u64::from(levels);
        if child.nodes < levels || child.nodes > 1 + (levels - 1) * child.extents {
            return Err(DecodeError::field("child totals"));
        }
        Ok(child)
    }
}
