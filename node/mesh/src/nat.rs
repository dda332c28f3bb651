//! Whether others can dial this side, and what to do when they cannot: reserve a place at relays among the peers that
//! are connected.
//!
//! ```text
//!   AutoNAT ──tested──►┐
//!                      ├─ Reach: unknown │ public │ hidden ──► Step: relay for others │ reserve │ release
//!   identify ─offers──►┘
//! ```
//!
//! It is pure: the event loop tells it what happened and takes the steps that it names. What peers say of this side's
//! reach is hearsay; a lie costs a reservation that is not needed, or a relay that is not used.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use libp2p::Multiaddr;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{REACH_TESTS_REMEMBERED_MAX, RELAY_CANDIDATES_MAX, RELAYS_MAX};

use crate::names;

/// Whether others can dial this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Nobody has told, as on a network without public addresses.
    #[default]
    Unknown,
    /// A peer dialled one of its public addresses.
    Public,
    /// Peers saw a public address, and none could be dialled: it is behind a NAT or a firewall.
    Hidden,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Public => "public",
            Self::Hidden => "hidden",
        })
    }
}

/// What the event loop is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Relay for others, or stop it.
    Serve(bool),
    /// Reserve a place at a relay, by listening on this address.
    Reserve { relay: PeerId, address: Multiaddr },
    /// Give a place back.
    Release(ListenerId),
}

/// What is known of this side's reach, and where it has places.
#[derive(Debug)]
pub(crate) struct Nat {
    /// Whether this side would relay for others.
    willing: bool,
    serving: bool,
    reached: BTreeSet<Multiaddr>,
    unreached: BTreeSet<Multiaddr>,
    /// Connected peers that relay, and where they are.
    offers: BTreeMap<PeerId, Multiaddr>,
    places: HashMap<PeerId, Option<ListenerId>>,
}

impl Nat {
    pub(crate) fn new(willing: bool) -> Self {
        Self {
            willing,
            serving: false,
            reached: BTreeSet::new(),
            unreached: BTreeSet::new(),
            offers: BTreeMap::new(),
            places: HashMap::new(),
        }
    }

    pub(crate) fn reach(&self) -> Reach {
        match (self.reached.is_empty(), self.unreached.is_empty()) {
            (false, _) => Reach::Public,
            (true, false) => Reach::Hidden,
            (true, true) => Reach::Unknown,
        }
    }

    /// Notes what a peer met that dialled an address of this side.
    pub(crate) fn tested(&mut self, address: Multiaddr, reached: bool) {
        let (to, from) =
            if reached { (&mut self.reached, &mut self.unreached) } else { (&mut self.unreached, &mut self.reached) };
        from.remove(&address);
        if to.len() < REACH_TESTS_REMEMBERED_MAX {
            to.insert(address);
        }
    }

    /// Notes whether a connected peer says that it relays, and where it was dialled.
    pub(crate) fn offered(&mut self, relay: PeerId, address: &Multiaddr, offers: bool) {
        if !offers {
            self.offers.remove(&relay);
        } else if self.offers.len() < RELAY_CANDIDATES_MAX {
            self.offers.insert(relay, address.clone());
        }
    }

    /// Notes that a peer is not connected any more; its place ends with its listener.
    pub(crate) fn left(&mut self, relay: PeerId) {
        self.offers.remove(&relay);
    }

    /// Notes the listener of a reservation under way; `None` if it could not begin.
    pub(crate) fn reserving(&mut self, relay: PeerId, listener: Option<ListenerId>) {
        match listener {
            Some(listener) => self.places.insert(relay, Some(listener)),
            None => self.places.remove(&relay),
        };
    }

    /// Notes that a listener closed; true if it was a place at a relay, which is then asked last.
    pub(crate) fn closed(&mut self, listener: ListenerId) -> bool {
        let Some(relay) = self.places.iter().find(|(_, place)| **place == Some(listener)).map(|(relay, _)| *relay)
        else {
            return false;
        };
        self.places.remove(&relay);
        // Until it says again that it relays.
        self.offers.remove(&relay);
        true
    }

