//! The peers that one operation can use: placement over those that answered, less those that failed on the way.
//!
//! A peer that refuses to take more, being full, still gives what it has; one that does not answer, or lies, does
//! neither until it answers anew.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use storgo_pipeline::{Candidate, assign, choose, rank};
use storgo_protocol::message::{PeerCard, RefusalKind};
use storgo_protocol::{PeerAddress, PeerId, ShardIndex, ShardSet, StripeId};

use crate::error::ObjectError;
use crate::miss::Miss;

/// Storage peers that answered when the operation began, and those that were found since.
#[derive(Debug)]
pub(crate) struct Pool {
    // Held only for look-ups, never across an await.
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    cards: Vec<PeerCard>,
    failed: BTreeMap<PeerId, Failure>,
}

#[derive(Debug)]
struct Failure {
    /// It does not answer, or not what is so: there is nothing to be read from it either.
    gone: bool,
    full: bool,
    reason: String,
}

/// Where the shards of a stripe go that have no place yet.
pub(crate) type Assignment = Vec<(PeerId, ShardSet)>;

impl Pool {
    pub(crate) fn new(cards: Vec<PeerCard>) -> Result<Self, ObjectError> {
        if cards.is_empty() {
            return Err(ObjectError::NoPeers);
        }
        Ok(Self { known: Mutex::new(Known { cards, failed: BTreeMap::new() }) })
    }

    /// The peers that can be asked.
    pub(crate) fn peers(&self) -> Vec<PeerId> {
        self.known.lock().readable().map(|card| card.peer).collect()
    }

    /// How many peers can be written to.
    pub(crate) fn takers(&self) -> usize {
        self.known.lock().writable().count()
    }

    /// The peers that failed.
    pub(crate) fn failed(&self) -> Vec<PeerId> {
        self.known.lock().failed.keys().copied().collect()
    }

    /// Whether a peer cannot be asked any more.
    pub(crate) fn is_gone(&self, peer: PeerId) -> bool {
        self.known.lock().is_gone(peer)
    }

    /// Data directories by peer.
    pub(crate) fn disks(&self) -> BTreeMap<PeerId, u32> {
        self.known.lock().cards.iter().map(|card| (card.peer, card.disks)).collect()
    }

    /// Failure domains: the peers that take anything, or the disks of the only one.
    pub(crate) fn domains(&self) -> usize {
        let known = self.known.lock();
        let mut takers = known.writable();
        match (takers.next(), takers.count()) {
            (None, _) => 0,
            (Some(only), 0) => only.disks.max(1) as usize,
            (Some(_), others) => 1 + others,
        }
    }

    /// Addresses to start from for whoever holds a ticket, of several peers rather than all of one.
    pub(crate) fn hints(&self, max: usize) -> Vec<PeerAddress> {
        self.known.lock().readable().filter_map(|card| card.addresses.first().cloned()).take(max).collect()
    }

    /// Takes a peer out: of those that are written to when it refused, and of all when it is of no use at all.
    pub(crate) fn fail(&self, peer: PeerId, miss: &Miss) {
        let full = match miss {
            Miss::Refused(refusal) => matches!(refusal.kind, RefusalKind::NoSpace | RefusalKind::Quota),
            Miss::Failed(_) | Miss::Lied { .. } => false,
        };
        tracing::info!(%peer, reason = %miss, "going on without a peer");
        let failure = Failure { gone: miss.is_peer_gone(), full, reason: miss.to_string() };
        self.known.lock().failed.insert(peer, failure);
    }

    /// Takes in who answers now: peers that were not known, and those that did not answer for a while.
    pub(crate) fn refresh(&self, cards: Vec<PeerCard>) {
        let mut known = self.known.lock();
        for card in cards {
            if known.is_gone(card.peer) {
                known.failed.remove(&card.peer);
            }
            if !known.cards.iter().any(|had| had.peer == card.peer) {
                known.cards.push(card);
            }
        }
    }

