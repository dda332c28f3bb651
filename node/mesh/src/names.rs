//! storgo's names of peers and addresses as libp2p writes them, and back.
//!
//! Both are the same bytes; only Ed25519 identities have a storgo name.

use libp2p::Multiaddr;
use libp2p::core::ConnectedPoint;
use libp2p::multiaddr::Protocol;
use storgo_protocol::{DecodeError, PeerAddress, PeerId};

use crate::peers::Path;

/// The libp2p form of a peer id.
pub(crate) fn to_libp2p(peer: PeerId) -> Result<libp2p::PeerId, DecodeError> {
    libp2p::PeerId::from_bytes(&peer.to_multihash()).map_err(|_| DecodeError::Field { field: "peer id" })
}

/// The storgo form of a peer id; `None` for keys that are not Ed25519.
pub(crate) fn from_libp2p(peer: &libp2p::PeerId) -> Option<PeerId> {
    PeerId::from_multihash(&peer.to_bytes())
}

/// The peer that an address ends in, if it names one.
pub(crate) fn peer_of(address: &PeerAddress) -> Option<PeerId> {
    match address.as_multiaddr().iter().last() {
        Some(Protocol::P2p(peer)) => from_libp2p(&peer),
        _ => None,
    }
}

/// The address with the peer at its end; `None` if it is too long or ends in another peer.
pub(crate) fn with_peer(address: &Multiaddr, peer: PeerId) -> Option<PeerAddress> {
    let named = address.clone().with_p2p(to_libp2p(peer).ok()?).ok()?;
    PeerAddress::new(named).ok()
}

/// The host at the other end of a direct connection; `None` for one through a relay.
pub(crate) fn host(path: &PeerAddress) -> Option<String> {
    let mut parts = path.as_multiaddr().iter();
    let host = match parts.next()? {
        Protocol::Ip4(ip) => ip.to_string(),
        Protocol::Ip6(ip) => ip.to_string(),
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => name.into_owned(),
        _ => return None,
    };
    (!parts.any(|part| part == Protocol::P2pCircuit)).then_some(host)
}

/// The path that a connection with a peer is. Of a circuit that others opened it names the relay.
pub(crate) fn path(endpoint: &ConnectedPoint, peer: PeerId) -> Option<Path> {
    let address = match endpoint {
        ConnectedPoint::Listener { local_addr, .. } if endpoint.is_relayed() => local_addr,
        endpoint => endpoint.get_remote_address(),
    };
    with_peer(address, peer).map(Path::from)
}

/// The relay that an address leads through, and where that is.
pub(crate) fn relay_of(address: &PeerAddress) -> Option<(PeerId, PeerAddress)> {
    let before = address.as_multiaddr().iter().take_while(|part| *part != Protocol::P2pCircuit);
    let relay = PeerAddress::new(before.collect()).ok().filter(|_| address.is_relayed())?;
    Some((peer_of(&relay)?, relay))
}

/// Whether bulk bytes are cheap on this address: TCP costs about half the CPU time of QUIC.
pub(crate) fn is_tcp(address: &PeerAddress) -> bool {
    address.as_multiaddr().iter().any(|part| matches!(part, Protocol::Tcp(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_convert_both_ways() {
        let peer = storgo_protocol::Identity::from_seed(&[3; 32]).id();
        let libp2p = to_libp2p(peer).unwrap();
        assert_eq!(libp2p.to_string(), peer.to_string());
        assert_eq!(from_libp2p(&libp2p), Some(peer));
    }

    #[test]
    fn a_circuit_names_its_relay() {
        let [relay, peer] = [1, 2].map(|seed| storgo_protocol::Identity::from_seed(&[seed; 32]).id());
        let at = format!("/ip4/5.5.5.1/tcp/4820/p2p/{relay}");
        let circuit: PeerAddress = format!("{at}/p2p-circuit/p2p/{peer}").parse().unwrap();
        assert_eq!(relay_of(&circuit), Some((relay, at.parse().unwrap())));
        assert_eq!(peer_of(&circuit), Some(peer));
        assert_eq!(relay_of(&at.parse().unwrap()), None);
        assert_eq!(relay_of(&format!("/ip4/5.5.5.1/tcp/1/p2p-circuit/p2p/{peer}").parse().unwrap()), None);
    }

    #[test]
    fn an_address_is_named_once_and_for_one_peer() {
        let [one, other] = [1, 2].map(|seed| storgo_protocol::Identity::from_seed(&[seed; 32]).id());
        let plain: Multiaddr = "/ip4/127.0.0.1/tcp/4001".parse().unwrap();
        let named = with_peer(&plain, one).unwrap();
        assert_eq!(peer_of(&named), Some(one));
        assert_eq!(with_peer(named.as_multiaddr(), one), Some(named.clone()));
        assert_eq!(with_peer(named.as_multiaddr(), other), None);
        assert!(is_tcp(&named));
    }
}
