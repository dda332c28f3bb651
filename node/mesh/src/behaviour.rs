//! The libp2p protocols that a mesh speaks, and their limits.
//!
//! It knows nothing of storgo's own streams but that they exist.

use std::time::Duration;

use libp2p::connection_limits::ConnectionLimits;
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{
    StreamProtocol, autonat, connection_limits, dcutr, identify, kad, mdns, memory_connection_limits, ping, relay,
};
use storgo_protocol::NetworkId;
use storgo_protocol::limits::{
    DHT_QUERY_SECONDS_MAX, DHT_RENEWAL_SECONDS, MESH_CONNECTIONS_PER_PEER_MAX, MESH_INBOUND_CONNECTIONS_MAX,
    MESH_MEMORY_PERCENT_MAX, MESH_PENDING_CONNECTIONS_MAX,
};
use storgo_protocol::message::kad_protocol;

use crate::MeshError;
use crate::provider_store::ProviderStore;
use crate::relaying::{self, RelayBounds};
use crate::scoped::Public;

/// What identify calls the family of protocols spoken here.
const FAMILY: &str = "/storgo/1";

/// How often a connection is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How long a ping may take before its connection is given up.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The protocols of one mesh.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) connections: connection_limits::Behaviour,
    pub(crate) memory: memory_connection_limits::Behaviour,
    pub(crate) streams: libp2p_stream::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    /// Off until the network is known: each network has a DHT of its own.
    pub(crate) kad: Toggle<kad::Behaviour<ProviderStore>>,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    /// Asks others whether this side can be dialled.
    pub(crate) autonat: Toggle<Public<autonat::v2::client::Behaviour>>,
    /// Dials others that ask the same.
    pub(crate) autonat_server: Toggle<Public<autonat::v2::server::Behaviour>>,
    /// Carries circuits of others.
    pub(crate) relay: Toggle<relay::Behaviour>,
    /// Reaches others, and is reached, through their circuits.
    pub(crate) relay_client: relay::client::Behaviour,
    /// Replaces a circuit by a direct connection where the NATs allow it.
    pub(crate) punch: Public<dcutr::Behaviour>,
}

/// Which protocols are on.
#[derive(Debug, Clone)]
pub(crate) struct Protocols {
    pub(crate) network: Option<NetworkId>,
    /// Whether DHT queries of others are answered.
    pub(crate) serves_dht: bool,
    pub(crate) mdns: bool,
    /// Whether circuits of others are carried once this side is known to be reachable.
    pub(crate) relay: bool,
    pub(crate) agent: String,
}

impl Behaviour {
    pub(crate) fn new(
        keypair: &Keypair,
        protocols: &Protocols,
        relay_client: relay::client::Behaviour,
    ) -> Result<Self, MeshError> {
        let me = keypair.public().to_peer_id();
        let mdns = if protocols.mdns {
            Some(mdns::tokio::Behaviour::new(mdns::Config::default(), me).map_err(MeshError::setup)?)
        } else {
            None
        };
        let kad = match protocols.network {
            Some(network) => Some(dht(me, network, protocols.serves_dht)?),
            None => None,
        };
        // Listen addresses are told by storgo's hello, which minds their scope; identify would tell all of them.
        let identify = identify::Config::new(FAMILY.to_owned(), keypair.public())
            .with_agent_version(protocols.agent.clone())
            .with_hide_listen_addrs(true);
        Ok(Self {
            connections: connection_limits::Behaviour::new(connections()),
            memory: memory_connection_limits::Behaviour::with_max_percentage(
                f64::from(MESH_MEMORY_PERCENT_MAX) / 100.0,
            ),
            streams: libp2p_stream::Behaviour::new(),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)),
            kad: kad.into(),
            mdns: mdns.into(),
            autonat: protocols.serves_dht.then(|| Public::new(autonat::v2::client::Behaviour::default())).into(),
            autonat_server: protocols.serves_dht.then(|| Public::new(autonat::v2::server::Behaviour::default())).into(),
            relay: (protocols.serves_dht && protocols.relay)
                .then(|| relaying::server(me, &RelayBounds::default()))
                .into(),
            relay_client,
            punch: Public::new(dcutr::Behaviour::new(me)),
        })
    }
}

/// How many connections others may have opened.
fn connections() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(MESH_PENDING_CONNECTIONS_MAX))
        .with_max_established_incoming(Some(MESH_INBOUND_CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(MESH_CONNECTIONS_PER_PEER_MAX))
}

fn dht(me: libp2p::PeerId, network: NetworkId, serves: bool) -> Result<kad::Behaviour<ProviderStore>, MeshError> {
    let protocol = StreamProtocol::try_from_owned(kad_protocol(network)).map_err(MeshError::setup)?;
    let mut config = kad::Config::new(protocol);
    // Storgo announces by itself, paced.
    config
        .set_query_timeout(Duration::from_secs(DHT_QUERY_SECONDS_MAX))
        .set_provider_publication_interval(None)
        .set_publication_interval(None)
        .set_replication_interval(None)
        .set_provider_record_ttl(Some(Duration::from_secs(4 * DHT_RENEWAL_SECONDS)));
    let mut kad = kad::Behaviour::with_config(me, ProviderStore::new(me), config);
    kad.set_mode(Some(if serves { kad::Mode::Server } else { kad::Mode::Client }));
    Ok(kad)
}

#[cfg(test)]
mod tests {
    use libp2p::core::transport::PortUse;
    use libp2p::core::{ConnectedPoint, Endpoint};
    use libp2p::swarm::behaviour::{ConnectionEstablished, FromSwarm};
    use libp2p::swarm::{ConnectionId, dial_opts::DialOpts};
    use libp2p::{Multiaddr, PeerId};

    use super::*;

    #[test]
    fn no_more_connections_are_let_in_than_there_is_room_for() {
        let mut limits = connection_limits::Behaviour::new(connections());
        let here: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        let endpoint = ConnectedPoint::Listener { local_addr: here.clone(), send_back_addr: here.clone() };
        // A connection id is only to be had from a dial.
        let fresh = || -> ConnectionId { DialOpts::unknown_peer_id().address(here.clone()).build().connection_id() };
        for _ in 0..MESH_INBOUND_CONNECTIONS_MAX {
            let (connection_id, peer_id) = (fresh(), PeerId::random());
            assert!(limits.handle_established_inbound_connection(connection_id, peer_id, &here, &here).is_ok());
            limits.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint: &endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
        }
        let one_more = limits.handle_established_inbound_connection(fresh(), PeerId::random(), &here, &here);
        assert!(one_more.is_err());
        // This side may still dial out.
        let role = (Endpoint::Dialer, PortUse::Reuse);
        assert!(
            limits.handle_established_outbound_connection(fresh(), PeerId::random(), &here, role.0, role.1).is_ok()
        );
    }
}
