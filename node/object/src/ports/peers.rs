//! The network as the engine sees it: who answers, and one question to one peer.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use storgo_protocol::message::{Answer, PeerCard, Request};
use storgo_protocol::{DecodeError, NetworkId, NodeId, PeerId};

/// Other peers. Implemented by the mesh, and in memory for tests.
#[async_trait]
pub trait Peers: Send + Sync + fmt::Debug {
    /// The identity under which this side connects: the holder that grants must name.
    fn me(&self) -> PeerId;

    /// The network that was joined; `None` before any peer answered.
    fn network(&self) -> Option<NetworkId>;

    /// The cards of peers that keep shards and answer now, this side excluded. Peers that were only heard of are
    /// dialled until `enough` answer or no one is left to dial, so the call takes as long as the slowest dial.
    async fn answering(&self, enough: usize) -> Vec<PeerCard>;

    /// As [`Peers::answering`], but once somebody answers and no one else does for as long as `linger`, dials that are
    /// under way are not waited for: an address that swallows packets holds nothing up.
    async fn answering_soon(&self, enough: usize, linger: Duration) -> Vec<PeerCard>;

    /// Asks one peer and waits for its answer, which is well-formed but not to be believed.
    ///
    /// # Errors
    /// [`PeerError`] when there is no answer; a refusal is an answer.
    async fn ask(&self, peer: PeerId, request: Request) -> Result<Answer, PeerError>;

    /// Peers that announced in the DHT that they hold this node, as far as found; none of them is to be believed.
    async fn providers(&self, node: NodeId) -> Vec<PeerId>;

    /// Notes that a peer was caught: it gave wrong bytes or said what is not so. It is asked last for a while.
    fn distrust(&self, peer: PeerId, what: &str);

    /// The peers that were caught not long ago.
    fn distrusted(&self) -> Vec<PeerId>;
}

/// The other side of [`Peers::ask`]: answers requests of peers. Implemented by `ShardService`,
/// called by the mesh.
#[async_trait]
pub trait Serve: Send + Sync + fmt::Debug {
    /// Answers one request of `from`, whose identity the connection proved. Never fails: a fault is a refusal.
    async fn serve(&self, from: PeerId, request: Request) -> Answer;
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// No address of the peer is known, or none answers.
    #[error("peer {peer} cannot be reached: {reason}")]
    Unreachable {
        /// The peer.
        peer: PeerId,
        /// What the last attempt met.
        reason: String,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection to peer {peer} broke")]
    Broken {
        /// The peer.
        peer: PeerId,
        /// What broke.
        #[source]
        source: std::io::Error,
    },
    /// The peer moved no byte for too long.
    #[error("peer {peer} was silent for {silence:?}")]
    TimedOut {
        /// The peer.
        peer: PeerId,
        /// How long was waited.
        silence: Duration,
    },
    /// What came is no answer: the peer speaks another language, or lies.
    #[error("peer {peer} answered nonsense")]
    Nonsense {
        /// The peer.
        peer: PeerId,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// The peer is reached through a relay only, and bulk was not to go that way.
    #[error("peer {peer} is reached only through a relay, and bulk through relays is off")]
    Relayed {
        /// The peer.
        peer: PeerId,
    },
    /// This side is shutting down.
    #[error("the network was stopped")]
    Stopped,
}
