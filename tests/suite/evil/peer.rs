//! The peer itself: a thread with a runtime, a swarm, the real service, and the trick of the moment.

use std::sync::{Arc, Mutex};
use std::thread;

use futures::StreamExt as _;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, StreamProtocol};
use libp2p_stream::IncomingStreams;
use storgo_object::ShardService;
use storgo_object::fake::{Liar, MemoryStore};
use storgo_object::ports::SystemClock;
use storgo_protocol::message::{HELLO_PROTOCOL, PeerCard, Request, SHARD_PROTOCOL};
use storgo_protocol::{ContentId, Identity, NetworkId, NodeId, PeerAddress, PeerId};
use tokio::sync::mpsc;

use super::swarm::{self, Command};
use super::trick::{self, Trick};
use super::{hello, wire};
use crate::harness::until;

/// A storage peer that does as it is told. Dropped, it is gone.
#[derive(Debug)]
pub struct EvilPeer {
    pub id: PeerId,
    trick: Arc<Mutex<Trick>>,
    store: Arc<MemoryStore>,
    commands: mpsc::Sender<Command>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What its tasks share.
struct Shared {
    trick: Arc<Mutex<Trick>>,
    service: ShardService,
    liar: Liar,
    network: NetworkId,
    card: PeerCard,
}

impl EvilPeer {
    /// An honest peer, for now, in the network of this name, that joins through `via`.
    pub fn start(network: &str, via: &str) -> Self {
        let identity = Identity::from_seed(&rand::random());
        let (id, network) = (identity.id(), NetworkId::from_name(network));
        let via: Multiaddr = via.parse().expect("an address");
        let trick = Arc::new(Mutex::new(Trick::Honest));
        let store = Arc::new(MemoryStore::new(1 << 40));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell_commands, commands) = std::sync::mpsc::sync_channel(1);
        let thread = {
            let (trick, store) = (Arc::clone(&trick), Arc::clone(&store));
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                runtime.expect("a runtime").block_on(async move {
                    let commands = live(identity, network, via, trick, store).await;
                    tell_commands.send(commands).expect("somebody waits");
                    // Told, or forgotten: both are the end.
                    let _end = stopped.await;
                });
            })
        };
        let commands = commands.recv_timeout(crate::harness::PATIENCE).expect("the evil peer starts");
        Self { id, trick, store, commands, stop: Some(stop), thread: Some(thread) }
    }

    /// What it does from now on.
    pub fn play(&self, trick: Trick) {
        *self.trick.lock().expect("nobody panics with it") = trick;
    }

    /// How many shards it keeps.
    pub fn shards(&self) -> usize {
        self.store.counts().0
    }

    /// Forgets all that it keeps.
    pub fn forget(&self) {
        self.store.wipe();
    }

    /// Announces in the DHT that it holds an object's root.
    pub fn claim_root(&self, content: ContentId) {
        self.tell(Command::Provide(vec![NodeId::from(content).provider_key()]));
    }

    /// Announces that it holds `count` things which nobody has, and puts as many records.
    pub fn flood_dht(&self, count: usize) {
        let keys: Vec<Vec<u8>> = (0..count).map(|_| rand::random::<[u8; 32]>().to_vec()).collect();
        self.tell(Command::Provide(keys.clone()));
        self.tell(Command::PutRecords(keys));
    }

    fn tell(&self, command: Command) {
        let mut command = Some(command);
        until("the evil peer takes a command", || match self.commands.try_send(command.take()?) {
            Ok(()) => Some(()),
            Err(mpsc::error::TrySendError::Full(again)) => {
                command = Some(again);
                None
            }
            Err(mpsc::error::TrySendError::Closed(_)) => panic!("the evil peer is gone"),
        });
    }
}

impl Drop for EvilPeer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic, if there was one, was told already.
            let _ended = thread.join();
        }
    }
}

async fn live(
    identity: Identity,
    network: NetworkId,
    via: Multiaddr,
    trick: Arc<Mutex<Trick>>,
    store: Arc<MemoryStore>,
) -> mpsc::Sender<Command> {
    let me = identity.id();
    let target = via.iter().find_map(|part| match part {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    });
    let target = target.expect("the address names a peer");
    let mut swarm = swarm::start(&identity, network, std::slice::from_ref(&via)).await;
    let named: PeerAddress = format!("{}/p2p/{me}", swarm.address).parse().expect("an address");
    let card = hello::card(me, Some(named), true);
    let service = ShardService::new(me, store, Arc::new(SystemClock));
    let shared = Arc::new(Shared { trick, service, liar: Liar::default(), network, card: card.clone() });
    let hellos = swarm.control.accept(StreamProtocol::new(HELLO_PROTOCOL)).expect("the first to accept");
    let requests = swarm.control.accept(StreamProtocol::new(SHARD_PROTOCOL)).expect("the first to accept");
    tokio::spawn(accept_hellos(Arc::clone(&shared), hellos));
    tokio::spawn(accept_requests(shared, requests));
    swarm.commands.send(Command::Route(target, via)).await.expect("the swarm runs");
    hello::say(&mut swarm.control, target, network, card).await.expect("it is welcome");
    swarm.commands
}

async fn accept_hellos(shared: Arc<Shared>, mut incoming: IncomingStreams) {
    while let Some((_, stream)) = incoming.next().await {
        tokio::spawn(hello::answer(stream, shared.network, shared.card.clone()));
    }
}

async fn accept_requests(shared: Arc<Shared>, mut incoming: IncomingStreams) {
    while let Some((from, mut stream)) = incoming.next().await {
        let Some(from) = PeerId::from_multihash(&from.to_bytes()) else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // However a stream ends, it is what was wanted.
            while let Ok(Some(frame)) = wire::read_frame(&mut stream).await {
                let Ok(request) = Request::decode(frame) else { return };
                let trick = *shared.trick.lock().expect("nobody panics with it");
                let answered = trick::answer(trick, &shared.service, &shared.liar, from, request, &mut stream).await;
                if answered.is_err() {
                    return;
                }
            }
        });
    }
}
