//! The peer table as people see it.

use std::time::{Duration, Instant};

use storgo_protocol::message::PeerCard;
use storgo_protocol::{PeerAddress, PeerId};

use super::path::PathKind;
use super::row::Row;

/// A peer as its table shows it to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRow {
    /// Who it is.
    pub peer: PeerId,
    /// What it said of itself, or others of it; `None` if only an address is known.
    pub card: Option<PeerCard>,
    /// Where it can be dialled.
    pub addresses: Vec<PeerAddress>,
    /// How it stands.
    pub state: PeerState,
    /// The other end of the connection in use.
    pub path: Option<PeerAddress>,
    /// Of which kind that connection is.
    pub path_kind: Option<PathKind>,
    /// The last round trip of a ping.
    pub round_trip: Option<Duration>,
    /// How long ago it was heard of first-hand.
    pub heard: Option<Duration>,
    /// Bytes of requests and answers sent to it.
    pub bytes_sent: u64,
    /// Bytes of requests and answers that came from it.
    pub bytes_received: u64,
    /// What it was caught at, last, if that is not forgiven yet.
    pub distrust: Option<String>,
    /// How often it was caught in all.
    pub lies: u32,
}

/// How a peer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerState {
    /// Connected, and each side has admitted the other.
    Answering,
    /// Connected; its hello has not been answered yet.
    Greeting,
    /// Not connected; it can be dialled.
    Known,
    /// It could not be reached, for this reason.
    Unreachable(String),
    /// It refused this side's hello, for this reason.
    Refused(String),
}

pub(super) fn show(peer: PeerId, row: &Row, now: Instant) -> PeerRow {
    let state = match (&row.refusal, row.answers(), row.linked(), row.retry_at) {
        (_, true, _, _) => PeerState::Answering,
        (Some(reason), ..) => PeerState::Refused(reason.clone()),
        (None, false, true, _) => PeerState::Greeting,
        (None, false, false, Some(_)) => PeerState::Unreachable(row.fault.clone()),
        (None, false, false, None) => PeerState::Known,
    };
    PeerRow {
        peer,
        card: row.card.clone(),
        addresses: row.addresses.clone(),
        state,
        path: row.paths.first().map(|path| path.address.clone()),
        path_kind: row.paths.first().map(|path| path.kind),
        round_trip: row.round_trip,
        heard: row.heard.map(|at| now.saturating_duration_since(at)),
        bytes_sent: row.bytes_sent,
        bytes_received: row.bytes_received,
        distrust: row.distrust.as_ref().filter(|_| row.distrusted(now)).map(|distrust| distrust.what.clone()),
        lies: row.distrust.as_ref().map_or(0, |distrust| distrust.lies),
    }
}
