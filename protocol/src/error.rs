//! Why outside bytes were refused.

/// A decoder's refusal. Nothing of the input was used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ends inside a field.
    #[error("the bytes end too early")]
    Truncated,
    /// The input goes on after its last field.
    #[error("{bytes} bytes too many")]
    Trailing {
        /// How many bytes were left.
        bytes: usize,
    },
    /// Another format, or none.
    #[error("not a storgo {} (magic bytes do not match)", String::from_utf8_lossy(expected))]
    Magic {
        /// The magic that the format starts with.
        expected: [u8; 4],
    },
    /// A version that this program does not know: written by a newer one.
    #[error("format version {found} is not known here (up to {known}): use a newer storgo")]
    Version {
        /// The version found.
        found: u8,
        /// The newest version known.
        known: u8,
    },
    /// A count beyond its bound.
    #[error("{count} items where at most {max} are allowed")]
    TooMany {
        /// The count found.
        count: usize,
        /// The bound.
        max: usize,
    },
    /// A field whose value cannot be.
    #[error("{field} is out of range")]
    Field {
        /// The field, as the specification calls it.
        field: &'static str,
    },
    /// A hash or signature that does not match.
    #[error("{what} does not verify")]
    Unverified {
        /// What was checked.
        what: &'static str,
    },
}

impl DecodeError {
    pub(crate) const fn field(field: &'static str) -> Self {
        Self::Field { field }
    }
}
