//! Why a question to a peer came to nothing, and what that says of the peer.

use storgo_protocol::PeerId;
use storgo_protocol::message::{Refusal, RefusalKind};

use crate::ports::PeerError;

/// Why a peer did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Miss {
    /// It said no.
    #[error("{0}")]
    Refused(Refusal),
    /// It did not answer.
    #[error(transparent)]
    Failed(#[from] PeerError),
    /// It answered what is not so, and was noted for it.
    #[error("peer {peer} gave {what}")]
    Lied {
        /// The peer.
        peer: PeerId,
        /// What it gave.
        what: &'static str,
    },
}

impl Miss {
    /// Whether bytes were there and were damaged, by the peer's own word or by ours.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.kind == RefusalKind::Corrupt,
            Self::Lied { .. } => true,
            Self::Failed(_) => false,
        }
    }

    /// Whether the peer is of no use for anything else now.
    pub(crate) const fn is_peer_gone(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Lied { .. })
    }
}
