//! Starting a mesh: transports, tasks, listeners; and for a client without a network a scout before that.
//!
//! It wires the parts together and decides nothing later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::StreamProtocol;
use libp2p::identity::Keypair;
use parking_lot::Mutex;
use storgo_protocol::limits::{DHT_ANNOUNCEMENTS_MAX, MESH_COMMANDS_MAX};
use storgo_protocol::message::{HELLO_PROTOCOL, RAFT_PROTOCOL, SHARD_PROTOCOL};
use storgo_protocol::{NetworkId, PeerAddress};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::behaviour::Protocols;
use crate::config::{MeshSetup, Role};
use crate::core::{Core, Listening};
use crate::data::{self, DataSide};
use crate::event_loop::EventLoop;
use crate::frames::{FrameInbox, Lanes};
use crate::gate::Gate;
use crate::inbound::{self, Inbound};
use crate::mesh::Mesh;
use crate::peers::{PeerState, PeerTable};
use crate::{MeshError, publisher, upkeep};

/// How long a listener may take to have an address.
const LISTEN_WAIT: Duration = Duration::from_secs(5);

impl Mesh {
    /// Starts a mesh: listens, and begins to join through the bootstrap addresses. A client without a network first
    /// takes it from the first peer that welcomes it.
    ///
    /// # Errors
    /// [`MeshError::Address`] for an address that cannot be used, [`MeshError::Setup`] if the transports fail,
    /// [`MeshError::NotJoined`] or [`MeshError::Refused`] if a client without a network found none.
    pub async fn start(mut setup: MeshSetup) -> Result<Self, MeshError> {
        let mut known = Vec::new();
        if setup.network.is_none() {
            if matches!(setup.role, Role::Node { .. }) {
                return Err(MeshError::setup("a node needs a network"));
            }
            // The DHT has another protocol in each network, and protocols are fixed when a swarm is made: so a scout
            // asks for the network, and the mesh proper starts with it.
            let scout = Self::launch(&setup).await?;
            let network = scout.learn_network().await;
            known = scout.peers();
            scout.shutdown().await;
            setup.network = Some(network?);
        }
        let mesh = Self::launch(&setup).await?;
        for row in known {
            mesh.core.table.lock().hear_of(row.peer, &row.addresses);
        }
        Ok(mesh)
    }

    /// Takes frames of other peers in from now on.
    ///
    /// # Errors
    /// [`MeshError::Setup`] if somebody takes them in already.
    pub fn take_frames(&self, inbox: Arc<dyn FrameInbox>) -> Result<(), MeshError> {
        accept(&self.core, RAFT_PROTOCOL, Inbound::Raft(inbox))
    }

    async fn launch(setup: &MeshSetup) -> Result<Self, MeshError> {
        let config = &setup.config;
        let bootstrap = parse_bootstrap(&config.bootstrap)?;
        let keypair = Keypair::ed25519_from_bytes(setup.identity.seed()).map_err(MeshError::setup)?;
        let protocols = Protocols {
            network: setup.network,
            serves_dht: matches!(setup.role, Role::Node { .. }),
            mdns: config.mdns,
            relay: config.relay,
            agent: setup.agent.clone(),
        };
        let mut event_loop = EventLoop::new(keypair, &protocols, config.dial_timeout())?;
        let (commands, inbox) = mpsc::channel(MESH_COMMANDS_MAX);
        let (published, to_announce) = mpsc::channel(DHT_ANNOUNCEMENTS_MAX);
        let core = Arc::new(Core {
            me: setup.identity.id(),
            network: setup.network,
            role: setup.role.clone(),
            agent: setup.agent.clone(),
            config: config.clone(),
            table: Mutex::new(PeerTable::new(setup.identity.id())),
            listening: Mutex::new(Listening::default()),
            reach: Mutex::default(),
            changed: watch::Sender::new(()),
            learned: Mutex::new(None),
            tried: Mutex::new(Vec::new()),
            first_round: watch::Sender::new(false),
            commands,
            control: event_loop.control(),
            pools: Mutex::default(),
            lanes: Lanes::default(),
            data: DataSide::new(&setup.identity)?,
            gate: Gate::new(),
            published,
            cancel: CancellationToken::new(),
            tracker: TaskTracker::new(),
            #[cfg(test)]
            held: Mutex::default(),
        });
        let mesh = Self::new(core);
        let core = &mesh.core;
        // Before anyone can connect, or the first streams would find nobody.
        if let Role::Node { serve, store } = &setup.role {
            accept(core, HELLO_PROTOCOL, Inbound::Hello)?;
            accept(core, SHARD_PROTOCOL, Inbound::Shard(Arc::clone(serve)))?;
            spawn(core, publisher::announce_new(Arc::clone(core), to_announce));
            spawn(core, publisher::renew_all(Arc::clone(core), Arc::clone(store)));
        }
        for address in &config.listen {
            event_loop.listen(address)?;
        }
        spawn(core, event_loop.run(Arc::clone(core), inbox));
        mesh.listening(config.listen.len()).await?;
        if let Role::Node { serve, .. } = &setup.role {
            data::open(core, serve).await?;
        }
        spawn(core, upkeep::join(Arc::clone(core), bootstrap));
        Ok(mesh)
    }

