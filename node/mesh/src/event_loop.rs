//! The one task that owns the swarm: one `select!` over its events, commands, a timer and the end.
//!
//! It only routes: dials to [`links`](crate::links), queries to [`dht`](crate::dht), what peers are to
//! [`peers`](crate::peers). It never waits for anything but its next event, and no other file names the swarm.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use libp2p::core::ConnectedPoint;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, Swarm, SwarmBuilder, identify, kad, mdns, noise, ping, relay, tcp, yamux};
use storgo_protocol::limits::MESH_YAMUX_STREAMS_MAX;
use storgo_protocol::{PeerAddress, PeerId};
use tokio::sync::mpsc;

use crate::MeshError;
use crate::behaviour::{Behaviour, BehaviourEvent, Protocols};
use crate::command::Command;
use crate::core::Core;
use crate::dht::{self, Queries};
use crate::dial_error;
use crate::links::{DialReply, Dials, Links, settle};
use crate::names;
use crate::nat::{Nat, Step};

/// How long a connection without streams is kept: longer than the rounds of hello, so that a small mesh stays whole.
const IDLE_CONNECTION: Duration = Duration::from_mins(2);

/// How often expired queries and idle streams are swept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The swarm and what is under way in it.
pub(crate) struct EventLoop {
    swarm: Swarm<Behaviour>,
    links: Links,
    dials: Dials,
    queries: Queries,
    nat: Nat,
}

