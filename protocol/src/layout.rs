//! The layout: which stripe codes which chunk. All that repair, audit and collection need, and nothing that reads.
//!
//! A tree whose top says the code; its entries stand in index order (the n-th extent first, then index nodes in
//! post-order), so it is seekable beside the index. Another code makes another layout of the same content.

use crate::bytes::{Reader, count_u16};
use crate::identity::{Identity, SIGNATURE_BYTES};
use crate::limits::{NODE_BYTES_MAX, NODE_COPIES_MAX, OBJECT_BYTES_MAX, TREE_DEPTH_MAX};
use crate::{ChunkId, Code, ContentId, DecodeError, LayoutId, NodeId, PeerId, StripeId};

const TOP_MAGIC: [u8; 4] = *b"SGLT";
const NODE_MAGIC: [u8; 4] = *b"SGLN";
const RECORD_MAGIC: [u8; 4] = *b"SGLR";
const VERSION: u8 = 1;

/// A chunk and the stripe that codes it: 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutEntry {
    /// The chunk.
    pub chunk: ChunkId,
    /// Its coding.
    pub stripe: StripeId,
}

/// A subtree of a layout: the node and the entries below it. 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutChild {
    /// The node, to be pulled by its id.
    pub node: NodeId,
    /// Entries below it.
    pub entries: u64,
}

/// What a layout node holds.
///
/// # Shape
/// Height (u8; 0 for entries), item count (u16), items of 64 or 40 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayoutItems {
    /// Entries in index order.
    Entries(Vec<LayoutEntry>),
    /// Subtrees in order, each one level lower.
    Children {
        /// Levels below.
        height: u8,
        /// The subtrees, at least one.
        children: Vec<LayoutChild>,
    },
}

impl LayoutItems {
    /// Entries in the fullest node, the top's own fields allowed for.
    pub const ENTRIES_MAX: usize = (NODE_BYTES_MAX - 128) / 64;
    /// Children in the fullest node, the top's own fields allowed for.
    pub const CHILDREN_MAX: usize = (NODE_BYTES_MAX - 128) / 40;

    /// Entries here and below.
    #[must_use]
    pub fn total(&self) -> u64 {
        match self {
            Self::Entries(entries) => entries.len() as u64,
            Self::Children { children, .. } => children.iter().map(|child| child.entries).sum(),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Entries(entries) => {
                out.push(0);
                out.extend_from_slice(&count_u16(entries.len()));
                for entry in entries {
                    out.extend_from_slice(entry.chunk.as_bytes());
                    out.extend_from_slice(entry.stripe.as_bytes());
                }
            }
            Self::Children { height, children } => {
                out.push(*height);
                out.extend_from_slice(&count_u16(children.len()));
                for child in children {
                    out.extend_from_slice(child.node.as_bytes());
                    out.extend_from_slice(&child.entries.to_le_bytes());
                }
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let height = reader.u8()?;
        if usize::from(height) > TREE_DEPTH_MAX {
            return Err(DecodeError::field("height"));
        }
        if height == 0 {
            let count = reader.count(Self::ENTRIES_MAX, 64)?;
            let entry = |_| -> Result<LayoutEntry, DecodeError> {
                Ok(LayoutEntry {
                    chunk: ChunkId::from_bytes(reader.array()?),
                    stripe: StripeId::from_bytes(reader.array()?),
                })
            };
            return Ok(Self::Entries((0..count).map(entry).collect::<Result<_, _>>()?));
        }
        let count = reader.count(Self::CHILDREN_MAX, 40)?;
        let child = |_| -> Result<LayoutChild, DecodeError> {
            let child = LayoutChild { node: NodeId::from_bytes(reader.array()?), entries: reader.u64()? };
            if child.entries == 0 || child.entries > OBJECT_BYTES_MAX {
                return Err(DecodeError::field("child entries"));
            }
            Ok(child)
        };
        let children = (0..count).map(child).collect::<Result<Vec<_>, _>>()?;
        if children.is_empty() {
            return Err(DecodeError::field("child count"));
        }
        Ok(Self::Children { height, children })
    }
}

/// The top of a layout.
///
/// # Shape
/// `"SGLT"`, version 1, content id (32), node copies (u8), code id (u8), parameter length (u8), parameters, extents and
/// index nodes (u64 each), [`LayoutItems`]. The [`LayoutId`] is the BLAKE3 of these bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutTop {
    /// The content that is laid out.
    pub content: ContentId,
    /// Copies of the root and of every layout node.
    pub node_copies: u8,
    /// The code of every stripe.
    pub code: Code,
    /// Entries that stand for extents: the first ones.
    pub extents: u64,
    /// Entries that stand for index nodes: the last ones.
    pub index_nodes: u64,
    /// Entries or subtrees.
    pub items: LayoutItems,
}

impl LayoutTop {
    /// The top's bytes, whose hash is the layout id.
    ///
    /// # Panics
    /// If no reader would accept them: the builder broke a bound.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&TOP_MAGIC);
        out.push(VERSION);
        out.extend_from_slice(self.content.as_bytes());
        out.extend_from_slice(&[self.node_copies, self.code.id(), Code::PARAMETER_BYTES]);
        out.extend_from_slice(&self.code.parameters());
        out.extend_from_slice(&self.extents.to_le_bytes());
        out.extend_from_slice(&self.index_nodes.to_le_bytes());
        self.items.encode(&mut out);
        assert_eq!(Self::decode_unverified(&out).as_ref(), Ok(self), "a layout top that its builder made wrong");
        out
    }

