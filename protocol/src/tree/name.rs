//! A name in a directory: the one door through which bytes become something that a file may be called.

use std::fmt;

use crate::DecodeError;
use crate::limits::TREE_NAME_BYTES_MAX;

/// A name in a directory: bytes, neither empty nor `.` nor `..`, without `/` and NUL, of at most
/// [`TREE_NAME_BYTES_MAX`]. It need not be UTF-8 and may hold control characters: whoever prints it escapes it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeName(Box<[u8]>);

impl TreeName {
    /// Takes bytes as a name.
    ///
    /// # Errors
    /// [`DecodeError::Field`] for bytes that no file may be called.
    pub fn new(bytes: &[u8]) -> Result<Self, DecodeError> {
        if is_name(bytes) { Ok(Self(bytes.into())) } else { Err(DecodeError::field("name")) }
    }

    /// The name's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TreeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeName({})", self.0.escape_ascii())
    }
}

/// Whether these bytes name something in a directory, and nothing outside of it.
pub(super) fn is_name(bytes: &[u8]) -> bool {
    (1..=TREE_NAME_BYTES_MAX).contains(&bytes.len())
        && bytes != b"."
        && bytes != b".."
        && !bytes.iter().any(|byte| matches!(byte, b'/' | 0))
}
