//! What this side carries for others as a relay, and how much of it.
//!
//! It knows libp2p's relay and its bounds, and nothing of who is reached through it. The bytes of a circuit pass by
//! unread: its two ends sealed them.

use std::time::Duration;

use libp2p::{PeerId, relay};
use storgo_protocol::limits::{
    RELAY_CIRCUIT_BYTES_MAX, RELAY_CIRCUIT_SECONDS_MAX, RELAY_CIRCUITS_MAX, RELAY_CIRCUITS_PER_PEER_MAX,
    RELAY_RESERVATIONS_MAX, RELAY_RESERVATIONS_PER_PEER_MAX,
};

/// How much a relay carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelayBounds {
    pub(crate) reservations: usize,
    /// At least one.
    pub(crate) reservations_per_peer: usize,
    pub(crate) circuits: usize,
    /// At least one.
    pub(crate) circuits_per_peer: usize,
    pub(crate) circuit_time: Duration,
    /// Bytes of one circuit, in both directions together; not zero.
    pub(crate) circuit_bytes: u64,
}

impl Default for RelayBounds {
    fn default() -> Self {
        Self {
            reservations: RELAY_RESERVATIONS_MAX,
            reservations_per_peer: RELAY_RESERVATIONS_PER_PEER_MAX,
            circuits: RELAY_CIRCUITS_MAX,
            circuits_per_peer: RELAY_CIRCUITS_PER_PEER_MAX,
            circuit_time: Duration::from_secs(RELAY_CIRCUIT_SECONDS_MAX),
            circuit_bytes: RELAY_CIRCUIT_BYTES_MAX,
        }
    }
}

/// A relay that does not relay yet: it starts when others have dialled it, since whoever cannot be reached is none.
pub(crate) fn server(me: PeerId, bounds: &RelayBounds) -> relay::Behaviour {
    let config = relay::Config {
        max_reservations: bounds.reservations,
        // Of these two libp2p compares what a peer has already, and so lets it have one more.
        max_reservations_per_peer: bounds.reservations_per_peer.saturating_sub(1),
        max_circuits_per_peer: bounds.circuits_per_peer.saturating_sub(1),
        max_circuits: bounds.circuits,
        max_circuit_duration: bounds.circuit_time,
        max_circuit_bytes: bounds.circuit_bytes,
        ..relay::Config::default()
    };
    let mut relay = relay::Behaviour::new(me, config);
    relay.set_status(Some(relay::Status::Disable));
    relay
}

#[cfg(test)]
mod tests;
