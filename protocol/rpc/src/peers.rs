//! A node's peer table, as it is told over the socket.

use std::fmt;
use std::time::Duration;

use storgo_protocol::{DecodeError, PeerAddress, PeerId};

use crate::error::{parse, parse_all};
use crate::wire;

/// One peer as a node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRow {
    /// Who it is.
    pub peer: PeerId,
    /// How it stands.
    pub state: PeerState,
    /// Why it is unreachable or refused; else empty.
    pub reason: String,
    /// What it was caught at; empty for a peer that was not.
    pub distrust: String,
    /// What it says of itself; `None` while only an address is known.
    pub card: Option<CardRow>,
    /// Where it can be dialled.
    pub addresses: Vec<PeerAddress>,
    /// The other end of the connection in use.
    pub path: Option<PeerAddress>,
    /// How that connection came about.
    pub path_kind: Option<PathKind>,
    /// The round trip of the last ping, in whole microseconds.
    pub round_trip: Option<Duration>,
    /// How long ago it was heard of first-hand, in whole seconds.
    pub heard: Option<Duration>,
    /// Bytes of requests and answers sent to it.
    pub bytes_sent: u64,
    /// Bytes of requests and answers that came from it.
    pub bytes_received: u64,
}

/// What a peer says of itself; nothing of it is to be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardRow {
    /// Its failure domain; empty when it told none.
    pub zone: String,
    /// Bytes that it offers in all.
    pub capacity_bytes: u64,
    /// Bytes that it can still take.
    pub free_bytes: u64,
    /// Its share in placement.
    pub weight: u32,
    /// Its data directories.
    pub disks: u32,
    /// Program and version.
    pub agent: String,
    /// Whether it keeps shards.
    pub stores: bool,
}

/// How a connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// One side dialled the other.
    Direct,
    /// Both dialled at once, through their NATs, after they had met through a relay.
    Punched,
    /// A third peer carries it.
    Relayed,
}

impl fmt::Display for PathKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Direct => "direct",
            Self::Punched => "punched",
            Self::Relayed => "relayed",
        })
    }
}

impl PathKind {
    const fn to_wire(self) -> wire::PathKind {
        match self {
            Self::Direct => wire::PathKind::Direct,
            Self::Punched => wire::PathKind::Punched,
            Self::Relayed => wire::PathKind::Relayed,
        }
    }

    /// `None` for kinds that are not known here: a newer node may have more.
    fn from_wire(kind: i32) -> Option<Self> {
        match wire::PathKind::try_from(kind).ok()? {
            wire::PathKind::Unspecified => None,
            wire::PathKind::Direct => Some(Self::Direct),
            wire::PathKind::Punched => Some(Self::Punched),
            wire::PathKind::Relayed => Some(Self::Relayed),
        }
    }
}

/// How a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// Connected, and each side has admitted the other.
    Answering,
    /// Connected; its hello has not been answered yet.
    Greeting,
    /// Not connected; it can be dialled.
    Known,
    /// It could not be reached.
    Unreachable,
    /// It refused this side.
    Refused,
}

impl fmt::Display for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Answering => "answering",
            Self::Greeting => "greeting",
            Self::Known => "known",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
        })
    }
}

impl PeerState {
    const fn to_wire(self) -> wire::PeerState {
        match self {
            Self::Answering => wire::PeerState::Answering,
            Self::Greeting => wire::PeerState::Greeting,
            Self::Known => wire::PeerState::Known,
            Self::Unreachable => wire::PeerState::Unreachable,
            Self::Refused => wire::PeerState::Refused,
        }
    }

    fn from_wire(state: i32) -> Result<Self, DecodeError> {
        match wire::PeerState::try_from(state) {
            Ok(wire::PeerState::Answering) => Ok(Self::Answering),
            Ok(wire::PeerState::Greeting) => Ok(Self::Greeting),
            Ok(wire::PeerState::Known) => Ok(Self::Known),
            Ok(wire::PeerState::Unreachable) => Ok(Self::Unreachable),
            Ok(wire::PeerState::Refused) => Ok(Self::Refused),
            Ok(wire::PeerState::Unspecified) | Err(_) => Err(DecodeError::Field { field: "peer state" }),
        }
    }
}

impl PeerRow {
    pub(crate) fn into_wire(self) -> wire::Peer {
        wire::Peer {
            peer: self.peer.to_string(),
            state: self.state.to_wire().into(),
            reason: self.reason,
            distrust: self.distrust,
            card: self.card.map(CardRow::into_wire),
            addresses: self.addresses.iter().map(ToString::to_string).collect(),
            path: self.path.map(|path| path.to_string()).unwrap_or_default(),
            round_trip_micros: self.round_trip.map_or(0, |trip| trip.as_micros().try_into().unwrap_or(u64::MAX)),
            heard_seconds: self.heard.map(|heard| heard.as_secs()),
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            path_kind: self.path_kind.map_or(wire::PathKind::Unspecified, PathKind::to_wire).into(),
        }
    }

    pub(crate) fn from_wire(peer: wire::Peer) -> Result<Self, DecodeError> {
        let path = Some(peer.path).filter(|path| !path.is_empty());
        Ok(Self {
            peer: parse("peer", &peer.peer)?,
            state: PeerState::from_wire(peer.state)?,
            reason: peer.reason,
            distrust: peer.distrust,
            card: peer.card.map(CardRow::from_wire),
            addresses: parse_all("address", &peer.addresses)?,
            path: path.map(|path| parse("path", &path)).transpose()?,
            round_trip: Some(peer.round_trip_micros).filter(|micros| *micros > 0).map(Duration::from_micros),
            heard: peer.heard_seconds.map(Duration::from_secs),
            bytes_sent: peer.bytes_sent,
            bytes_received: peer.bytes_received,
            path_kind: PathKind::from_wire(peer.path_kind),
        })
    }
}

impl CardRow {
    fn into_wire(self) -> wire::PeerCard {
        wire::PeerCard {
            zone: self.zone,
            capacity_bytes: self.capacity_bytes,
            free_bytes: self.free_bytes,
            weight: self.weight,
            disks: self.disks,
            agent: self.agent,
            stores: self.stores,
        }
    }

    fn from_wire(card: wire::PeerCard) -> Self {
        Self {
            zone: card.zone,
            capacity_bytes: card.capacity_bytes,
            free_bytes: card.free_bytes,
            weight: card.weight,
            disks: card.disks,
            agent: card.agent,
            stores: card.stores,
        }
    }
}
