//! Which connections are open and which dials are under way, as the event loop keeps them.
//!
//! It knows connection ids and who waits for them, and touches no socket.

use std::collections::HashMap;

use libp2p::swarm::ConnectionId;
use storgo_protocol::{PeerAddress, PeerId};
use tokio::sync::oneshot;

/// Who waits for a dial.
pub(crate) type DialReply = oneshot::Sender<Result<PeerId, String>>;

/// Open connections by peer.
#[derive(Debug, Default)]
pub(crate) struct Links {
    open: HashMap<PeerId, Vec<(ConnectionId, PeerAddress)>>,
}

/// Dials under way by connection.
#[derive(Debug, Default)]
pub(crate) struct Dials {
    waiting: HashMap<ConnectionId, Dial>,
}

#[derive(Debug)]
struct Dial {
    peer: Option<PeerId>,
    addresses: Vec<PeerAddress>,
    replies: Vec<DialReply>,
}

impl Links {
    pub(crate) fn opened(&mut self, peer: PeerId, connection: ConnectionId, path: PeerAddress) -> Vec<PeerAddress> {
        self.open.entry(peer).or_default().push((connection, path));
        self.paths(peer)
    }

    /// The paths that are left.
    pub(crate) fn closed(&mut self, peer: PeerId, connection: ConnectionId) -> Vec<PeerAddress> {
        if let Some(open) = self.open.get_mut(&peer) {
            open.retain(|(id, _)| *id != connection);
            if open.is_empty() {
                self.open.remove(&peer);
            }
        }
        self.paths(peer)
    }

    pub(crate) fn connected(&self, peer: PeerId) -> bool {
        self.open.contains_key(&peer)
    }

    fn paths(&self, peer: PeerId) -> Vec<PeerAddress> {
        self.open.get(&peer).into_iter().flatten().map(|(_, path)| path.clone()).collect()
    }
}

impl Dials {
    /// Lets `reply` wait with others for a dial that tries these addresses of the peer already; gives it back if
    /// there is none.
    pub(crate) fn join(&mut self, peer: PeerId, addresses: &[PeerAddress], reply: DialReply) -> Option<DialReply> {
        let tries_them = |dial: &Dial| addresses.iter().all(|address| dial.addresses.contains(address));
        match self.waiting.values_mut().find(|dial| dial.peer == Some(peer) && tries_them(dial)) {
            Some(dial) => {
                dial.replies.push(reply);
                None
            }
            None => Some(reply),
        }
    }

    pub(crate) fn started(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: Vec<PeerAddress>,
        reply: DialReply,
    ) {
        self.waiting.insert(connection, Dial { peer, addresses, replies: vec![reply] });
    }

    /// Answers everyone who waits for this connection or this peer.
    pub(crate) fn established(&mut self, connection: ConnectionId, peer: PeerId) {
        let done = self.waiting.extract_if(|id, dial| *id == connection || dial.peer == Some(peer));
        for reply in done.flat_map(|(_, dial)| dial.replies) {
            settle(reply, Ok(peer));
        }
    }

    pub(crate) fn failed(&mut self, connection: ConnectionId, reason: &str) {
        for reply in self.waiting.remove(&connection).into_iter().flat_map(|dial| dial.replies) {
            settle(reply, Err(reason.to_owned()));
        }
    }
}

/// Answers one who waits, if it still does.
pub(crate) fn settle(reply: DialReply, result: Result<PeerId, String>) {
    if reply.send(result).is_err() {
        tracing::trace!("nobody waits for this dial any more");
    }
}