    async fn listening(&self, listeners: usize) -> Result<(), MeshError> {
        let mut changed = self.core.changed.subscribe();
        let ready = timeout(LISTEN_WAIT, async {
            while self.core.listening.lock().listeners() < listeners {
                changed.changed().await.map_err(|_| MeshError::Stopped)?;
            }
            Ok(())
        });
        ready.await.unwrap_or_else(|_| Err(MeshError::setup("a listener has no address")))
    }

    /// Waits for the first welcome, which names the network.
    async fn learn_network(&self) -> Result<NetworkId, MeshError> {
        let core = &self.core;
        // Each round through the addresses that were given is a dial and a hello; then come those whom mDNS finds.
        let wait = core.config.dial_timeout() * 8;
        let mut changed = core.changed.subscribe();
        let learned = timeout(wait, async {
            loop {
                changed.borrow_and_update();
                let mut first_round = core.first_round.subscribe();
                // Read before what it was tried for, which is written first.
                let tried_all = *first_round.borrow_and_update();
                if let Some(network) = *core.learned.lock() {
                    return Some(network);
                }
                if tried_all && !core.config.mdns {
                    return None;
                }
                let dialable = !core.table.lock().candidates(Instant::now()).is_empty();
                let told = tokio::select! {
                    told = changed.changed() => told.is_ok(),
                    told = first_round.changed(), if !tried_all => told.is_ok(),
                    () = self.widen(1, Duration::MAX), if dialable => true,
                };
                if !told {
                    return None;
                }
            }
        });
        match learned.await {
            Ok(Some(network)) => Ok(network),
            Ok(None) | Err(_) => Err(self.not_joined()),
        }
    }

    fn not_joined(&self) -> MeshError {
        let refusal = self.peers().into_iter().find_map(|row| match row.state {
            PeerState::Refused(reason) => Some(MeshError::Refused { by: row.peer.to_string(), reason }),
            _ => None,
        });
        refusal.unwrap_or_else(|| MeshError::NotJoined { tried: self.core.tried.lock().clone() })
    }
}

fn accept(core: &Arc<Core>, protocol: &'static str, inbound: Inbound) -> Result<(), MeshError> {
    let incoming = core.control.clone().accept(StreamProtocol::new(protocol)).map_err(MeshError::setup)?;
    spawn(core, inbound::accept(Arc::clone(core), incoming, inbound));
    Ok(())
}

fn spawn(core: &Arc<Core>, task: impl Future<Output = ()> + Send + 'static) {
    let cancel = core.cancel.clone();
    core.tracker.spawn(async move { cancel.run_until_cancelled(task).await });
}

fn parse_bootstrap(addresses: &[String]) -> Result<Vec<PeerAddress>, MeshError> {
    let parse = |address: &String| {
        address.parse().map_err(|error| MeshError::Address {
            address: address.clone(),
            purpose: "join through",
            reason: format!("{error}"),
        })
    };
    addresses.iter().map(parse).collect()
}
