//! The in-process client: the engine over a mesh that only asks, for the user of a home.
//!
//! It finds the network, and remembers who answered. It keeps nothing else, and its place in the network (an identity
//! of its own each time) ends with it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use storgo_consensus::MetadataClient;
use storgo_mesh::{Mesh, MeshConfig, MeshSetup, PathKind, PeerState, Role};
use storgo_object::ports::{OsRandom, Peers as _, Random, SystemClock};
use storgo_object::{Engine, Names, User};
use storgo_protocol::limits::TICKET_ADDRESSES_MAX;
use storgo_protocol::{Identity, NetworkId, PeerAddress, PeerId};
use storgo_rpc::NodeStatus;

use crate::AGENT;
use crate::error::NodeError;
use crate::home::Home;
use crate::metadata::{Frames, ToClient, answering};
use crate::peer_book::PeerBook;

/// How a client finds the network.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// Peers to join through. If there are any, nothing else is asked but `hints`.
    pub via: Vec<PeerAddress>,
    /// Where a ticket says that its peers are.
    pub hints: Vec<PeerAddress>,
    /// The network; without it, the network of whom is joined through.
    pub network: Option<NetworkId>,
    /// Data directory or socket of a node on this machine to ask first.
    pub node: Option<PathBuf>,
    /// Whether that node must answer; otherwise others are asked in its place.
    pub node_required: bool,
    /// Whether peers may be looked for on the local network when nothing else is known.
    pub mdns: bool,
    /// Whether shards may go through relays.
    pub relayed_bulk: bool,
}

/// An engine with its place in the network.
#[derive(Debug)]
pub struct Client {
    engine: Engine,
    mesh: Mesh,
    book: PeerBook,
    relayed_bulk: bool,
    user: Arc<User>,
    metadata: OnceLock<MetadataClient>,
}

impl Client {
    /// Joins a network for the user of `home`.
    ///
    /// # Errors
    /// [`NodeError::NoNode`] when the node that must answer does not, or is of another network;
    /// [`NodeError::NotJoined`] when no network is named and none was found, or one refused; [`NodeError::Damaged`] or
    /// [`NodeError::Io`] when the home cannot be used.
    pub async fn connect(home: &Home, options: ClientOptions) -> Result<Self, NodeError> {
        let (user, book) = (Arc::new(home.user()?), home.peer_book());
        let start = Start::find(&options, &book).await?;
        tracing::debug!(network = ?start.network, bootstrap = ?start.bootstrap, mdns = start.mdns, "joining");
        let random: &dyn Random = &OsRandom;
        let setup = MeshSetup {
            identity: Identity::from_seed(&random.array()),
            network: start.network,
            role: Role::Client,
            agent: AGENT.into(),
            config: MeshConfig {
                bootstrap: start.bootstrap.iter().map(ToString::to_string).collect(),
                mdns: start.mdns,
                relayed_bulk: options.relayed_bulk,
                ..MeshConfig::default()
            },
        };
        let mesh = Mesh::start(setup).await?;
        for hint in &options.hints {
            if let Err(error) = mesh.add_address(hint) {
                tracing::debug!(%hint, %error, "an address in the ticket is of no use");
            }
        }
        let engine = Engine::new(Arc::new(mesh.clone()), Arc::clone(&user), Arc::new(SystemClock), Arc::new(OsRandom));
        let (relayed_bulk, metadata) = (options.relayed_bulk, OnceLock::new());
        Ok(Self { engine, mesh, book, relayed_bulk, user, metadata })
    }

    /// Puts, gets, surveys and repairs.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Objects by name, in the name of the user.
    ///
    /// # Errors
    /// As [`Client::metadata`].
    pub async fn names(&self) -> Result<Names, NodeError> {
        Ok(Names::new(self.engine.clone(), Arc::new(self.metadata().await?)))
    }

