//! The peers that one operation can use: placement over those that answered, less those that failed on the way.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use storgo_pipeline::{Candidate, assign, choose, rank};
use storgo_protocol::message::{PeerCard, RefusalKind};
use storgo_protocol::{PeerAddress, PeerId, ShardIndex, ShardSet, StripeId};

use crate::error::ObjectError;
use crate::remote::Miss;

/// Storage peers that answered when the operation began.
#[derive(Debug)]
pub(crate) struct Pool {
    cards: Vec<PeerCard>,
    // Held only for look-ups, never across an await.
    failed: Mutex<BTreeMap<PeerId, Failure>>,
}

#[derive(Debug, Clone)]
struct Failure {
    full: bool,
    refused: bool,
    reason: String,
}

/// Where the shards of a stripe go that have no place yet.
pub(crate) type Assignment = Vec<(PeerId, ShardSet)>;

impl Pool {
    pub(crate) fn new(cards: Vec<PeerCard>) -> Result<Self, ObjectError> {
        if cards.is_empty() { Err(ObjectError::NoPeers) } else { Ok(Self { cards, failed: Mutex::default() }) }
    }

    /// How many peers are still of use.
    pub(crate) fn len(&self) -> usize {
        self.living().count()
    }

    /// The peers still of use.
    pub(crate) fn peers(&self) -> Vec<PeerId> {
        self.living().map(|card| card.peer).collect()
    }

    /// The peers that failed.
    pub(crate) fn failed(&self) -> Vec<PeerId> {
        self.failed.lock().keys().copied().collect()
    }

    /// Whether a peer failed.
    pub(crate) fn has_failed(&self, peer: PeerId) -> bool {
        self.failed.lock().contains_key(&peer)
    }

    /// Data directories by peer.
    pub(crate) fn disks(&self) -> BTreeMap<PeerId, u32> {
        self.cards.iter().map(|card| (card.peer, card.disks)).collect()
    }

    /// Failure domains: the peers, or the disks of the only one.
    pub(crate) fn domains(&self) -> usize {
        match self.cards.as_slice() {
            [only] => only.disks.max(1) as usize,
            cards => cards.len(),
        }
    }

    /// Addresses to start from for whoever holds a ticket, of several peers rather than all of one.
    pub(crate) fn hints(&self, max: usize) -> Vec<PeerAddress> {
        let hint = |card: &PeerCard| card.addresses.first().cloned();
        self.living().filter_map(hint).take(max).collect()
    }

    /// Takes a peer out for the rest of the operation.
    pub(crate) fn fail(&self, peer: PeerId, miss: &Miss) {
        let (full, refused) = match miss {
            Miss::Refused(refusal) => (matches!(refusal.kind, RefusalKind::NoSpace | RefusalKind::Quota), true),
            Miss::Failed(_) | Miss::Lied { .. } => (false, false),
        };
        tracing::info!(%peer, reason = %miss, "going on without a peer");
        self.failed.lock().insert(peer, Failure { full, refused, reason: miss.to_string() });
    }

    /// Peers for the shards of a stripe that nobody in `held` has; what is held stays where it is. Empty when no peer
    /// is left.
    pub(crate) fn assign(&self, stripe: StripeId, held: &[(PeerId, ShardSet)], total: usize) -> Assignment {
        let set = choose(stripe.as_bytes(), &self.candidates(), total);
        let places = assign(&set, held, total);
        let present = held.iter().fold(ShardSet::EMPTY, |all, (_, set)| all.union(*set));
        let mut assignment = BTreeMap::<PeerId, ShardSet>::new();
        for (place, peer) in places.into_iter().enumerate() {
            if let Some(index) = ShardIndex::new(place).filter(|index| !present.contains(*index)) {
                assignment.entry(peer).or_default().insert(index);
            }
        }
        assignment.into_iter().collect()
    }

    /// All usable peers, those that placement prefers for `item` first.
    pub(crate) fn ranked(&self, item: &[u8; 32]) -> Vec<PeerId> {
        rank(item, &self.candidates()).into_iter().map(|candidate| candidate.peer).collect()
    }

    /// Why nobody is left to take `what`.
    pub(crate) fn exhausted(&self, what: impl Into<String>) -> ObjectError {
        let what = what.into();
        let failed = self.failed.lock();
        let full = failed.values().find(|failure| failure.full);
        let refused = failed.values().find(|failure| failure.refused);
        match (full, refused, failed.values().next_back()) {
            (Some(failure), _, _) => ObjectError::NoSpace { what, reason: failure.reason.clone() },
            (None, Some(failure), _) => ObjectError::Denied { what, reason: failure.reason.clone() },
            (None, None, Some(failure)) => ObjectError::Unavailable { what, reason: failure.reason.clone() },
            (None, None, None) => ObjectError::NoPeers,
        }
    }

    fn living(&self) -> impl Iterator<Item = &PeerCard> {
        let failed = self.failed.lock().clone();
        self.cards.iter().filter(move |card| !failed.contains_key(&card.peer))
    }

    fn candidates(&self) -> Vec<Candidate<'_>> {
        self.living()
            .map(|card| Candidate { peer: card.peer, weight: card.weight, zone: &card.zone, disks: card.disks })
            .collect()
    }
}
