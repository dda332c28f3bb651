//! A node: a data directory, disks, a place in the network and a socket, started and stopped in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use storgo_mesh::{Mesh, MeshSetup, Role};
use storgo_object::ShardService;
use storgo_object::ports::{OsRandom, ShardStore, SystemClock};
use storgo_protocol::{Invite, NetworkId, ParseTicketError, PeerAddress, PeerId};
use storgo_rpc::Socket;
use storgo_store::Store;
use tokio::net::UnixListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::AGENT;
use crate::acquaintances::Acquaintances;
use crate::api::Api;
use crate::config::NodeConfig;
use crate::data_dir::DataDir;
use crate::descriptors;
use crate::error::NodeError;
use crate::home::Home;
use crate::listen;
use crate::membership::Membership;
use crate::metadata::{self, Metadata, Surroundings};
use crate::metrics::Metrics;
use crate::peer_book::PeerBook;
use crate::redis::{Here, RedisDoor};
use crate::supervise::Supervisor;

/// How often the mesh is asked whether it still runs.
const PULSE: Duration = Duration::from_secs(5);

/// A running node. It runs until [`Node::run`] returns; dropped before that, it stops without order.
#[derive(Debug)]
pub struct Node {
    ready: Ready,
    supervisor: Supervisor,
    metadata: Option<Metadata>,
    mesh: Mesh,
    store: Arc<Store>,
    // Held until all else has stopped.
    _socket: Socket,
    _data: DataDir,
}

/// What a node is, once it answers.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Who it is.
    pub peer: PeerId,
    /// The network that it is of.
    pub network: NetworkId,
    /// Where it listens; each address ends in its peer id.
    pub addresses: Vec<PeerAddress>,
    /// Where questions about it are answered.
    pub socket: PathBuf,
    /// Its data directory.
    pub data: PathBuf,
    /// Where it takes Redis's protocol.
    pub redis: Option<SocketAddr>,
    /// Where it takes that in datagrams.
    pub redis_udp: Option<SocketAddr>,
}

impl Node {
    /// Starts a node in the data directory `data`, which is made at first use. Doors that show plaintext
    /// open for the user of `home`.
    ///
    /// # Errors
    /// [`NodeError::Busy`] when a node runs there, [`NodeError::Config`] or [`NodeError::Part`] for what did not start.
    pub async fn start(data: &Path, config: &NodeConfig, home: Option<&Home>) -> Result<Self, NodeError> {
        descriptors::raise_limit();
        let redis = RedisDoor::bind(home, &config.redis).await?;
        let mut mesh_config = config.mesh()?;
        let data = DataDir::open(data, &OsRandom)?;
        let peer = data.identity().id();
        let membership = match &config.join {
            Some(word) => {
                let invite: Invite = word.parse().map_err(|error: ParseTicketError| NodeError::Config {
                    what: "the invite".into(),
                    reason: error.to_string(),
                })?;
                mesh_config.bootstrap.extend(invite.addresses.iter().map(ToString::to_string));
                Some(Membership::join(&data, &invite)?)
            }
            None => Membership::read(data.path(), peer)?,
        };
        let network = config.network_of(membership.as_ref().map(Membership::network))?;
        listen::check_free(&mesh_config.listen)?;
        let store = Store::open(config.store(data.path())?, Arc::new(OsRandom)).await?;
        let (socket, listener) = Socket::bind(data.path())?;
        let shards: Arc<dyn ShardStore> = Arc::clone(&store) as _;
        let mesh = Mesh::start(MeshSetup {
            identity: data.identity().clone(),
            network: Some(network),
            role: Role::Node {
                serve: Arc::new(ShardService::new(peer, Arc::clone(&shards), Arc::new(SystemClock))),
                store: Arc::clone(&shards),
            },
            agent: AGENT.into(),
            config: mesh_config,
        })
        .await?;
        let book = PeerBook::at(data.path().join("peers"));
        let met = Acquaintances { book, network, mesh: mesh.clone() };
        met.recall();
        let (zone, metrics) = (config.mesh.zone.clone(), Metrics::new());
        let metadata = if let Some(membership) = &membership {
            let gone_after = Duration::from_secs(config.metadata.gone_after_seconds);
            let around =
                Surroundings { data: data.path(), peer, zone: &zone, gone_after, mesh: &mesh, metrics: &metrics };
            Some(Metadata::start(&around, membership).await?)
        } else {
            metadata::decline(&mesh, data.identity(), network)?;
            None
        };
        let cluster = metadata.as_ref().map(|metadata| metadata.cluster().clone());
        let api =
            Api { peer, network, zone, started: Instant::now(), store: shards, mesh: mesh.clone(), cluster, metrics };
        let ready = Ready {
            peer,
            network,
            addresses: mesh.listen_addresses(),
            socket: socket.path().to_owned(),
            data: data.path().to_owned(),
            redis: redis.as_ref().and_then(RedisDoor::address),
            redis_udp: redis.as_ref().and_then(RedisDoor::datagram_address),
        };
        let (cluster, metrics) = (api.cluster.clone(), api.metrics.clone());
        let mut supervisor = doors(listener, api, met, data.path().to_owned(), membership);
        if let Some(redis) = redis {
            let here = Here { network, addresses: ready.addresses.clone(), cluster, metrics };
            supervisor.spawn("the redis door", |stop| redis.serve(here, stop));
        }
        Ok(Self { ready, supervisor, metadata, mesh, store, _socket: socket, _data: data })
    }

