//! What it takes to get stripes: peers, the words to ask them, and the code of an object.

use std::sync::Arc;

use storgo_protocol::{Code, PeerId};

use crate::miss::Miss;
use crate::pool::Pool;
use crate::ports::Peers;
use crate::remote::Remote;

/// Gets stripes from a pool of peers.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    pub(crate) peers: Arc<dyn Peers>,
    pub(crate) remote: Remote,
    pub(crate) pool: Arc<Pool>,
    pub(crate) code: Code,
}

impl Fetcher {
    /// Notes what a pull came to, if it says something of the peer.
    pub(super) fn note(&self, peer: PeerId, miss: &Miss) {
        if miss.is_peer_gone() {
            self.pool.fail(peer, miss);
        }
    }
}