    /// Asks the metadata groups of the network in the name of the user.
    ///
    /// # Errors
    /// [`NodeError::NotJoined`] if no peer answers.
    pub async fn metadata(&self) -> Result<MetadataClient, NodeError> {
        let tried = self.joined().await;
        let (Some(network), peers) = (self.mesh.network(), answering(&self.mesh)) else {
            return Err(NodeError::NotJoined(tried.join("; ").into()));
        };
        if let Some(client) = self.metadata.get() {
            client.start_with(peers);
            return Ok(client.clone());
        }
        let transport = Arc::new(Frames(self.mesh.clone()));
        let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
        let identity = Arc::new(self.user.identity.clone());
        let client = MetadataClient::new(self.mesh.me(), identity, network, transport, clock, random);
        self.mesh.take_frames(Arc::new(ToClient(client.clone())))?;
        client.start_with(peers);
        Ok(self.metadata.get_or_init(|| client).clone())
    }

    /// Waits until each peer to join through was tried; gives what those met that did not welcome this client.
    pub async fn joined(&self) -> Vec<String> {
        self.mesh.joined().await
    }

    /// Whether shards may go through relays.
    #[must_use]
    pub const fn relayed_bulk(&self) -> bool {
        self.relayed_bulk
    }

    /// The storage peers that are connected, and how.
    #[must_use]
    pub fn paths(&self) -> Vec<(PeerId, PathKind)> {
        let rows = self.mesh.peers().into_iter().filter(|row| row.card.as_ref().is_some_and(|card| card.stores));
        rows.filter_map(|row| Some((row.peer, row.path_kind?))).collect()
    }

    /// Leaves the network, and remembers the peers that answered.
    pub async fn close(self) {
        let peers = self.mesh.peers();
        let answered = peers.iter().filter(|row| row.state == PeerState::Answering);
        let addresses: Vec<_> =
            answered.filter_map(|row| row.path.clone().or(row.addresses.first().cloned())).collect();
        if let (Some(network), false) = (self.mesh.network(), addresses.is_empty())
            && let Err(error) = self.book.remember(network, &addresses)
        {
            tracing::warn!(%error, "the peers that answered could not be remembered");
        }
        self.mesh.shutdown().await;
    }
}

/// Where a client starts.
#[derive(Debug)]
struct Start {
    network: Option<NetworkId>,
    bootstrap: Vec<PeerAddress>,
    mdns: bool,
}

impl Start {
    async fn find(options: &ClientOptions, book: &PeerBook) -> Result<Self, NodeError> {
        let wanted = options.network;
        if !options.via.is_empty() {
            return Ok(Self { network: wanted, bootstrap: options.via.clone(), mdns: false });
        }
        if let Some(place) = &options.node {
            match local_node(place, wanted).await {
                Ok(status) => {
                    return Ok(Self { network: Some(status.network), bootstrap: status.addresses, mdns: false });
                }
                Err(source) if options.node_required => return Err(NodeError::NoNode { path: place.clone(), source }),
                // That no node runs here is common, and no error.
                Err(error) => tracing::debug!(%error, place = %place.display(), "the local node is not asked"),
            }
        }
        let bootstrap: Vec<_> = book.addresses(wanted)?.into_iter().take(TICKET_ADDRESSES_MAX).collect();
        Ok(Self { network: wanted, bootstrap, mdns: options.mdns })
    }
}

/// Asks the node of this machine where it is; an error if there is none, or none of the network that is wanted.
async fn local_node(
    place: &Path,
    wanted: Option<NetworkId>,
) -> Result<NodeStatus, Box<dyn std::error::Error + Send + Sync>> {
    let socket = storgo_rpc::locate(place)?;
    let status = storgo_rpc::Client::connect(&socket).await?.status().await?;
    match wanted {
        Some(network) if network != status.network => {
            Err(format!("it is of the network {}, not of {network}", status.network).into())
        }
        _ => Ok(status),
    }
}
