//! Why a mesh could not start, or could not say what was asked about it. What is asked *of a peer* fails with
//! [`PeerError`](storgo_object::ports::PeerError).

/// A mesh's own failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeshError {
    /// An address in the configuration cannot be used.
    #[error("{address} is no address to {purpose}: {reason}")]
    Address {
        /// What was written.
        address: String,
        /// What it was for.
        purpose: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The transports could not be set up.
    #[error("the network could not be set up: {reason}")]
    Setup {
        /// What failed.
        reason: String,
    },
    /// A client that belongs to no network yet found no peer to take it in.
    #[error("no peer answered, so no network is known: {}", tried.join("; "))]
    NotJoined {
        /// Each address that was tried, and what it met.
        tried: Vec<String>,
    },
    /// The peers that answered are of another network, or refused for another reason.
    #[error("{by} refused: {reason}")]
    Refused {
        /// Who refused.
        by: String,
        /// Its reason.
        reason: String,
    },
    /// The DHT gave no answer in time.
    #[error("the query in the DHT timed out")]
    TimedOut,
    /// Too many queries are under way.
    #[error("too many queries are under way in the DHT")]
    Busy,
    /// The mesh was stopped.
    #[error("the network was stopped")]
    Stopped,
}

impl MeshError {
    pub(crate) fn setup(reason: impl std::fmt::Display) -> Self {
        Self::Setup { reason: reason.to_string() }
    }
}
