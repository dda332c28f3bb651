//! The peer table: who is known, who was heard first-hand, who is linked now, who is to be dialled next.
//!
//! ```text
//!   hearsay ──dial, hello──► first-hand and linked ──connection lost──► first-hand ──dial failed──► backed off
//! ```
//!
//! It is pure: no sockets, no tasks, no clock (the time is an argument), so that every rule is tested without a
//! network. What it remembers came from cards and connections; nothing of it is durable.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use storgo_protocol::limits::{
    DISTRUST_SECONDS_MAX, DISTRUST_SECONDS_MIN, HELLO_PEERS_MAX, MESH_BACKOFF_SECONDS_MAX, MESH_BACKOFF_SECONDS_MIN,
    PEER_ADDRESSES_MAX, PEER_TABLE_MAX,
};
use storgo_protocol::message::PeerCard;
use storgo_protocol::{PeerAddress, PeerId, Scope};

pub(crate) use self::path::Path;
pub use self::path::PathKind;
use self::row::{Distrust, Row, merge};
pub use self::view::{PeerRow, PeerState};
use crate::data::Route;
use crate::names;

mod path;
mod row;
mod view;

/// All peers that this side knows.
#[derive(Debug)]
pub(crate) struct PeerTable {
    me: PeerId,
    rows: HashMap<PeerId, Row>,
}

/// What stands between this side and a question to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Answering,
    /// A hello under way.
    Greeting,
    /// A dial, to these addresses.
    Away(Vec<PeerAddress>),
    /// A recent failure.
    BackedOff(String),
    /// No address is known.
    Unknown,
}

impl PeerTable {
    pub(crate) fn new(me: PeerId) -> Self {
        Self { me, rows: HashMap::new() }
    }

    /// Notes an address of a peer, from the configuration, a ticket, mDNS or the DHT.
    pub(crate) fn hear_of(&mut self, peer: PeerId, addresses: &[PeerAddress]) {
        if peer == self.me {
            return;
        }
        let Some(row) = self.row(peer) else { return };
        if !row.linked() {
            let before = row.addresses.clone();
            merge(&mut row.addresses, peer, addresses);
            // A way that was not tried yet is worth a dial, whatever the others met: who moved is told of by others
            // while old tickets still name where it was.
            if row.refusal.is_none() && row.addresses.iter().any(|address| !before.contains(address)) {
                row.retry_at = None;
            }
        }
    }

    /// Whether addresses of a peer are known beside these.
    pub(crate) fn knows_others(&self, peer: PeerId, tried: &[PeerAddress]) -> bool {
        self.rows.get(&peer).is_some_and(|row| row.addresses.iter().any(|address| !tried.contains(address)))
    }

    /// Lets an unreachable peer be dialled before its wait is over; one that refused stays alone.
    pub(crate) fn retry_now(&mut self, peer: PeerId, now: Instant) {
        if let Some(row) = self.rows.get_mut(&peer).filter(|row| row.refusal.is_none()) {
            row.retry_at = None;
            row.tried_anew = Some(now);
        }
    }

    /// Notes a card that another peer told: it is dialled before it counts, and never replaces a card heard
    /// first-hand.
    pub(crate) fn hear_say(&mut self, card: PeerCard) {
        let peer = card.peer;
        if peer == self.me || !card.stores {
            return;
        }
        self.hear_of(peer, &card.addresses);
        if let Some(row) = self.rows.get_mut(&peer).filter(|row| !row.first_hand) {
            row.card = Some(card);
        }
    }

    /// Notes what a linked peer says of itself. With it both sides have admitted each other.
    pub(crate) fn hear_from(&mut self, card: PeerCard, now: Instant) {
        let peer = card.peer;
        if peer == self.me {
            return;
        }
        let Some(row) = self.row(peer) else { return };
        // Its own word on where it listens replaces hearsay; a way that just proved itself stays too.
        let paths = row.paths.iter().map(|path| &path.address);
        let proven: Vec<PeerAddress> = paths.filter(|path| row.addresses.contains(path)).cloned().collect();
        row.addresses.clear();
        merge(&mut row.addresses, peer, &proven);
        merge(&mut row.addresses, peer, &card.addresses);
        row.card = Some(card);
        row.first_hand = true;
        row.welcomed = row.linked();
        row.refusal = None;
        row.failures = 0;
        row.retry_at = None;
        row.heard = Some(now);
    }

    /// Notes that a peer refused this side's hello.
    pub(crate) fn refused(&mut self, peer: PeerId, reason: &str, now: Instant) {
        if let Some(row) = self.rows.get_mut(&peer) {
            row.welcomed = false;
            row.refusal = Some(reason.to_owned());
            row.fault = format!("refused: {reason}");
            row.failures = row.failures.saturating_add(1);
            row.retry_at = Some(now + Duration::from_secs(MESH_BACKOFF_SECONDS_MAX));
        }
    }