    /// What the node is.
    #[must_use]
    pub const fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Runs until `stop` completes or a part dies, then stops in order: doors, groups, mesh, store.
    ///
    /// # Errors
    /// [`NodeError::Died`] when a part died, or the first error met while stopping.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), NodeError> {
        let ran = tokio::select! {
            () = stop => Ok(()),
            ended = self.supervisor.watch() => ended,
        };
        tracing::info!("stopping");
        let doors = self.supervisor.stop().await;
        let groups = match self.metadata {
            Some(metadata) => metadata.stop().await,
            None => Ok(()),
        };
        self.mesh.shutdown().await;
        let closed = self.store.close().await.map_err(NodeError::from);
        ran.and(doors).and(groups).and(closed)
    }
}

/// Starts what answers from outside, and what watches over the rest.
fn doors(
    listener: UnixListener,
    api: Api,
    met: Acquaintances,
    data: PathBuf,
    membership: Option<Membership>,
) -> Supervisor {
    let mut supervisor = Supervisor::new(CancellationToken::new());
    let (mesh, cluster) = (api.mesh.clone(), api.cluster.clone());
    let api = Arc::new(api);
    supervisor.spawn("the socket", |stop| async move {
        let served = storgo_rpc::serve(listener, api, stop.cancelled_owned()).await;
        served.map_err(|error| NodeError::Died { part: "the socket", reason: error.to_string() })
    });
    supervisor.spawn("the network", |stop| async move { watch(&stop, pulse(&mesh)).await });
    if let Some((cluster, membership)) = cluster.zip(membership) {
        supervisor.spawn("the metadata groups", |stop| async move {
            watch(&stop, metadata::pulse(&cluster, &data, membership)).await
        });
    }
    supervisor.spawn("the peer book", |stop| async move {
        met.keep(stop).await;
        Ok(())
    });
    supervisor
}

/// Watches a part until it is to stop; an error if the part died before.
async fn watch(stop: &CancellationToken, death: impl Future<Output = NodeError>) -> Result<(), NodeError> {
    match stop.run_until_cancelled(death).await {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Returns when the mesh does not answer any more.
async fn pulse(mesh: &Mesh) -> NodeError {
    loop {
        tokio::time::sleep(PULSE).await;
        if let Err(error) = mesh.dht_routing_table().await {
            return NodeError::Died { part: "the network", reason: error.to_string() };
        }
    }
}