    /// Decodes a top and checks that it is the one asked for.
    ///
    /// # Errors
    /// [`DecodeError::Unverified`] if the bytes are not those of `id`, or another [`DecodeError`].
    pub fn decode(id: LayoutId, bytes: &[u8]) -> Result<Self, DecodeError> {
        if blake3::hash(bytes) != *id.as_bytes() {
            return Err(DecodeError::Unverified { what: "layout" });
        }
        Self::decode_unverified(bytes)
    }

    /// Decodes bytes that claim to be the top of a layout, whatever their hash.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole top within its bounds.
    pub fn decode_unverified(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > NODE_BYTES_MAX {
            return Err(DecodeError::TooMany { count: bytes.len(), max: NODE_BYTES_MAX });
        }
        let mut reader = Reader::new(bytes);
        reader.header(TOP_MAGIC, VERSION)?;
        let content = ContentId::from_bytes(reader.array()?);
        let node_copies = reader.u8()?;
        if node_copies == 0 || usize::from(node_copies) > NODE_COPIES_MAX {
            return Err(DecodeError::field("node copies"));
        }
        let code_id = reader.u8()?;
        let parameter_bytes = usize::from(reader.u8()?);
        let code = Code::from_parameters(code_id, reader.take(parameter_bytes)?)?;
        let (extents, index_nodes) = (reader.u64()?, reader.u64()?);
        let items = LayoutItems::decode(&mut reader)?;
        reader.finish()?;
        // Each level of the index below its top has at most one node for each extent.
        if extents > OBJECT_BYTES_MAX
            || index_nodes > extents * TREE_DEPTH_MAX as u64
            || extents + index_nodes != items.total()
        {
            return Err(DecodeError::field("totals"));
        }
        Ok(Self { content, node_copies, code, extents, index_nodes, items })
    }
}

/// A layout node below the top.
///
/// # Shape
/// `"SGLN"`, version 1, [`LayoutItems`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutNode {
    /// Entries or subtrees.
    pub items: LayoutItems,
}

impl LayoutNode {
    /// The node's bytes, whose hash is its [`NodeId`].
    ///
    /// # Panics
    /// If no reader would accept them: the builder broke a bound.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&NODE_MAGIC);
        out.push(VERSION);
        self.items.encode(&mut out);
        assert_eq!(Self::decode_unverified(&out).as_ref(), Ok(self), "a layout node that its builder made wrong");
        out
    }

    /// Decodes a node and checks that it is the one asked for.
    ///
    /// # Errors
    /// [`DecodeError::Unverified`] if the bytes are not those of `id`, or another [`DecodeError`].
    pub fn decode(id: NodeId, bytes: &[u8]) -> Result<Self, DecodeError> {
        if NodeId::of(bytes) != id {
            return Err(DecodeError::Unverified { what: "layout node" });
        }
        Self::decode_unverified(bytes)
    }

    /// Decodes bytes that claim to be a layout node, whatever their hash.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole node within its bounds.
    pub fn decode_unverified(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > NODE_BYTES_MAX {
            return Err(DecodeError::TooMany { count: bytes.len(), max: NODE_BYTES_MAX });
        }
        let mut reader = Reader::new(bytes);
        reader.header(NODE_MAGIC, VERSION)?;
        let items = LayoutItems::decode(&mut reader)?;
        reader.finish()?;
        // Only the top of an empty object's layout has nothing below it.
        if items.total() == 0 {
            return Err(DecodeError::field("entry count"));
        }
        Ok(Self { items })
    }
}

/// An owner's word on which layout of a content is the present one. Kept beside the root by its holders.
///
/// # Shape
/// `"SGLR"`, version 1, content id (32), layout id (32), number (u64), owner (32), signature (64) of all before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutRecord {
    /// The content.
    pub content: ContentId,
    /// Its present layout.
    pub layout: LayoutId,
    /// Grows with each record of this owner; a reader takes the highest.
    pub number: u64,
    /// Who says so.
    pub owner: PeerId,
    signature: [u8; SIGNATURE_BYTES],
}

impl LayoutRecord {
    /// Bytes of an encoded record.
    pub const BYTES: usize = 5 + 32 + 32 + 8 + 32 + SIGNATURE_BYTES;

    /// Signs a record.
    #[must_use]
    pub fn sign(owner: &Identity, content: ContentId, layout: LayoutId, number: u64) -> Self {
        let mut record = Self { content, layout, number, owner: owner.id(), signature: [0; SIGNATURE_BYTES] };
        record.signature = owner.sign(&record.signed_bytes());
        record
    }

    /// The record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.signed_bytes();
        out.extend_from_slice(&self.signature);
        out
    }

    /// Decodes a record and checks its signature.
    ///
    /// # Errors
    /// [`DecodeError::Unverified`] for a signature that is not its owner's, or another [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(RECORD_MAGIC, VERSION)?;
        let record = Self {
            content: ContentId::from_bytes(reader.array()?),
            layout: LayoutId::from_bytes(reader.array()?),
            number: reader.u64()?,
            owner: PeerId::from_bytes(reader.array()?),
            signature: reader.array()?,
        };
        reader.finish()?;
        record.owner.verify("layout record", &record.signed_bytes(), &record.signature)?;
        Ok(record)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend_from_slice(&RECORD_MAGIC);
        out.push(VERSION);
        out.extend_from_slice(self.content.as_bytes());
        out.extend_from_slice(self.layout.as_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(self.owner.as_bytes());
        out
    }
}
