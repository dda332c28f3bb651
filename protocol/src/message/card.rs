//! What a peer says of itself, or what others heard it say.

use bytes::Bytes;

use super::{bounded_text, id32, wire};
use crate::address::PeerAddress;
use crate::limits::{AGENT_CHARS_MAX, DISKS_MAX, PEER_ADDRESSES_MAX, ZONE_CHARS_MAX};
use crate::{DecodeError, PeerId};

/// A peer's own description: the row of the cluster map that it claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCard {
    /// Who it is.
    pub peer: PeerId,
    /// Where it can be dialled; at most [`PEER_ADDRESSES_MAX`]. Decoded, without those that are not understood.
    pub addresses: Vec<PeerAddress>,
    /// The failure domain above the node; empty when it has none to tell.
    pub zone: String,
    /// Bytes that it offers in all.
    pub capacity_bytes: u64,
    /// Bytes that it can still take.
    pub free_bytes: u64,
    /// Its share in placement.
    pub weight: u32,
    /// Its data directories: the failure domains below the node.
    pub disks: u32,
    /// Program and version.
    pub agent: String,
    /// Whether it keeps shards, or only visits.
    pub stores: bool,
    /// Seconds since the teller last heard of it; 0 from itself.
    pub seen_seconds: u32,
    /// The TCP port where it takes bulk bytes, on any host at which it is met; 0 for none.
    pub data_port: u16,
}

/// Those addresses that are understood here. A peer may listen by means that this program does not know yet, and is
/// worth dialling by the others; what is longer than any address is refused with its message.
pub(super) fn understood(encoded: &[Bytes]) -> Result<Vec<PeerAddress>, DecodeError> {
    let mut addresses = Vec::new();
    for bytes in encoded {
        match PeerAddress::decode(bytes) {
            Ok(address) => addresses.push(address),
            Err(error @ DecodeError::TooMany { .. }) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(addresses)
}

impl PeerCard {
    pub(super) fn to_wire(&self) -> wire::PeerCard {
        wire::PeerCard {
            peer: self.peer.as_bytes().to_vec().into(),
            addresses: self.addresses.iter().take(PEER_ADDRESSES_MAX).map(|a| a.encode().into()).collect(),
            zone: self.zone.clone(),
            capacity_bytes: self.capacity_bytes,
            free_bytes: self.free_bytes,
            weight: self.weight,
            disks: self.disks,
            agent: self.agent.clone(),
            stores: self.stores,
            seen_seconds: self.seen_seconds,
            data_port: self.data_port.into(),
        }
    }

    pub(super) fn from_wire(card: wire::PeerCard) -> Result<Self, DecodeError> {
        if card.disks as usize > DISKS_MAX {
            return Err(DecodeError::TooMany { count: card.disks as usize, max: DISKS_MAX });
        }
        Ok(Self {
            peer: id32(&card.peer, PeerId::from_bytes)?,
            addresses: understood(&card.addresses)?,
            zone: bounded_text(card.zone, ZONE_CHARS_MAX)?,
            capacity_bytes: card.capacity_bytes,
            free_bytes: card.free_bytes,
            weight: card.weight,
            disks: card.disks,
            agent: bounded_text(card.agent, AGENT_CHARS_MAX)?,
            stores: card.stores,
            seen_seconds: card.seen_seconds,
            data_port: u16::try_from(card.data_port).map_err(|_| DecodeError::field("data port"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::limits::ADDRESS_BYTES_MAX;
    use crate::message::Hello;

    fn card(addresses: Vec<Bytes>) -> wire::PeerCard {
        wire::PeerCard { peer: vec![1; 32].into(), addresses, ..wire::PeerCard::default() }
    }

    fn read(card: wire::PeerCard) -> Result<PeerCard, DecodeError> {
        let hello = wire::Hello { card: Some(card), ..wire::Hello::default() };
        Hello::decode(&hello.encode_to_vec()).map(|hello| hello.card)
    }

    #[test]
    fn an_address_of_an_unknown_kind_is_skipped_and_costs_no_other() {
        let known: PeerAddress = "/ip4/192.0.2.1/tcp/4001".parse().unwrap();
        // A multiaddr protocol that nobody has given a meaning.
        let unknown = Bytes::from_static(&[0xff, 0xff, 0x7f, 1, 2]);
        let read = read(card(vec![unknown.clone(), known.encode().into(), unknown])).unwrap();
        assert_eq!(read.addresses, [known]);
    }

    #[test]
    fn too_many_or_too_long_addresses_are_refused_whatever_they_say() {
        let unknown = Bytes::from_static(&[0xff, 0xff, 0x7f, 1, 2]);
        assert!(read(card(vec![unknown.clone(); PEER_ADDRESSES_MAX])).is_ok());
        assert!(read(card(vec![unknown; PEER_ADDRESSES_MAX + 1])).is_err());
        assert!(read(card(vec![vec![0; ADDRESS_BYTES_MAX + 1].into()])).is_err());
    }

    #[test]
    fn a_card_beyond_its_other_bounds_is_refused() {
        let text = |chars| "z".repeat(chars);
        let zone = |chars| read(wire::PeerCard { zone: text(chars), ..card(Vec::new()) });
        let agent = |chars| read(wire::PeerCard { agent: text(chars), ..card(Vec::new()) });
        let disks = |disks: usize| read(wire::PeerCard { disks: u32::try_from(disks).unwrap(), ..card(Vec::new()) });
        assert!(zone(ZONE_CHARS_MAX).is_ok() && zone(ZONE_CHARS_MAX + 1).is_err());
        assert!(agent(AGENT_CHARS_MAX).is_ok() && agent(AGENT_CHARS_MAX + 1).is_err());
        assert!(disks(DISKS_MAX).is_ok() && disks(DISKS_MAX + 1).is_err());
    }
}
