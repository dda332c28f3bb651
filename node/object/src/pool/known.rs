//! What one operation knows of its peers: who failed and until when, who was late, who lied.
//!
//! It is pure: the time is an argument, so that pauses and their ends are tested without waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use storgo_pipeline::Candidate;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{LATE_SECONDS, PEER_PAUSE_SECONDS_MAX, PEER_PAUSE_SECONDS_MIN};
use storgo_protocol::message::{PeerCard, RefusalKind};
use tokio::time::Instant;

use crate::miss::Miss;

/// What is known of the peers of one operation. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) cards: Vec<PeerCard>,
    pub(super) failed: BTreeMap<PeerId, Failure>,
    /// Peers that took longer than others, and until when that counts.
    pub(super) late: BTreeMap<PeerId, Instant>,
    /// Peers that lied, in this operation or not long before it.
    pub(super) caught: BTreeSet<PeerId>,
    /// Those of them that lied in this operation.
    pub(super) lied: BTreeSet<PeerId>,
}

/// Why a peer is not used.
#[derive(Debug)]
pub(super) struct Failure {
    /// It does not answer, or not what is so: there is nothing to be read from it either.
    pub(super) gone: bool,
    pub(super) full: bool,
    pub(super) reason: String,
    /// How often it failed.
    pub(super) times: u32,
    /// When it may be tried again; `None` for as long as nobody is asked anew.
    pub(super) until: Option<Instant>,
}

/// How much is expected of a peer, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Nothing is known against it.
    Good,
    /// It was late a moment ago.
    Late,
    /// It lied.
    Caught,
}

impl Known {
    pub(super) fn note_failure(&mut self, peer: PeerId, miss: &Miss, now: Instant) {
        if matches!(miss, Miss::Lied { .. }) {
            self.caught.insert(peer);
            self.lied.insert(peer);
        }
        let full = match miss {
            Miss::Refused(refusal) => matches!(refusal.kind, RefusalKind::NoSpace | RefusalKind::Quota),
            Miss::Failed(_) | Miss::Lied { .. } => false,
        };
        let times = self.failed.get(&peer).map_or(0, |failure| failure.times);
        let pause = (PEER_PAUSE_SECONDS_MIN << times.min(16)).min(PEER_PAUSE_SECONDS_MAX);
        // Whoever did not answer may answer later; what was refused, or was a lie, stays so.
        let until = matches!(miss, Miss::Failed(_)).then(|| now + Duration::from_secs(pause));
        let failure = Failure { gone: miss.is_peer_gone(), full, reason: miss.to_string(), times: times + 1, until };
        self.failed.insert(peer, failure);
    }

    /// Notes that a peer was late at `now`.
    pub(super) fn note_late(&mut self, peer: PeerId, now: Instant) {
        self.late.insert(peer, now + Duration::from_secs(LATE_SECONDS));
    }

    pub(super) fn is_gone(&self, peer: PeerId, now: Instant) -> bool {
        self.failure(peer, now).is_some_and(|failure| failure.gone)
    }

    /// The failure that counts now.
    pub(super) fn failure(&self, peer: PeerId, now: Instant) -> Option<&Failure> {
        self.failed.get(&peer).filter(|failure| failure.until.is_none_or(|until| now < until))
    }

    pub(super) fn standing(&self, peer: PeerId, now: Instant) -> Standing {
        if self.caught.contains(&peer) {
            return Standing::Caught;
        }
        let late = self.late.get(&peer).is_some_and(|until| now < *until);
        if late { Standing::Late } else { Standing::Good }
    }

    pub(super) fn readable(&self, now: Instant) -> impl Iterator<Item = &PeerCard> {
        self.cards.iter().filter(move |card| !self.is_gone(card.peer, now))
    }

    pub(super) fn writable(&self, now: Instant) -> impl Iterator<Item = &PeerCard> {
        self.cards.iter().filter(move |card| card.weight > 0 && self.failure(card.peer, now).is_none())
    }

    /// Whom `total` shards may go to: peers in good standing if there are enough, else everyone that can be written to.
    pub(super) fn takers(&self, total: usize, without: &[PeerId], now: Instant) -> Vec<Candidate<'_>> {
        let takers = || self.writable(now).filter(|card| !without.contains(&card.peer));
        let good = candidates(takers().filter(|card| self.standing(card.peer, now) == Standing::Good));
        if good.len() >= total { good } else { candidates(takers()) }
    }
}

/// Cards as placement takes them.
pub(super) fn candidates<'c>(cards: impl Iterator<Item = &'c PeerCard>) -> Vec<Candidate<'c>> {
    cards.map(|card| Candidate { peer: card.peer, weight: card.weight, zone: &card.zone, disks: card.disks }).collect()
}