    /// Notes the other ends of all connections with a peer; with none, it has to be greeted anew.
    pub(crate) fn set_paths(&mut self, peer: PeerId, mut paths: Vec<Path>) {
        // The best first: it is the one that is shown and told.
        paths.sort_by_key(|path| path.kind);
        if paths.is_empty() {
            let Some(row) = self.rows.get_mut(&peer) else { return };
            row.paths.clear();
            row.welcomed = false;
            row.round_trip = None;
            // A visitor that left is of no more use.
            if !row.may_store() || row.addresses.is_empty() {
                self.rows.remove(&peer);
            }
        } else if let Some(row) = self.row(peer) {
            row.paths = paths;
        }
    }

    /// Notes that a peer could not be reached, or that it fell silent; it is left alone for a while.
    pub(crate) fn failed(&mut self, peer: PeerId, reason: String, now: Instant) {
        // Many can wait for one dial and report its failure.
        if let Some(row) = self.rows.get_mut(&peer).filter(|row| !row.backed_off(now)) {
            let doubled = MESH_BACKOFF_SECONDS_MIN << row.failures.min(16);
            row.failures = row.failures.saturating_add(1);
            row.fault = reason;
            row.retry_at = Some(now + Duration::from_secs(doubled.min(MESH_BACKOFF_SECONDS_MAX)));
        }
    }

    /// Notes that a dial that was begun at this time failed. Many can wait for one dial, and some are late to say so.
    pub(crate) fn dial_failed(&mut self, peer: PeerId, reason: String, began: Instant, now: Instant) {
        if self.rows.get(&peer).is_some_and(|row| row.tried_anew.is_none_or(|anew| anew <= began)) {
            self.failed(peer, reason, now);
        }
    }

    /// Notes a sign of life.
    pub(crate) fn pinged(&mut self, peer: PeerId, round_trip: Duration, now: Instant) {
        if let Some(row) = self.rows.get_mut(&peer) {
            row.round_trip = Some(round_trip);
            row.heard = Some(now);
        }
    }

    /// Counts bytes of requests and answers.
    pub(crate) fn count_bytes(&mut self, peer: PeerId, sent: usize, received: usize) {
        if let Some(row) = self.rows.get_mut(&peer) {
            row.bytes_sent = row.bytes_sent.saturating_add(sent as u64);
            row.bytes_received = row.bytes_received.saturating_add(received as u64);
        }
    }

    /// Notes that a peer was caught. It is forgiven after a time that doubles with each lie.
    pub(crate) fn distrust(&mut self, peer: PeerId, what: &str, now: Instant) {
        if let Some(row) = self.rows.get_mut(&peer) {
            let lies = row.distrust.as_ref().map_or(0, |distrust| distrust.lies).saturating_add(1);
            let seconds = (DISTRUST_SECONDS_MIN << (lies - 1).min(16)).min(DISTRUST_SECONDS_MAX);
            row.distrust = Some(Distrust { what: what.to_owned(), lies, until: now + Duration::from_secs(seconds) });
        }
    }

    /// The peers that were caught and not forgiven yet.
    pub(crate) fn distrusted(&self, now: Instant) -> Vec<PeerId> {
        self.rows.iter().filter(|(_, row)| row.distrusted(now)).map(|(peer, _)| *peer).collect()
    }

    /// What has to happen before `peer` can be asked.
    pub(crate) fn standing(&self, peer: PeerId, now: Instant) -> Standing {
        match self.rows.get(&peer) {
            Some(row) if row.answers() => Standing::Answering,
            Some(row) if row.backed_off(now) => Standing::BackedOff(row.fault.clone()),
            Some(row) if row.linked() => Standing::Greeting,
            Some(row) if !row.addresses.is_empty() => Standing::Away(row.addresses.clone()),
            _ => Standing::Unknown,
        }
    }

    /// Whether requests of `peer` are served.
    pub(crate) fn admits(&self, peer: PeerId) -> bool {
        self.rows.get(&peer).is_some_and(Row::answers)
    }

    /// The widest scope from which `peer` is connected: what decides which addresses it may be told.
    pub(crate) fn scope(&self, peer: PeerId) -> Scope {
        let paths = self.rows.get(&peer).map(|row| row.paths.as_slice()).unwrap_or_default();
        paths.iter().map(|path| path.address.scope()).max().unwrap_or(Scope::Public)
    }

    /// The first other end of a connection with `peer`.
    pub(crate) fn path(&self, peer: PeerId) -> Option<PeerAddress> {
        self.rows.get(&peer)?.paths.first().map(|path| path.address.clone())
    }

    /// Whether a peer is connected, and through relays only.
    pub(crate) fn only_relayed(&self, peer: PeerId) -> bool {
        let best = self.rows.get(&peer).and_then(|row| row.paths.first());
        best.is_some_and(|path| path.kind == PathKind::Relayed)
    }

