//! The top of an index, and what its object is.
//!
//! The kind stands inside what the root seals, so no peer can tell a tree from a file. It is part of what the content id
//! names: bytes put as a file and the same bytes put as a tree are two objects.

use crate::limits::INDEX_NODE_BYTES_MAX;
use crate::{DecodeError, IndexNode};

/// Where the height stands in an index node. Its high half, which no height reaches, holds the kind in a top.
const HEIGHT_AT: usize = 5;

const KIND_SHIFT: u32 = 4;

/// What the bytes of an object are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum ObjectKind {
    /// Whatever its owner put.
    #[default]
    File = 0,
    /// A directory: contents, catalogue and trailer, see [`tree`](crate::tree).
    Tree = 1,
}

impl ObjectKind {
    const fn from_u8(kind: u8) -> Option<Self> {
        match kind {
            0 => Some(Self::File),
            1 => Some(Self::Tree),
            _ => None,
        }
    }
}

/// The top of an index, as it is packed and sealed into the [root](crate::Root).
///
/// # Shape
/// An [`IndexNode`] whose sixth byte has the kind in its high four bits, and the height in the low ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexTop {
    /// What the object is.
    pub kind: ObjectKind,
    /// The node.
    pub node: IndexNode,
}

impl IndexTop {
    /// The top's bytes, to be packed and sealed.
    ///
    /// # Panics
    /// As [`IndexNode::encode`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.node.encode();
        if let Some(height) = bytes.get_mut(HEIGHT_AT) {
            *height |= (self.kind as u8) << KIND_SHIFT;
        }
        bytes
    }

    /// Decodes a top that was sealed under the owner's keys but may still be anything.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole node of an object of a known kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > INDEX_NODE_BYTES_MAX {
            return Err(DecodeError::TooMany { count: bytes.len(), max: INDEX_NODE_BYTES_MAX });
        }
        let mut node = bytes.to_vec();
        let height = node.get_mut(HEIGHT_AT).ok_or(DecodeError::Truncated)?;
        let kind = ObjectKind::from_u8(*height >> KIND_SHIFT).ok_or(DecodeError::field("object kind"))?;
        *height &= (1 << KIND_SHIFT) - 1;
        Ok(Self { kind, node: IndexNode::decode(&node)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_and_an_unknown_one_refused() {
        let node = IndexNode::Leaf(Vec::new());
        for kind in [ObjectKind::File, ObjectKind::Tree] {
            let top = IndexTop { kind, node: node.clone() };
            assert_eq!(IndexTop::decode(&top.encode()), Ok(top));
        }
        assert_eq!(IndexTop { kind: ObjectKind::File, node: node.clone() }.encode(), node.encode());
        let tree = IndexTop { kind: ObjectKind::Tree, node: node.clone() }.encode();
        assert!(IndexNode::decode(&tree).is_err(), "no node below a top has a kind");
        for kind in 2..16 {
            let mut bytes = node.encode();
            bytes[HEIGHT_AT] |= kind << KIND_SHIFT;
            assert_eq!(IndexTop::decode(&bytes), Err(DecodeError::field("object kind")), "{kind}");
        }
        assert_eq!(IndexTop::decode(&[0; HEIGHT_AT]), Err(DecodeError::Truncated));
    }
}
