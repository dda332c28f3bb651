//! Why a question to a peer came to nothing, and what that says of the peer.

use std::io;

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
    /// The same for another who waited for it; what broke is told by kind and text.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(refusal.clone()),
            Self::Lied { peer, what } => Self::Lied { peer: *peer, what },
            Self::Failed(error) => Self::Failed(match error {
                PeerError::Unreachable { peer, reason } => {
                    PeerError::Unreachable { peer: *peer, reason: reason.clone() }
                }
                PeerError::Broken { peer, source } => {
                    PeerError::Broken { peer: *peer, source: io::Error::new(source.kind(), source.to_string()) }
                }
                PeerError::TimedOut { peer, silence } => PeerError::TimedOut { peer: *peer, silence: *silence },
                PeerError::Nonsense { peer, source } => PeerError::Nonsense { peer: *peer, source: source.clone() },
                PeerError::Relayed { peer } => PeerError::Relayed { peer: *peer },
                PeerError::Stopped => PeerError::Stopped,
            }),
        }
    }

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
