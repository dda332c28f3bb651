//! One item of a catalogue: a file, a directory or a link, with its name and what is restored of it.

use super::name::TreeName;
use crate::DecodeError;
use crate::bytes::{Reader, count_u8, count_u16};
use crate::limits::{TREE_LINK_BYTES_MAX, TREE_MODE_MAX};

const FILE: u8 = 1;
const DIRECTORY: u8 = 2;
const LINK: u8 = 3;

const NANOSECONDS: u32 = 1_000_000_000;

/// When something was changed last: seconds since the start of 1970, and nanoseconds (below 10⁹) after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct TreeTime {
    /// Seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds after those.
    pub nanoseconds: u32,
}

impl TreeTime {
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seconds.to_le_bytes());
        out.extend_from_slice(&self.nanoseconds.to_le_bytes());
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let time = Self { seconds: i64::from_le_bytes(reader.array()?), nanoseconds: reader.u32()? };
        if time.nanoseconds < NANOSECONDS { Ok(time) } else { Err(DecodeError::field("nanoseconds")) }
    }
}

/// A file: its permissions, and where its bytes stand in the tree's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeFile {
    /// Permission bits.
    pub mode: u16,
    /// Where its bytes begin; 0 if there are none.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// The BLAKE3 of its bytes: what tells a file that was restored before from another.
    pub hash: blake3::Hash,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeNode {
    /// A file.
    File(TreeFile),
    /// A directory. What is in it follows, one level deeper.
    Directory {
        /// Permission bits.
        mode: u16,
    },
    /// A symbolic link.
    Link {
        /// Where it leads: 1 to [`TREE_LINK_BYTES_MAX`] bytes without NUL. It may lead anywhere; nothing follows it.
        target: Box<[u8]>,
    },
}

/// One item of a catalogue.
///
/// # Shape
/// Kind (u8: 1 file, 2 directory, 3 link), depth (u16), mode (u16; 0 for a link), modification time in seconds (i64) and
/// nanoseconds (u32), name length (u8), name. Then for a file: offset (u64), length (u64), BLAKE3 of its bytes (32); for
/// a link: length (u16) and bytes of its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeItem {
    /// Names before its own in its path.
    pub depth: u16,
    /// Its name.
    pub name: TreeName,
    /// When it was changed last.
    pub modified: TreeTime,
    /// What it is.
    pub node: TreeNode,
}

impl TreeItem {
    /// Encoded bytes of the smallest item: a directory with a name of one byte.
    pub const BYTES_MIN: usize = 19;

    /// Whether other items can be in it.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        matches!(self.node, TreeNode::Directory { .. })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (kind, mode) = match &self.node {
            TreeNode::File(file) => (FILE, file.mode),
            TreeNode::Directory { mode } => (DIRECTORY, *mode),
            TreeNode::Link { .. } => (LINK, 0),
        };
        out.push(kind);
        out.extend_from_slice(&self.depth.to_le_bytes());
        out.extend_from_slice(&mode.to_le_bytes());
        self.modified.encode(out);
        out.push(count_u8(self.name.as_bytes().len()));
        out.extend_from_slice(self.name.as_bytes());
        match &self.node {
            TreeNode::File(file) => {
                out.extend_from_slice(&file.offset.to_le_bytes());
                out.extend_from_slice(&file.bytes.to_le_bytes());
                out.extend_from_slice(file.hash.as_bytes());
            }
            TreeNode::Directory { .. } => {}
            TreeNode::Link { target } => {
                out.extend_from_slice(&count_u16(target.len()));
                out.extend_from_slice(target);
            }
        }
    }

    /// Decodes an item of a tree with `contents` bytes of contents.
    pub(super) fn decode(reader: &mut Reader<'_>, contents: u64) -> Result<Self, DecodeError> {
        let (kind, depth) = (reader.u8()?, reader.u16()?);
        let mode = mode(reader.u16()?)?;
        let modified = TreeTime::decode(reader)?;
        let name_bytes = usize::from(reader.u8()?);
        let name = TreeName::new(reader.take(name_bytes)?)?;
        let node = match kind {
            FILE => TreeNode::File(decode_file(reader, mode, contents)?),
            DIRECTORY => TreeNode::Directory { mode },
            LINK if mode == 0 => TreeNode::Link { target: decode_target(reader)? },
            _ => return Err(DecodeError::field("kind")),
        };
        Ok(Self { depth, name, modified, node })
    }

    /// Whether its parts are within their bounds: what a builder must not write otherwise.
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        if self.modified.nanoseconds >= NANOSECONDS {
            return Err(DecodeError::field("nanoseconds"));
        }
        match &self.node {
            TreeNode::File(file) => mode(file.mode).map(drop),
            TreeNode::Directory { mode: bits } => mode(*bits).map(drop),
            TreeNode::Link { target } if is_target(target) => Ok(()),
            TreeNode::Link { .. } => Err(DecodeError::field("link")),
        }
    }

    pub(super) fn encoded_bytes(&self) -> usize {
        let rest = match &self.node {
            TreeNode::File(_) => 48,
            TreeNode::Directory { .. } => 0,
            TreeNode::Link { target } => 2 + target.len(),
        };
        Self::BYTES_MIN - 1 + self.name.as_bytes().len() + rest
    }
}

/// Permission bits, and no others: a file that was set to run as its owner must not do so as whoever restores it.
pub(super) fn mode(bits: u16) -> Result<u16, DecodeError> {
    if bits <= TREE_MODE_MAX { Ok(bits) } else { Err(DecodeError::field("mode")) }
}

fn decode_file(reader: &mut Reader<'_>, mode: u16, contents: u64) -> Result<TreeFile, DecodeError> {
    let (offset, bytes) = (reader.u64()?, reader.u64()?);
    let inside = offset.checked_add(bytes).is_some_and(|end| end <= contents);
    if !inside || (bytes == 0 && offset != 0) {
        return Err(DecodeError::field("contents"));
    }
    Ok(TreeFile { mode, offset, bytes, hash: blake3::Hash::from_bytes(reader.array()?) })
}

fn decode_target(reader: &mut Reader<'_>) -> Result<Box<[u8]>, DecodeError> {
    let bytes = usize::from(reader.u16()?);
    let target = reader.take(bytes)?;
    if is_target(target) { Ok(target.into()) } else { Err(DecodeError::field("link")) }
}

fn is_target(bytes: &[u8]) -> bool {
    (1..=TREE_LINK_BYTES_MAX).contains(&bytes.len()) && !bytes.contains(&0)
}
