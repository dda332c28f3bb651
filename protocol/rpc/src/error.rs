//! Why a question to a node has no answer, on either side of the socket.

use std::path::PathBuf;
use std::str::FromStr;

use storgo_protocol::DecodeError;
use tonic::{Code, Status};

/// Why a client has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// Nobody answers at the socket.
    #[error("no node answers at {}", path.display())]
    NoNode {
        /// The socket.
        path: PathBuf,
        /// What the attempt met.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The node refused what was asked as it makes no sense.
    #[error("the node refused the question: {reason}")]
    Invalid {
        /// What the node said.
        reason: String,
    },
    /// The node failed, is stopping, or took too long.
    #[error("the node has no answer: {reason}")]
    Unavailable {
        /// What the node said.
        reason: String,
    },
    /// What came is no answer: another version, or no node of ours.
    #[error("the node's answer makes no sense")]
    Nonsense(#[from] DecodeError),
}

impl RpcError {
    pub(crate) fn from_status(status: &Status) -> Self {
        let reason = status.message().to_owned();
        match status.code() {
            Code::InvalidArgument | Code::Unimplemented => Self::Invalid { reason },
            _ => Self::Unavailable { reason },
        }
    }
}

/// Why a node cannot answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The question makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The node is stopping, or a query timed out.
    #[error("{0}")]
    Unavailable(String),
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Invalid(reason) => Self::invalid_argument(reason),
            ApiError::Unavailable(reason) => Self::unavailable(reason),
        }
    }
}

/// Parses an id or address of an answer.
pub(crate) fn parse<T: FromStr>(field: &'static str, text: &str) -> Result<T, DecodeError> {
    text.parse().map_err(|_| DecodeError::Field { field })
}

/// Parses a list of ids or addresses of an answer.
pub(crate) fn parse_all<T: FromStr>(field: &'static str, texts: &[String]) -> Result<Vec<T>, DecodeError> {
    texts.iter().map(|text| parse(field, text)).collect()
}
