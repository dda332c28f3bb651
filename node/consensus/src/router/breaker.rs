//! Peers that do not answer are passed over for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{ROUTER_FAILURES_MAX, ROUTER_OPEN_SECONDS, ROUTER_PEERS_MAX};
use tokio::time::Instant;

/// What is known of peers that failed. Who answers is forgotten.
#[derive(Debug, Default)]
pub(super) struct Breakers(Mutex<BTreeMap<PeerId, Failing>>);

#[derive(Debug, Clone, Copy)]
struct Failing {
    in_a_row: u32,
    last: Instant,
}

impl Failing {
    fn is_open(&self) -> bool {
        self.in_a_row >= ROUTER_FAILURES_MAX && self.last.elapsed() < Duration::from_secs(ROUTER_OPEN_SECONDS)
    }
}

impl Breakers {
    /// Notes whether a peer answered; says whether it is passed over from now on.
    pub(super) fn note(&self, peer: PeerId, answered: bool) -> bool {
        let mut failing = self.0.lock();
        if answered {
            failing.remove(&peer);
            return false;
        }
        if failing.len() >= ROUTER_PEERS_MAX && !failing.contains_key(&peer) {
            failing.pop_first();
        }
        let known = failing.entry(peer).or_insert(Failing { in_a_row: 0, last: Instant::now() });
        let was_open = known.is_open();
        *known = Failing { in_a_row: known.in_a_row.saturating_add(1), last: Instant::now() };
        !was_open && known.is_open()
    }

    /// How many peers are known to fail.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whom to ask, the first one last. Those that are passed over are left out, unless that leaves nobody.
    pub(super) fn in_order(&self, peers: Vec<PeerId>) -> Vec<PeerId> {
        let failing = self.0.lock();
        let is_open = |peer: &PeerId| failing.get(peer).is_some_and(Failing::is_open);
        let mut closed: Vec<PeerId> = peers.iter().filter(|peer| !is_open(peer)).copied().collect();
        if closed.is_empty() {
            closed = peers;
        }
        closed.reverse();
        closed
    }
}
