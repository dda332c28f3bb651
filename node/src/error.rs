//! What can go wrong around the engine: directories, homes, sockets, the network's start.

use std::io;
use std::path::{Path, PathBuf};

use storgo_mesh::MeshError;
use storgo_object::ObjectError;
use storgo_object::ports::StoreError;
use storgo_protocol::DecodeError;
use storgo_rpc::SocketError;

/// Why a node did not start or stopped, or a client could not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The file system refused.
    #[error("{what} {}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of a home or a data directory is not what it should be, and nothing is made up in its place.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process holds what only one may.
    #[error("{} is in use by another process", path.display())]
    Busy {
        /// What it holds.
        path: PathBuf,
    },
    /// What would be written is there already.
    #[error("{} exists already", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// What no tree can hold: a path too deep or too long, or more than a tree may have.
    #[error("{} cannot be part of a tree", path.display())]
    Unfit {
        /// What it is.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// The configuration cannot be used.
    #[error("{what}: {reason}")]
    Config {
        /// The setting.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A part did not start, or did not stop as it should.
    #[error("{part} failed")]
    Part {
        /// Which part.
        part: &'static str,
        /// What it met.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nobody took this side into a network.
    #[error("no network was joined")]
    NotJoined(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node of this machine that was named is of no use.
    #[error("the node at {} cannot be asked", path.display())]
    NoNode {
        /// Where it was looked for.
        path: PathBuf,
        /// What was met there.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part of the node died: a bug here. The node stops rather than go on without it.
    #[error("{part} died: {reason}")]
    Died {
        /// Which part.
        part: &'static str,
        /// How.
        reason: String,
    },
    /// The engine failed.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> Self {
        Self::Part { part: "the store", source: error.into() }
    }
}

impl From<SocketError> for NodeError {
    fn from(error: SocketError) -> Self {
        Self::Part { part: "the socket", source: error.into() }
    }
}

impl From<MeshError> for NodeError {
    fn from(error: MeshError) -> Self {
        match error {
            MeshError::NotJoined { .. } | MeshError::Refused { .. } => Self::NotJoined(error.into()),
            MeshError::Address { address, reason, .. } => Self::Config { what: address, reason },
            error => Self::Part { part: "the network", source: error.into() },
        }
    }
}

/// Names what was attempted, and where, beside what the system said.
pub(crate) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NodeError {
    move |source| NodeError::Io { what, path: path.to_owned(), source }
}