    /// What is to be done now.
    pub(crate) fn steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let serve = self.willing && self.reach() == Reach::Public;
        if serve != self.serving {
            self.serving = serve;
            steps.push(Step::Serve(serve));
        }
        match self.reach() {
            Reach::Public => steps.extend(self.places.values().flatten().copied().map(Step::Release)),
            Reach::Unknown => {}
            Reach::Hidden => {
                let free = self.offers.iter().filter(|(relay, _)| !self.places.contains_key(relay));
                let room = RELAYS_MAX.saturating_sub(self.places.len());
                let chosen: Vec<_> = free.take(room).map(|(relay, address)| (*relay, address.clone())).collect();
                for (relay, address) in chosen {
                    let Some(address) = through(&address, relay) else { continue };
                    self.places.insert(relay, None);
                    steps.push(Step::Reserve { relay, address });
                }
            }
        }
        steps
    }
}

/// Where one listens to be reached through a relay.
fn through(address: &Multiaddr, relay: PeerId) -> Option<Multiaddr> {
    Some(names::with_peer(address, relay)?.as_multiaddr().clone().with(Protocol::P2pCircuit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(seed: u8) -> PeerId {
        storgo_protocol::Identity::from_seed(&[seed; 32]).id()
    }

    fn address(number: u8) -> Multiaddr {
        format!("/ip4/5.5.5.{number}/tcp/4820").parse().unwrap()
    }

    fn relays(steps: &[Step]) -> Vec<PeerId> {
        let relay = |step: &Step| match step {
            Step::Reserve { relay, .. } => Some(*relay),
            Step::Serve(_) | Step::Release(_) => None,
        };
        steps.iter().filter_map(relay).collect()
    }

    #[test]
    fn who_is_hidden_reserves_at_few_and_elsewhere_when_a_place_ends() {
        let mut nat = Nat::new(true);
        for seed in 1..=4 {
            nat.offered(peer(seed), &address(seed), true);
        }
        assert_eq!((nat.reach(), nat.steps()), (Reach::Unknown, Vec::new()));
        nat.tested(address(9), false);
        assert_eq!(nat.reach(), Reach::Hidden);
        let first = relays(&nat.steps());
        assert_eq!(first.len(), RELAYS_MAX);
        assert!(nat.steps().is_empty(), "the same is not asked for twice");
        let listener = ListenerId::next();
        nat.reserving(first[0], Some(listener));
        assert!(nat.closed(listener) && !nat.closed(listener));
        let second = relays(&nat.steps());
        assert_eq!(second.len(), 1);
        assert!(!first.contains(&second[0]), "a relay that ended a place waits for its next word");
    }

    #[test]
    fn who_is_reached_relays_if_willing_and_gives_places_back() {
        let mut nat = Nat::new(true);
        nat.offered(peer(1), &address(1), true);
        nat.tested(address(9), false);
        assert_eq!(relays(&nat.steps()), [peer(1)]);
        let listener = ListenerId::next();
        nat.reserving(peer(1), Some(listener));
        nat.tested(address(8), true);
        assert_eq!(nat.reach(), Reach::Public);
        assert_eq!(nat.steps(), [Step::Serve(true), Step::Release(listener)]);
        nat.tested(address(8), false);
        assert_eq!(nat.steps(), [Step::Serve(false)]);

        let mut unwilling = Nat::new(false);
        unwilling.tested(address(8), true);
        assert!(unwilling.steps().is_empty());
    }

    #[test]
    fn a_place_is_named_after_its_relay() {
        let mut nat = Nat::new(true);
        nat.offered(peer(1), &address(1), true);
        nat.tested(address(9), false);
        let Step::Reserve { address, .. } = nat.steps().remove(0) else { panic!("it reserves") };
        assert_eq!(address.to_string(), format!("/ip4/5.5.5.1/tcp/4820/p2p/{}/p2p-circuit", peer(1)));
    }

    #[test]
    fn what_peers_say_is_bounded() {
        let mut nat = Nat::new(true);
        for port in 0..=u16::try_from(2 * REACH_TESTS_REMEMBERED_MAX).unwrap() {
            nat.tested(format!("/ip4/5.5.5.5/tcp/{port}").parse().unwrap(), false);
        }
        assert_eq!(nat.unreached.len(), REACH_TESTS_REMEMBERED_MAX);
        for seed in 0..=u8::try_from(2 * RELAY_CANDIDATES_MAX).unwrap() {
            nat.offered(peer(seed), &address(1), true);
        }
        assert_eq!(nat.offers.len(), RELAY_CANDIDATES_MAX);
    }
}
