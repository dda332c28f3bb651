//! The peers that one operation can use: placement over those that answered, less those that failed on the way.
//!
//! A peer that refuses to take more, being full, still gives what it has. One that does not answer does neither until a
//! pause is over, and one that lied until everyone is asked anew. Who was late, and who was caught before, comes after
//! the others.

mod known;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use storgo_pipeline::{Candidate, assign, choose, rank};
use storgo_protocol::message::PeerCard;
use storgo_protocol::{PeerAddress, PeerId, ShardIndex, ShardSet, StripeId};
use tokio::time::Instant;

pub(crate) use self::known::Standing;
use self::known::{Failure, Known, candidates};
use crate::error::ObjectError;
use crate::miss::Miss;

/// Storage peers that answered when the operation began, and those that were found since.
#[derive(Debug)]
pub(crate) struct Pool {
    // Held only for look-ups, never across an await.
    known: Mutex<Known>,
    node_bytes: AtomicU64,
}

/// Where the shards of a stripe go that have no place yet.
pub(crate) type Assignment = Vec<(PeerId, ShardSet)>;

impl Pool {
    /// A pool of these peers, of whom some were `caught` before.
    pub(crate) fn new(cards: Vec<PeerCard>, caught: &[PeerId]) -> Result<Self, ObjectError> {
        if cards.is_empty() {
            return Err(ObjectError::NoPeers);
        }
        let known = Known { cards, caught: caught.iter().copied().collect(), ..Known::default() };
        Ok(Self { known: Mutex::new(known), node_bytes: AtomicU64::new(0) })
    }

