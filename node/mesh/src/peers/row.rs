//! One row of the peer table, and what follows from it alone.

use std::time::{Duration, Instant};

use storgo_protocol::limits::PEER_ADDRESSES_MAX;
use storgo_protocol::message::PeerCard;
use storgo_protocol::{PeerAddress, PeerId};

use super::path::Path;
use crate::names;

/// All that is remembered of one peer.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) addresses: Vec<PeerAddress>,
    pub(super) card: Option<PeerCard>,
    pub(super) first_hand: bool,
    /// The best first.
    pub(super) paths: Vec<Path>,
    pub(super) welcomed: bool,
    pub(super) refusal: Option<String>,
    pub(super) heard: Option<Instant>,
    pub(super) round_trip: Option<Duration>,
    pub(super) failures: u32,
    pub(super) fault: String,
    pub(super) retry_at: Option<Instant>,
    /// When somebody last asked for another try: what was begun before does not count against it.
    pub(super) tried_anew: Option<Instant>,
    pub(super) distrust: Option<Distrust>,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

/// What a peer was caught at.
#[derive(Debug)]
pub(super) struct Distrust {
    /// The last lie.
    pub(super) what: String,
    /// How many there were.
    pub(super) lies: u32,
    /// When it is forgiven, though not forgotten: the next lie weighs twice.
    pub(super) until: Instant,
}

impl Row {
    pub(super) fn distrusted(&self, now: Instant) -> bool {
        self.distrust.as_ref().is_some_and(|distrust| now < distrust.until)
    }

    pub(super) fn linked(&self) -> bool {
        !self.paths.is_empty()
    }

    pub(super) fn may_store(&self) -> bool {
        self.card.as_ref().is_none_or(|card| card.stores)
    }

    pub(super) fn answers(&self) -> bool {
        self.linked() && self.welcomed
    }

    pub(super) fn backed_off(&self, now: Instant) -> bool {
        self.retry_at.is_some_and(|at| now < at)
    }
}

/// Adds addresses, the newest first; what names another peer is left out, and the oldest beyond the bound.
pub(super) fn merge(known: &mut Vec<PeerAddress>, peer: PeerId, found: &[PeerAddress]) {
    let found: Vec<PeerAddress> = found.iter().filter_map(|a| names::with_peer(a.as_multiaddr(), peer)).collect();
    known.retain(|address| !found.contains(address));
    known.splice(0..0, found);
    known.truncate(PEER_ADDRESSES_MAX);
}
