//! What can go wrong with an object, named by what the caller can do about it.

use storgo_pipeline::PipelineError;
use storgo_protocol::DecodeError;
use storgo_protocol::tree::TreePath;

use crate::names::NameError;

/// Why an operation on an object failed. Nothing of it counts as done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// No peer that keeps shards answers.
    #[error("no storage peer answers")]
    NoPeers,
    /// Too little of the object is left within reach.
    #[error("{what}: {have} of the {need} that are needed")]
    NotEnough {
        /// What is missing: a chunk by number, or an index node.
        what: String,
        /// Good shards or copies found.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// No peer within reach has a node that everything hangs on.
    #[error("{what}: 0 copies within reach of {peers} peers")]
    NoCopies {
        /// Which node: `root`, `layout` or a part of it.
        what: &'static str,
        /// Peers that were asked.
        peers: usize,
    },
    /// The peers that answer cannot hold it as widely as was asked.
    #[error("{need} distinct storage peers are needed and {have} answer")]
    TooFewPeers {
        /// Peers that answer.
        have: usize,
        /// Peers needed.
        need: usize,
    },
    /// No peer has room for what must be written.
    #[error("no space left for {what}: {reason}")]
    NoSpace {
        /// What could not be written.
        what: String,
        /// What the last peer said.
        reason: String,
    },
    /// Every peer refused, for a reason other than space.
    #[error("{what} was refused: {reason}")]
    Denied {
        /// What was refused.
        what: String,
        /// What the last peer said.
        reason: String,
    },
    /// Peers that were asked failed, and there are no others.
    #[error("{what} could not be stored: {reason}")]
    Unavailable {
        /// What could not be done.
        what: String,
        /// What the last peer met.
        reason: String,
    },
    /// The ticket's key does not open the object it names.
    #[error("the ticket's key does not open this object")]
    WrongKey,
    /// What was found is not what its owner wrote.
    #[error("{what} is damaged")]
    Corrupt {
        /// What it is.
        what: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The range is outside the object.
    #[error("the range {from}..{to} is outside the object of {size} bytes")]
    Range {
        /// First byte asked for.
        from: u64,
        /// Byte after the last asked for.
        to: u64,
        /// Bytes of the object.
        size: u64,
    },
    /// What was named is of another kind than what was asked for.
    #[error("{what} is {is}, not {wanted}")]
    WrongKind {
        /// What was named.
        what: String,
        /// What it is.
        is: &'static str,
        /// What it would have to be.
        wanted: &'static str,
    },
    /// Nothing in the tree has this path.
    #[error("{path} is not in the tree")]
    NotInTree {
        /// The path.
        path: TreePath,
    },
    /// An operation on a name failed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The user's side failed: the source could not be read, or the target not written.
    #[error("{what}")]
    Local {
        /// What was attempted.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A task of the engine itself died: a bug here.
    #[error("an internal task failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a caller can do about an [`ObjectError`]: each door maps these, and only these, to its own codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Peers are away: try again later.
    Unavailable,
    /// Too few shards are left within reach.
    NotEnough,
    /// What is there is damaged beyond repair.
    Corrupt,
    /// Somebody must make room.
    NoSpace,
    /// The caller may not.
    Denied,
    /// The caller asked for what cannot be.
    Invalid,
    /// What the caller named is not there.
    NotFound,
    /// It is not as the caller thought: look again.
    Conflict,
    /// The caller's own files failed.
    Local,
    /// A bug.
    Internal,
}

impl ObjectError {
    /// What can be done about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NoPeers | Self::TooFewPeers { .. } | Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::NotEnough { .. } | Self::NoCopies { .. } => ErrorKind::NotEnough,
            Self::NoSpace { .. } => ErrorKind::NoSpace,
            Self::Denied { .. } | Self::WrongKey => ErrorKind::Denied,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Range { .. } | Self::WrongKind { .. } => ErrorKind::Invalid,
            Self::NotInTree { .. } => ErrorKind::NotFound,
            Self::Name(error) => error.kind(),
            Self::Local { .. } => ErrorKind::Local,
            Self::Internal(_) => ErrorKind::Internal,
        }
    }

    pub(crate) fn corrupt(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Corrupt { what: what.into(), source: source.into() }
    }
}

impl From<PipelineError> for ObjectError {
    fn from(error: PipelineError) -> Self {
        Self::corrupt("a chunk", error)
    }
}

impl From<DecodeError> for ObjectError {
    fn from(error: DecodeError) -> Self {
        Self::corrupt("a node", error)
    }
}