    /// Notes bytes of roots, layout or index that came.
    pub(crate) fn count_node_bytes(&self, bytes: u64) {
        self.node_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of roots, layout and index that came so far.
    pub(crate) fn node_bytes(&self) -> u64 {
        self.node_bytes.load(Ordering::Relaxed)
    }

    /// The peers that can be asked.
    pub(crate) fn peers(&self) -> Vec<PeerId> {
        self.known.lock().readable(Instant::now()).map(|card| card.peer).collect()
    }

    /// How many peers can be written to.
    pub(crate) fn takers(&self) -> usize {
        self.known.lock().writable(Instant::now()).count()
    }

    /// The peers that failed.
    pub(crate) fn failed(&self) -> Vec<PeerId> {
        self.known.lock().failed.keys().copied().collect()
    }

    /// Whether a peer cannot be asked any more.
    pub(crate) fn is_gone(&self, peer: PeerId) -> bool {
        self.known.lock().is_gone(peer, Instant::now())
    }

    /// How a peer stands.
    pub(crate) fn standing(&self, peer: PeerId) -> Standing {
        self.known.lock().standing(peer, Instant::now())
    }

    /// The peers that lied in this operation.
    pub(crate) fn lied(&self) -> Vec<PeerId> {
        self.known.lock().lied.iter().copied().collect()
    }

    /// Notes that a peer is late with an answer: for a while others are asked before it.
    pub(crate) fn late(&self, peer: PeerId) {
        tracing::debug!(%peer, "a peer is late");
        self.known.lock().note_late(peer, Instant::now());
    }

    /// How many peers in good standing can be written to, beside these.
    pub(crate) fn spares(&self, beside: impl Fn(PeerId) -> bool) -> usize {
        let (known, now) = (self.known.lock(), Instant::now());
        let good = |peer| known.standing(peer, now) == Standing::Good;
        known.writable(now).filter(|card| good(card.peer) && !beside(card.peer)).count()
    }

    /// Data directories by peer.
    pub(crate) fn disks(&self) -> BTreeMap<PeerId, u32> {
        self.known.lock().cards.iter().map(|card| (card.peer, card.disks)).collect()
    }

    /// Failure domains: the peers that take anything, or the disks of the only one.
    pub(crate) fn domains(&self) -> usize {
        let known = self.known.lock();
        let mut takers = known.writable(Instant::now());
        match (takers.next(), takers.count()) {
            (None, _) => 0,
            (Some(only), 0) => only.disks.max(1) as usize,
            (Some(_), others) => 1 + others,
        }
    }

    /// Addresses to start from for whoever holds a ticket, of several peers rather than all of one.
    pub(crate) fn hints(&self, max: usize) -> Vec<PeerAddress> {
        self.known
            .lock()
            .readable(Instant::now())
            .filter_map(|card| card.addresses.first().cloned())
            .take(max)
            .collect()
    }

    /// Takes a peer out: of those that are written to when it refused, and of all when it is of no use at all.
    pub(crate) fn fail(&self, peer: PeerId, miss: &Miss) {
        tracing::info!(%peer, reason = %miss, "going on without a peer");
        self.known.lock().note_failure(peer, miss, Instant::now());
    }

    /// Takes in who answers now: peers that were not known, and those that did not answer for a while. Those of them
    /// that were `caught` come after all others.
    pub(crate) fn refresh(&self, cards: Vec<PeerCard>, caught: &[PeerId]) {
        let (mut known, now) = (self.known.lock(), Instant::now());
        known.caught.extend(caught);
        for card in cards {
            if known.is_gone(card.peer, now) {
                known.failed.remove(&card.peer);
            }
            if !known.cards.iter().any(|had| had.peer == card.peer) {
                known.cards.push(card);
            }
        }
    }

    /// Peers, none of them in `without`, for the shards of a stripe that nobody in `held` has; what is held stays where
    /// it is. Empty when no peer is left.
    pub(crate) fn assign(
        &self,
        stripe: StripeId,
        held: &[(PeerId, ShardSet)],
        total: usize,
        without: &[PeerId],
    ) -> Assignment {
        let set = choose(stripe.as_bytes(), &self.known.lock().takers(total, without, Instant::now()), total);
        let places = assign(&set, held, total);
        let present: ShardSet = held.iter().map(|(_, set)| *set).collect();
        let mut assignment = BTreeMap::<PeerId, ShardSet>::new();
        for (place, peer) in places.into_iter().enumerate() {
            if let Some(index) = ShardIndex::new(place).filter(|index| !present.contains(*index)) {
                assignment.entry(peer).or_default().insert(index);
            }
        }
        assignment.into_iter().collect()
    }

    /// The peers that can be written to: `holders` of the item, those in zones where the fewest hold it or come before,
    /// and of these those that placement prefers; who was late or caught, last.
    pub(crate) fn ranked_takers(&self, item: &[u8; 32], holders: &BTreeMap<PeerId, u32>) -> Vec<PeerId> {
        let (known, now) = (self.known.lock(), Instant::now());
        let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
        for card in known.cards.iter().filter(|card| holders.contains_key(&card.peer)) {
            *zones.entry(card.zone.as_str()).or_default() += 1;
        }
        let candidates = candidates(known.writable(now));
        let mut peers: Vec<(Standing, usize, PeerId)> = Vec::with_capacity(candidates.len());
        for candidate in rank(item, &candidates) {
            let peer = candidate.peer;
            let before = if holders.contains_key(&peer) {
                0
            } else {
                let count = zones.entry(candidate.zone).or_default();
                *count += 1;
                *count
            };
            peers.push((known.standing(peer, now), before, peer));
        }
        // Stable: those of equal claim stay in order of rank.
        peers.sort_by_key(|(standing, before, _)| (*standing, *before));
        peers.into_iter().map(|(_, _, peer)| peer).collect()
    }

    /// The peers that can be asked, those that placement prefers for `item` first. Those that placement passes over
    /// follow: they may hold what they took before; and last who was late or caught.
    pub(crate) fn ranked(&self, item: &[u8; 32]) -> Vec<PeerId> {
        let (known, now) = (self.known.lock(), Instant::now());
        let passed_over = known.readable(now).filter(|card| card.weight == 0).map(|card| card.peer);
        let mut peers: Vec<PeerId> =
            ranked(item, &candidates(known.readable(now))).into_iter().chain(passed_over).collect();
        peers.sort_by_key(|peer| known.standing(*peer, now));
        peers
    }

    /// Why nobody is left to take `what`.
    pub(crate) fn exhausted(&self, what: impl Into<String>) -> ObjectError {
        let what = what.into();
        let known = self.known.lock();
        let reason = |failure: &Failure| failure.reason.clone();
        let full = known.failed.values().find(|failure| failure.full).map(reason);
        let refused = known.failed.values().find(|failure| !failure.gone).map(reason);
        match (full, refused, known.failed.values().next_back().map(reason)) {
            (Some(reason), _, _) => ObjectError::NoSpace { what, reason },
            (None, Some(reason), _) => ObjectError::Denied { what, reason },
            (None, None, Some(reason)) => ObjectError::Unavailable { what, reason },
            (None, None, None) => ObjectError::NoPeers,
        }
    }
}

fn ranked(item: &[u8; 32], candidates: &[Candidate<'_>]) -> Vec<PeerId> {
    rank(item, candidates).into_iter().map(|candidate| candidate.peer).collect()
}

#[cfg(test)]
mod tests;