    /// Peers for the shards of a stripe that nobody in `held` has; what is held stays where it is. Empty when no peer
    /// is left.
    pub(crate) fn assign(&self, stripe: StripeId, held: &[(PeerId, ShardSet)], total: usize) -> Assignment {
        let set = choose(stripe.as_bytes(), &candidates(self.known.lock().writable()), total);
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

    /// The peers that can be written to, those that placement prefers for `item` first.
    pub(crate) fn ranked_takers(&self, item: &[u8; 32]) -> Vec<PeerId> {
        ranked(item, &candidates(self.known.lock().writable()))
    }

    /// The peers that can be asked, those that placement prefers for `item` first. Those that placement passes over
    /// stand last: they may hold what they took before.
    pub(crate) fn ranked(&self, item: &[u8; 32]) -> Vec<PeerId> {
        let known = self.known.lock();
        let passed_over = known.readable().filter(|card| card.weight == 0).map(|card| card.peer);
        ranked(item, &candidates(known.readable())).into_iter().chain(passed_over).collect()
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

impl Known {
    fn is_gone(&self, peer: PeerId) -> bool {
        self.failed.get(&peer).is_some_and(|failure| failure.gone)
    }

    fn readable(&self) -> impl Iterator<Item = &PeerCard> {
        self.cards.iter().filter(|card| !self.is_gone(card.peer))
    }

    fn writable(&self) -> impl Iterator<Item = &PeerCard> {
        self.cards.iter().filter(|card| card.weight > 0 && !self.failed.contains_key(&card.peer))
    }
}

fn candidates<'c>(cards: impl Iterator<Item = &'c PeerCard>) -> Vec<Candidate<'c>> {
    cards.map(|card| Candidate { peer: card.peer, weight: card.weight, zone: &card.zone, disks: card.disks }).collect()
}

fn ranked(item: &[u8; 32], candidates: &[Candidate<'_>]) -> Vec<PeerId> {
    rank(item, candidates).into_iter().map(|candidate| candidate.peer).collect()
}

#[cfg(test)]
mod tests {
    use storgo_protocol::message::Refusal;

    use super::*;
    use crate::ports::PeerError;

    const ITEM: [u8; 32] = [7; 32];

    fn card(number: u8, weight: u32) -> PeerCard {
        PeerCard {
            peer: PeerId::from_bytes([number; 32]),
            addresses: Vec::new(),
            zone: String::new(),
            capacity_bytes: 0,
            free_bytes: 0,
            weight,
            disks: 3,
            agent: String::new(),
            stores: true,
            seen_seconds: 0,
            data_port: 0,
        }
    }

    fn refused(kind: RefusalKind) -> Miss {
        Miss::Refused(Refusal::new(kind, "no"))
    }

    #[test]
    fn a_peer_without_weight_is_asked_last_and_takes_nothing() {
        let pool = Pool::new(vec![card(1, 0), card(2, 100)]).unwrap();
        let (idle, taker) = (card(1, 0).peer, card(2, 0).peer);
        assert_eq!(pool.ranked(&ITEM), [taker, idle]);
        assert_eq!(pool.ranked_takers(&ITEM), [taker]);
        assert_eq!((pool.takers(), pool.domains()), (1, 3));
    }

    #[test]
    fn a_full_peer_is_read_from_and_one_that_is_gone_is_not_until_it_answers() {
        let pool = Pool::new(vec![card(1, 100), card(2, 100)]).unwrap();
        let (full, gone) = (card(1, 0).peer, card(2, 0).peer);
        pool.fail(full, &refused(RefusalKind::NoSpace));
        pool.fail(gone, &Miss::Failed(PeerError::Stopped));
        assert_eq!(pool.ranked(&ITEM), [full]);
        assert!(pool.ranked_takers(&ITEM).is_empty());
        assert!(matches!(pool.exhausted("it"), ObjectError::NoSpace { .. }));
        pool.refresh(vec![card(1, 100), card(2, 100), card(3, 100)]);
        assert_eq!(pool.peers(), [full, gone, card(3, 0).peer]);
        assert_eq!(pool.takers(), 2);
    }
}
