//! A protocol that crosses networks, kept to public addresses.
//!
//! AutoNAT and DCUtR test, tell and dial whatever address they are told of. Inside, that would make a node dial its
//! own network on a stranger's word, and fill a LAN with connections that prove nothing. It knows no protocol.

use std::collections::HashSet;
use std::fmt;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::{DialFailure, NewExternalAddrCandidate};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use storgo_protocol::{PeerAddress, Scope};

/// The protocol, and the dials that it began.
pub(crate) struct Public<B> {
    inner: B,
    dials: HashSet<ConnectionId>,
}

impl<B> fmt::Debug for Public<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Public").field("dials", &self.dials).finish_non_exhaustive()
    }
}

/// Why a dial was denied.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not dialled on a stranger's word")]
struct Inside(Multiaddr);

impl<B> Public<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self { inner, dials: HashSet::new() }
    }
}

/// Whether everybody can dial an address, and by itself: a name may lead anywhere, and a circuit needs a relay.
fn is_public(address: &Multiaddr) -> bool {
    let is_ip = matches!(address.iter().next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_)));
    let known = PeerAddress::new(address.clone());
    is_ip && known.is_ok_and(|address| address.scope() == Scope::Public && !address.is_relayed())
}

impl<B: NetworkBehaviour> NetworkBehaviour for Public<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.dials.contains(&connection)
            && let Some(inside) = addresses.iter().find(|address| !is_public(address))
        {
            return Err(ConnectionDenied::new(Inside(inside.clone())));
        }
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.dials.remove(&connection);
        self.inner.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }) if !is_public(addr) => return,
            FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.dials.remove(&connection_id);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        let polled = self.inner.poll(context);
        if let Poll::Ready(ToSwarm::Dial { opts }) = &polled {
            self.dials.insert(opts.connection_id());
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use libp2p::swarm::{ConnectionHandler as _, dial_opts::DialOpts, dummy};

    use super::*;

    /// Dials what it is told, once, and remembers candidates.
    #[derive(Debug, Default)]
    struct Eager {
        dial: Option<Multiaddr>,
        candidates: Vec<Multiaddr>,
    }

    impl NetworkBehaviour for Eager {
        type ConnectionHandler = dummy::ConnectionHandler;
        type ToSwarm = std::convert::Infallible;

        fn handle_established_inbound_connection(
            &mut self,
            _: ConnectionId,
            _: PeerId,
            _: &Multiaddr,
            _: &Multiaddr,
        ) -> Result<THandler<Self>, ConnectionDenied> {
            Ok(dummy::ConnectionHandler)
        }

        fn handle_established_outbound_connection(
            &mut self,
            _: ConnectionId,
            _: PeerId,
            _: &Multiaddr,
            _: Endpoint,
            _: PortUse,
        ) -> Result<THandler<Self>, ConnectionDenied> {
            Ok(dummy::ConnectionHandler)
        }

        fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
            if let FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }) = event {
                self.candidates.push(addr.clone());
            }
        }

        fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
            match event {}
        }

        fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
            match self.dial.take() {
                Some(address) => Poll::Ready(ToSwarm::Dial { opts: address.into() }),
                None => Poll::Pending,
            }
        }
    }

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn dialled(text: &str) -> bool {
        let mut public = Public::new(Eager { dial: Some(address(text)), ..Eager::default() });
        let mut context = Context::from_waker(std::task::Waker::noop());
        let Poll::Ready(ToSwarm::Dial { opts }) = public.poll(&mut context) else { panic!("it dials") };
        let id = opts.connection_id();
        public.handle_pending_outbound_connection(id, None, &[address(text)], Endpoint::Dialer).is_ok()
    }

    #[test]
    fn its_own_dials_stay_outside() {
        assert!(dialled("/ip4/5.5.5.1/tcp/4820"));
        for inside in ["/ip4/127.0.0.1/tcp/22", "/ip4/10.0.0.1/tcp/80", "/ip6/fe80::1/tcp/80"] {
            assert!(!dialled(inside), "{inside}");
        }
        // Dials of others are not its business.
        let mut public = Public::new(Eager::default());
        let opts = DialOpts::from(address("/ip4/10.0.0.1/tcp/1"));
        let inside = [address("/ip4/10.0.0.1/tcp/1")];
        assert!(
            public.handle_pending_outbound_connection(opts.connection_id(), None, &inside, Endpoint::Dialer).is_ok()
        );
        assert!(!dummy::ConnectionHandler.connection_keep_alive());
    }

    #[test]
    fn only_public_addresses_are_candidates() {
        let mut public = Public::new(Eager::default());
        // Who is met over a circuit is seen at no address but its name.
        let me = PeerId::random();
        let circuit = format!("/ip4/5.5.5.1/tcp/1/p2p/{me}/p2p-circuit");
        let named = format!("/p2p/{me}");
        let inner = ["/ip4/192.168.1.1/tcp/1", "/ip4/127.0.0.1/tcp/1", "/dns4/x.org/tcp/1", &circuit, &named];
        for text in inner.into_iter().chain(["/ip4/5.5.5.1/tcp/1"]) {
            let addr = address(text);
            public.on_swarm_event(FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr: &addr }));
        }
        assert_eq!(public.inner.candidates, [address("/ip4/5.5.5.1/tcp/1")]);
    }
}