impl EventLoop {
    /// Sets up transports and protocols; nothing listens yet.
    pub(crate) fn new(keypair: Keypair, protocols: &Protocols, dial_timeout: Duration) -> Result<Self, MeshError> {
        let streams = || {
            let mut config = yamux::Config::default();
            config.set_max_num_streams(MESH_YAMUX_STREAMS_MAX);
            config
        };
        let swarm = SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, streams)
            .map_err(MeshError::setup)?
            .with_quic()
            .with_dns()
            .map_err(MeshError::setup)?
            .with_relay_client(noise::Config::new, streams)
            .map_err(MeshError::setup)?
            .with_behaviour(|keypair, relay_client| Ok(Behaviour::new(keypair, protocols, relay_client)?))
            .map_err(MeshError::setup)?
            .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_CONNECTION))
            .with_connection_timeout(dial_timeout)
            .build();
        Ok(Self {
            swarm,
            links: Links::default(),
            dials: Dials::default(),
            queries: Queries::default(),
            nat: Nat::new(protocols.relay),
        })
    }

    /// The door to storgo's own streams.
    pub(crate) fn control(&self) -> libp2p_stream::Control {
        self.swarm.behaviour().streams.new_control()
    }

    /// Starts to listen.
    pub(crate) fn listen(&mut self, address: &str) -> Result<(), MeshError> {
        let refuse = |reason: String| MeshError::Address { address: address.to_owned(), purpose: "listen on", reason };
        let parsed: Multiaddr = address.parse().map_err(|error| refuse(format!("{error}")))?;
        self.swarm.listen_on(parsed).map(drop).map_err(|error| refuse(error.to_string()))
    }

    /// Runs until the mesh is stopped.
    pub(crate) async fn run(mut self, core: Arc<Core>, mut commands: mpsc::Receiver<Command>) {
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(&core, event),
                command = commands.recv() => match command {
                    Some(command) => self.on_command(&core, command),
                    None => break,
                },
                _ = sweep.tick() => {
                    self.queries.expire(Instant::now());
                    core.sweep_pools(Instant::now());
                    self.traverse(&core);
                }
                () = core.cancel.cancelled() => break,
            }
        }
    }

    fn on_command(&mut self, core: &Core, command: Command) {
        let now = Instant::now();
        match command {
            Command::Dial { peer, addresses, reply } => self.dial(peer, addresses, reply),
            Command::DialAddress { address, reply } => self.dial_address(address, reply),
            Command::Note { reply } => {
                if reply.send(()).is_err() {
                    tracing::trace!(me = %core.me, "nobody waits to be noted any more");
                }
            }
            Command::Disconnect { peer } => self.disconnect(peer),
            Command::Route { peer, addresses } => self.route(peer, &addresses),
            Command::FindPeer { peer, reply } => {
                self.queries.find_peer(self.swarm.behaviour_mut().kad.as_mut(), peer, reply, now);
            }
            Command::FindProviders { node, reply } => {
                self.queries.find_providers(self.swarm.behaviour_mut().kad.as_mut(), node, reply, now);
            }
            Command::Announce { node, reply } => {
                self.queries.announce(self.swarm.behaviour_mut().kad.as_mut(), node, reply, now);
            }
            Command::RoutingTable { reply } => {
                let table = self.swarm.behaviour_mut().kad.as_mut().map(dht::routing_table).unwrap_or_default();
                if reply.send(table).is_err() {
                    tracing::trace!(me = %core.me, "nobody waits for the routing table any more");
                }
            }
        }
    }

    fn on_event(&mut self, core: &Arc<Core>, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(core, event),
            SwarmEvent::NewListenAddr { address, listener_id } => {
                let named = names::with_peer(&address, core.me);
                let relayed = named.as_ref().is_some_and(PeerAddress::is_relayed);
                core.listening.lock().opened(&listener_id.to_string(), named);
                core.changed.send_replace(());
                if relayed {
                    tracing::info!(%address, "reachable through a relay");
                    greet_all(core);
                }
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                core.listening.lock().closed(&[address], core.me);
            }
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                if self.nat.closed(listener_id) {
                    tracing::info!(?addresses, ?reason, "a place at a relay ended");
                } else {
                    tracing::error!(?addresses, ?reason, "a listener closed");
                }
                core.listening.lock().closed(&addresses, core.me);
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener failed"),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_opened(core, &peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                let Some(peer) = names::from_libp2p(&peer_id) else { return };
                tracing::debug!(%peer, ?cause, "connection closed");
                let left = self.links.closed(peer, connection_id);
                if left.is_empty() {
                    self.nat.left(peer);
                }
                core.set_paths(peer, left);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.dials.failed(connection_id, &dial_error::reason(&error));
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(from = %send_back_addr, %error, "an inbound connection failed");
            }
            _ => {}
        }
    }

    fn on_behaviour(&mut self, core: &Core, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed { id, result, step, .. }) => {
                self.queries.progress(id, result, step.last);
            }
            BehaviourEvent::Ping(ping::Event { peer, connection, result }) => {
                let Some(peer) = names::from_libp2p(&peer) else { return };
                match result {
                    Ok(round_trip) => core.table.lock().pinged(peer, round_trip, Instant::now()),
                    Err(ping::Failure::Timeout) => {
                        tracing::info!(%peer, "a peer answers no ping: closing the connection");
                        core.table.lock().failed(peer, "it answered no ping".to_owned(), Instant::now());
                        self.swarm.close_connection(connection);
                    }
                    Err(error) => tracing::debug!(%peer, %error, "a ping failed"),
                }
            }
            BehaviourEvent::Kad(kad::Event::RoutingUpdated { peer, addresses, .. }) => {
                if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                    dht::forget_narrower(kad, &peer, addresses.iter());
                }
            }
            BehaviourEvent::Autonat(tested) => {
                self.nat.tested(tested.tested_addr.clone(), tested.result.is_ok());
                if tested.result.is_ok() {
                    core.listening.lock().proven(names::with_peer(&tested.tested_addr, core.me));
                }
            }
            BehaviourEvent::Identify(identify::Event::Received { peer_id, connection_id, info, .. }) => {
                let Some(peer) = names::from_libp2p(&peer_id) else { return };
                if let Some(address) = self.links.dialled(peer, connection_id) {
                    self.nat.offered(peer, address.as_multiaddr(), info.protocols.contains(&relay::HOP_PROTOCOL_NAME));
                }
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    let Some(peer) = names::from_libp2p(&peer) else { continue };
                    if let Ok(address) = PeerAddress::new(address) {
                        core.table.lock().hear_of(peer, &[address]);
                    }
                }
                core.changed.send_replace(());
            }
            _ => {}
        }
    }

    fn on_opened(
        &mut self,
        core: &Arc<Core>,
        peer: &libp2p::PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        let named = names::from_libp2p(peer).and_then(|peer| Some((peer, names::path(endpoint, peer)?)));
        let Some((peer, path)) = named else {
            tracing::debug!(%peer, ?endpoint, "a connection without a storgo identity is closed");
            self.swarm.close_connection(connection);
            return;
        };
        #[cfg(test)]
        core.hold_events();
        let (paths, surplus) = self.links.opened(peer, connection, path, endpoint.is_dialer());
        core.set_paths(peer, paths);
        for circuit in surplus {
            self.swarm.close_connection(circuit);
        }
        self.dials.established(connection, peer);
        if endpoint.is_dialer() {
            core.spawn_greeting(peer);
        }
    }

    /// Does what this side's reach asks for.
    fn traverse(&mut self, core: &Core) {
        *core.reach.lock() = self.nat.reach();
        for step in self.nat.steps() {
            match step {
                Step::Serve(serve) => {
                    let status = if serve { relay::Status::Enable } else { relay::Status::Disable };
                    if let Some(relay) = self.swarm.behaviour_mut().relay.as_mut() {
                        relay.set_status(Some(status));
                    }
                }
                Step::Reserve { relay, address } => {
                    let listener = self.swarm.listen_on(address);
                    if let Err(error) = &listener {
                        tracing::info!(%relay, %error, "no place can be asked for at a relay");
                    }
                    self.nat.reserving(relay, listener.ok());
                }
                Step::Release(listener) => {
                    if !self.swarm.remove_listener(listener) {
                        tracing::trace!("a place at a relay had ended already");
                    }
                }
            }
        }
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<PeerAddress>, reply: DialReply) {
        if self.links.connected(peer) {
            return settle(reply, Ok(peer));
        }
        let Some(reply) = self.dials.join(peer, &addresses, reply) else { return };
        let target = match names::to_libp2p(peer) {
            Ok(target) => target,
            Err(error) => return settle(reply, Err(error.to_string())),
        };
        let opts = DialOpts::peer_id(target)
            .condition(PeerCondition::Disconnected)
            .addresses(addresses.iter().map(|address| address.as_multiaddr().clone()).collect())
            .build();
        self.start_dial(opts, Some(peer), addresses, reply);
    }

    fn dial_address(&mut self, address: PeerAddress, reply: DialReply) {
        let opts = DialOpts::unknown_peer_id().address(address.as_multiaddr().clone()).build();
        self.start_dial(opts, names::peer_of(&address), vec![address], reply);
    }

    fn start_dial(&mut self, opts: DialOpts, peer: Option<PeerId>, addresses: Vec<PeerAddress>, reply: DialReply) {
        let connection = opts.connection_id();
        match self.swarm.dial(opts) {
            Ok(()) => self.dials.started(connection, peer, addresses, reply),
            Err(error) => settle(reply, Err(dial_error::reason(&error))),
        }
    }

    fn disconnect(&mut self, peer: PeerId) {
        let Ok(target) = names::to_libp2p(peer) else { return };
        if self.swarm.disconnect_peer_id(target).is_err() {
            tracing::trace!(%peer, "it was not connected any more");
        }
    }

    fn route(&mut self, peer: PeerId, addresses: &[PeerAddress]) {
        let (Some(kad), Ok(target)) = (self.swarm.behaviour_mut().kad.as_mut(), names::to_libp2p(peer)) else { return };
        for address in addresses {
            kad.add_address(&target, address.as_multiaddr().clone());
        }
    }
}

/// Tells everybody who is linked where this side can be reached now.
fn greet_all(core: &Arc<Core>) {
    let known = core.table.lock().acquainted();
    for peer in known {
        core.spawn_greeting(peer);
    }
}
