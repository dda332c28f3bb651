//! What groups need of a network: frames to peers, one way.
//!
//! Implemented by the mesh over a stream, by the simulator over turmoil, and in memory. A frame may be lost, and is never
//! to be changed or sent in another's name: the connection proves who sent it, and whoever receives it hands it to
//! [`Groups::receive`](crate::Groups::receive).

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use storgo_protocol::{PeerAddress, PeerId};

/// Carries frames to other peers.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends a frame of at most [`RAFT_FRAME_BYTES_MAX`](storgo_protocol::limits::RAFT_FRAME_BYTES_MAX) bytes. That it
    /// was sent does not say that it arrived; frames to one peer need not arrive in order.
    ///
    /// # Errors
    /// [`TransportError`] if it is known that it does not arrive.
    async fn send(&self, to: PeerId, frame: Bytes) -> Result<(), TransportError>;

    /// Notes where a peer is said to listen.
    fn hear_of(&self, _peer: PeerId, _addresses: &[PeerAddress]) {}
}

/// Why a frame was not sent.
#[derive(Debug, Clone, thiserror::Error)]
#[error("peer {peer} cannot be reached: {reason}")]
pub struct TransportError {
    /// The peer.
    pub peer: PeerId,
    /// What stands in the way.
    pub reason: String,
}
