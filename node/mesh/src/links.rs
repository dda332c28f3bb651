//! Which connections are open and which dials are under way, as the event loop keeps them.
//!
//! It knows connection ids and who waits for them, and touches no socket.

use std::collections::HashMap;

use libp2p::swarm::ConnectionId;
use storgo_protocol::{PeerAddress, PeerId};
use tokio::sync::oneshot;

use crate::peers::{Path, PathKind};

/// Who waits for a dial.
pub(crate) type DialReply = oneshot::Sender<Result<PeerId, String>>;

/// Open connections by peer.
#[derive(Debug, Default)]
pub(crate) struct Links {
    open: HashMap<PeerId, Vec<Link>>,
}

/// One open connection.
#[derive(Debug)]
struct Link {
    id: ConnectionId,
    path: Path,
    dialled: bool,
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
    /// Notes a connection; a direct one beside a relayed one was punched. Gives all paths to the peer, and the relayed
    /// connections that are of no more use.
    pub(crate) fn opened(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        mut path: Path,
        dialled: bool,
    ) -> (Vec<Path>, Vec<ConnectionId>) {
        let open = self.open.entry(peer).or_default();
        let circuits = open.iter().filter(|link| link.path.kind == PathKind::Relayed).map(|link| link.id);
        let mut surplus: Vec<ConnectionId> = circuits.collect();
        match path.kind {
            PathKind::Relayed if surplus.len() < open.len() => surplus = vec![connection],
            PathKind::Relayed => surplus.clear(),
            PathKind::Direct if !surplus.is_empty() => path.kind = PathKind::Punched,
            PathKind::Direct | PathKind::Punched => {}
        }
        open.push(Link { id: connection, path, dialled });
        (self.paths(peer), surplus)
    }

    /// The paths that are left.
    pub(crate) fn closed(&mut self, peer: PeerId, connection: ConnectionId) -> Vec<Path> {
        if let Some(open) = self.open.get_mut(&peer) {
            open.retain(|link| link.id != connection);
            if open.is_empty() {
                self.open.remove(&peer);
            }
        }
        self.paths(peer)
    }

    /// Where a peer was dialled on this connection, if it was, and directly.
    pub(crate) fn dialled(&self, peer: PeerId, connection: ConnectionId) -> Option<&PeerAddress> {
        let link = self.open.get(&peer)?.iter().find(|link| link.id == connection)?;
        (link.dialled && link.path.kind != PathKind::Relayed).then_some(&link.path.address)
    }

    pub(crate) fn connected(&self, peer: PeerId) -> bool {
        self.open.contains_key(&peer)
    }

    fn paths(&self, peer: PeerId) -> Vec<Path> {
        self.open.get(&peer).into_iter().flatten().map(|link| link.path.clone()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn path(kind: PathKind) -> Path {
        Path { kind, address: "/ip4/5.5.5.1/tcp/1".parse().unwrap() }
    }

    #[test]
    fn a_direct_connection_beside_a_circuit_was_punched_and_ends_it() {
        let (mut links, peer) = (Links::default(), storgo_protocol::Identity::from_seed(&[1; 32]).id());
        let [circuit, direct, late] = [1, 2, 3].map(ConnectionId::new_unchecked);
        assert_eq!(links.opened(peer, circuit, path(PathKind::Relayed), true), (vec![path(PathKind::Relayed)], vec![]));
        let (paths, surplus) = links.opened(peer, direct, path(PathKind::Direct), true);
        assert_eq!((paths[1].kind, surplus), (PathKind::Punched, vec![circuit]));
        assert_eq!((links.dialled(peer, circuit), links.dialled(peer, direct).is_some()), (None, true));
        assert_eq!(links.closed(peer, circuit), [path(PathKind::Punched)]);
        let (_, surplus) = links.opened(peer, late, path(PathKind::Relayed), true);
        assert_eq!(surplus, [late], "a circuit to a peer that is connected is of no use");
    }
}
