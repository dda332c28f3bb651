//! The engine: what every operation on objects shares.

use std::sync::Arc;

use storgo_protocol::{ConvergenceSecret, Identity};

use crate::pace::Pace;
use crate::ports::{Clock, Peers, Random};

/// Who puts and repairs: the identity that owns and signs, and the secret under which equal content converges.
#[derive(Debug)]
pub struct User {
    /// Owns what is put, and signs grants and layout records.
    pub identity: Identity,
    /// Derives chunk keys in the `dedup` profile.
    pub secret: ConvergenceSecret,
}

/// Puts, gets, surveys and repairs objects over [`Peers`]. Cheap to clone.
///
/// It runs where the user trusts the machine: it sees plaintext and keys, and keeps nothing on any disk.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) peers: Arc<dyn Peers>,
    pub(crate) user: Arc<User>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    /// How fast the peers answered, whatever was asked.
    pub(crate) pace: Arc<Pace>,
}

impl Engine {
    /// An engine for `user` over these peers.
    #[must_use]
    pub fn new(peers: Arc<dyn Peers>, user: Arc<User>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { peers, user, clock, random, pace: Arc::default() }
    }
}
