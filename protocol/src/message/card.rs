//! What a peer says of itself, or what others heard it say.

use super::{bounded, bounded_text, id32, wire};
use crate::address::PeerAddress;
use crate::limits::{AGENT_CHARS_MAX, DISKS_MAX, PEER_ADDRESSES_MAX, ZONE_CHARS_MAX};
use crate::{DecodeError, PeerId};

/// A peer's own description: the row of the cluster map that it claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCard {
    /// Who it is.
    pub peer: PeerId,
    /// Where it can be dialled; at most [`PEER_ADDRESSES_MAX`].
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
            addresses: bounded(&card.addresses, PEER_ADDRESSES_MAX)?
                .iter()
                .map(|bytes| PeerAddress::decode(bytes))
                .collect::<Result<_, _>>()?,
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