    /// Where a peer takes data connections: on the host that it is linked from, at the port that it says.
    pub(crate) fn data_route(&self, peer: PeerId) -> Option<Route> {
        let row = self.rows.get(&peer).filter(|row| row.answers() && row.first_hand)?;
        let port = row.card.as_ref().map(|card| card.data_port).filter(|port| *port != 0)?;
        // What a NAT was punched for is one port, and not this one.
        let direct = row.paths.iter().filter(|path| path.kind == PathKind::Direct);
        let host = direct.map(|path| &path.address).find_map(names::host)?;
        Some(Route { host, port })
    }

    /// Cards of the storage peers that are linked and admitted, those that were caught last, else by id.
    pub(crate) fn answering(&self, now: Instant) -> Vec<PeerCard> {
        let mut rows: Vec<&Row> = self.rows.values().filter(|row| row.answers()).collect();
        rows.sort_by_key(|row| (row.distrusted(now), row.card.as_ref().map(|card| card.peer)));
        rows.into_iter().filter_map(|row| row.card.clone()).filter(|card| card.stores).collect()
    }

    /// Peers that may store, are not linked and may be dialled now; those with the fewest failures first.
    pub(crate) fn candidates(&self, now: Instant) -> Vec<PeerId> {
        let dialable = |row: &Row| !row.linked() && !row.addresses.is_empty() && row.may_store();
        let mut found: Vec<(u32, PeerId)> = self
            .rows
            .iter()
            .filter(|(_, row)| dialable(row) && !row.backed_off(now))
            .map(|(peer, row)| (row.failures, *peer))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, peer)| peer).collect()
    }

    /// When the next candidate's backoff ends.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        let waits = self.rows.values().filter(|row| !row.linked() && row.may_store() && !row.addresses.is_empty());
        waits.filter_map(|row| row.retry_at).min()
    }

    /// Connected storage peers.
    pub(crate) fn linked(&self) -> Vec<PeerId> {
        let linked = self.rows.iter().filter(|(_, row)| row.linked() && row.may_store());
        linked.map(|(peer, _)| *peer).collect()
    }

    /// Connected storage peers that have said hello. Others that are connected need not be of storgo at all: whoever
    /// speaks the DHT's protocol may.
    pub(crate) fn acquainted(&self) -> Vec<PeerId> {
        let known = self.rows.iter().filter(|(_, row)| row.answers() && row.may_store());
        known.map(|(peer, _)| *peer).collect()
    }

    /// Cards to tell `caller`, who is connected from `scope`: storage peers heard first-hand, the most recently heard
    /// first, each with those addresses that reach as far as the caller is away.
    pub(crate) fn tell(&self, caller: PeerId, scope: Scope, now: Instant) -> Vec<PeerCard> {
        let mut rows: Vec<(Duration, &PeerCard, &Row)> = self
            .rows
            .values()
            .filter(|row| row.first_hand && (row.answers() || row.failures == 0))
            .filter_map(|row| Some((now.saturating_duration_since(row.heard?), row.card.as_ref()?, row)))
            .filter(|(_, card, _)| card.stores && card.peer != caller)
            .collect();
        rows.sort_by_key(|(ago, card, _)| (*ago, card.peer));
        let cards = rows.into_iter().map(|(ago, card, row)| PeerCard {
            addresses: within(&row.addresses, scope),
            seen_seconds: u32::try_from(ago.as_secs()).unwrap_or(u32::MAX),
            ..card.clone()
        });
        cards.filter(|card| !card.addresses.is_empty()).take(HELLO_PEERS_MAX).collect()
    }

    /// All rows by peer id.
    pub(crate) fn rows(&self, now: Instant) -> Vec<PeerRow> {
        let mut rows: Vec<PeerRow> = self.rows.iter().map(|(peer, row)| view::show(*peer, row, now)).collect();
        rows.sort_by_key(|row| row.peer);
        rows
    }

    fn row(&mut self, peer: PeerId) -> Option<&mut Row> {
        if !self.rows.contains_key(&peer) && self.rows.len() >= PEER_TABLE_MAX {
            let idle = self.rows.iter().filter(|(_, row)| !row.linked());
            let oldest = idle.min_by_key(|(peer, row)| (row.first_hand, row.heard, **peer)).map(|(peer, _)| *peer)?;
            self.rows.remove(&oldest);
        }
        Some(self.rows.entry(peer).or_default())
    }
}

/// The addresses that a peer connected from `scope` may be told: those that reach at least as far.
pub(crate) fn within(addresses: &[PeerAddress], scope: Scope) -> Vec<PeerAddress> {
    addresses.iter().filter(|address| address.scope() >= scope).take(PEER_ADDRESSES_MAX).cloned().collect()
}

#[cfg(test)]
mod tests;
