//! Peers in memory: each with a store and the real service over it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use storgo_protocol::limits::STRIPE_SHARDS_MAX;
use storgo_protocol::message::{Answer, Frame, PeerCard, Refusal, RefusalKind, Request};
use storgo_protocol::{Identity, NetworkId, NodeId, PeerId, ShardSet};
use tokio::sync::watch;

use super::lie::{Liar, Lie};
use super::store::MemoryStore;
use crate::ports::{Clock, PeerError, Peers, Random, Serve as _, ShardStore as _};
use crate::serve::ShardService;

/// What is wrong with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It does not answer.
    Down,
    /// It does not answer once it has answered this many requests more.
    DownAfter(u64),
    /// It does not answer the next request, and is well after that.
    DropNext,
    /// It lies in this way.
    Lies(Lie),
    /// The connection breaks in the middle of every answer with a payload.
    DiesInAnswers,
    /// What it answers is no message.
    Nonsense,
    /// It is honest, and takes this long for each answer.
    Slow(Duration),
    /// It claims to hold every shard.
    ClaimsShards,
    /// It claims to hold every node.
    ClaimsNodes,
    /// It answers nothing until it is mended.
    Silent,
    /// It falls silent once it has answered this many requests more.
    SilentAfter(u64),
    /// It is too busy for this many requests more.
    Busy(u64),
    /// It starts anew, with its disks as they are, once it has answered this many requests more.
    RestartAfter(u64),
}

/// Nodes, each with a store, a service and perhaps a fault.
#[derive(Debug)]
pub struct FakeNetwork {
    nodes: BTreeMap<PeerId, Node>,
}

#[derive(Debug)]
struct Node {
    card: Mutex<PeerCard>,
    store: Arc<MemoryStore>,
    service: Mutex<Arc<ShardService>>,
    clock: Arc<dyn Clock>,
    fault: watch::Sender<Fault>,
    liar: Liar,
    heard: AtomicU64,
    requests: AtomicU64,
    silenced: AtomicU64,
}

impl FakeNetwork {
    /// A network of `count` peers of this capacity, in as many zones.
    #[must_use]
    pub fn new(count: u8, capacity_bytes: u64, clock: &Arc<dyn Clock>) -> Arc<Self> {
        let node = |number: u8| {
            let peer = Identity::from_seed(&[number; 32]).id();
            let store = Arc::new(MemoryStore::new(capacity_bytes));
            let card = PeerCard {
                peer,
                addresses: Vec::new(),
                zone: format!("zone-{number}"),
                capacity_bytes,
                free_bytes: capacity_bytes,
                weight: 100,
                disks: 1,
                agent: "fake".to_owned(),
                stores: true,
                seen_seconds: 0,
                data_port: 0,
            };
            let service = Mutex::new(Arc::new(ShardService::new(peer, Arc::clone(&store) as _, Arc::clone(clock))));
            let node = Node {
                card: Mutex::new(card),
                store,
                service,
                clock: Arc::clone(clock),
                fault: watch::Sender::default(),
                liar: Liar::default(),
                heard: AtomicU64::new(0),
                requests: AtomicU64::new(0),
                silenced: AtomicU64::new(0),
            };
            (peer, node)
        };
        Arc::new(Self { nodes: (1..=count).map(node).collect() })
    }

    /// The network as a client with this identity sees it.
    #[must_use]
    pub fn client(self: &Arc<Self>, me: PeerId) -> Arc<FakePeers> {
        Arc::new(FakePeers { network: Arc::clone(self), me, distrusted: Mutex::default() })
    }

    /// The peers, in the order of their ids.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerId> {
        self.nodes.keys().copied().collect()
    }

    /// Breaks a peer, or mends it.
    pub fn set_fault(&self, peer: PeerId, fault: Fault) {
        if let Some(node) = self.nodes.get(&peer) {
            node.fault.send_replace(fault);
        }
    }

    /// Changes what a peer says of itself.
    pub fn set_card(&self, peer: PeerId, change: impl FnOnce(&mut PeerCard)) {
        if let Some(node) = self.nodes.get(&peer) {
            change(&mut node.card.lock());
        }
    }

    /// A peer's disks.
    #[must_use]
    pub fn store(&self, peer: PeerId) -> Option<&Arc<MemoryStore>> {
        self.nodes.get(&peer).map(|node| &node.store)
    }

    /// Requests that all peers answered.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.nodes.values().map(|node| node.requests.load(Ordering::Relaxed)).sum()
    }

    /// Requests that one peer was asked and did not meet in silence.
    #[must_use]
    pub fn heard(&self, peer: PeerId) -> u64 {
        self.nodes.get(&peer).map_or(0, |node| node.heard.load(Ordering::Relaxed))
    }

    /// Requests that met a silent peer.
    #[must_use]
    pub fn silenced(&self) -> u64 {
        self.nodes.values().map(|node| node.silenced.load(Ordering::Relaxed)).sum()
    }
}

impl Node {
    fn is_up(&self) -> bool {
        !matches!(*self.fault.borrow(), Fault::Down)
    }

    /// The fault that the next request meets.
    fn meet(&self, peer: PeerId) -> Fault {
        let mut met = Fault::None;
        self.fault.send_modify(|fault| {
            met = *fault;
            *fault = match met {
                Fault::DownAfter(0) => Fault::Down,
                Fault::DownAfter(left) => Fault::DownAfter(left - 1),
                Fault::SilentAfter(0) => Fault::Silent,
                Fault::SilentAfter(left) => Fault::SilentAfter(left - 1),
                Fault::DropNext | Fault::Busy(0) | Fault::RestartAfter(0) => Fault::None,
                Fault::Busy(left) => Fault::Busy(left - 1),
                Fault::RestartAfter(left) => Fault::RestartAfter(left - 1),
                other => other,
            };
            if matches!(met, Fault::RestartAfter(0)) {
                let store = Arc::clone(&self.store) as _;
                *self.service.lock() = Arc::new(ShardService::new(peer, store, Arc::clone(&self.clock)));
            }
            if !matches!(met, Fault::Busy(1..) | Fault::DropNext) {
                met = *fault;
            }
        });
        met
    }

    /// Waits until a silent peer is mended.
    async fn silence(&self) {
        self.silenced.fetch_add(1, Ordering::Relaxed);
        let mended = self.fault.subscribe().wait_for(|fault| *fault != Fault::Silent).await.is_ok();
        debug_assert!(mended, "the network outlives who asks it");
    }
}

/// [`Peers`] over a [`FakeNetwork`].
#[derive(Debug)]
pub struct FakePeers {
    network: Arc<FakeNetwork>,
    me: PeerId,
    distrusted: Mutex<Vec<(PeerId, String)>>,
}

impl FakePeers {
    /// Who was caught, and at what.
    #[must_use]
    pub fn distrusted(&self) -> Vec<(PeerId, String)> {
        self.distrusted.lock().clone()
    }
}

#[async_trait]
impl Peers for FakePeers {
    fn me(&self) -> PeerId {
        self.me
    }

    fn network(&self) -> Option<NetworkId> {
        Some(NetworkId::from_name("fake"))
    }

    async fn answering(&self, enough: usize) -> Vec<PeerCard> {
        // Each client meets others first.
        let order = |card: &PeerCard| {
            *blake3::Hasher::new().update(self.me.as_bytes()).update(card.peer.as_bytes()).finalize().as_bytes()
        };
        let up = self.network.nodes.values().filter(|node| node.is_up());
        let mut cards: Vec<PeerCard> = up.map(|node| node.card.lock().clone()).collect();
        cards.sort_by_key(order);
        cards.truncate(enough);
        cards
    }

    async fn answering_soon(&self, enough: usize, _linger: Duration) -> Vec<PeerCard> {
        self.answering(enough).await
    }

    async fn ask(&self, peer: PeerId, request: Request) -> Result<Answer, PeerError> {
        let unreachable = || PeerError::Unreachable { peer, reason: "down".to_owned() };
        let node = self.network.nodes.get(&peer).ok_or_else(unreachable)?;
        let fault = node.meet(peer);
        match fault {
            Fault::Down | Fault::DropNext => return Err(unreachable()),
            Fault::Silent => node.silence().await,
            Fault::Slow(by) => tokio::time::sleep(by).await,
            Fault::Busy(_) => return Ok(Answer::Refused(Refusal::new(RefusalKind::Busy, "busy"))),
            _ => {}
        }
        // Through the frames, so that what is tested is what goes over the wire.
        let nonsense = |source| PeerError::Nonsense { peer, source };
        let request = Request::decode(request.encode()).map_err(nonsense)?;
        node.liar.hear(&request);
        node.heard.fetch_add(1, Ordering::Relaxed);
        let asked = request.clone();
        let service = Arc::clone(&node.service.lock());
        let mut frame: Frame = service.serve(self.me, request).await.encode();
        node.requests.fetch_add(1, Ordering::Relaxed);
        match fault {
            Fault::Lies(lie) => {
                let honest = Answer::decode(frame).map_err(nonsense)?;
                frame = node.liar.tell(lie, &asked, honest).encode();
            }
            Fault::Nonsense => frame.head = Bytes::from_static(b"no message at all"),
            Fault::DiesInAnswers if !frame.payload.is_empty() => {
                return Err(PeerError::Broken { peer, source: std::io::ErrorKind::UnexpectedEof.into() });
            }
            _ => {}
        }
        let mut answer = Answer::decode(frame).map_err(nonsense)?;
        if let Answer::Holds { shards, nodes } = &mut answer {
            match fault {
                Fault::ClaimsShards => shards.fill(ShardSet::first(STRIPE_SHARDS_MAX)),
                Fault::ClaimsNodes => nodes.fill(1),
                _ => {}
            }
        }
        Ok(answer)
    }

    async fn providers(&self, node: NodeId) -> Vec<PeerId> {
        let mut found = Vec::new();
        for (peer, holder) in &self.network.nodes {
            if holder.store.published(None, usize::MAX).await.is_ok_and(|published| published.contains(&node)) {
                found.push(*peer);
            }
        }
        found
    }

    fn distrust(&self, peer: PeerId, what: &str) {
        self.distrusted.lock().push((peer, what.to_owned()));
    }

    fn distrusted(&self) -> Vec<PeerId> {
        self.distrusted.lock().iter().map(|(peer, _)| *peer).collect()
    }
}

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub u64);

impl Clock for FixedClock {
    fn now_seconds(&self) -> u64 {
        self.0
    }
}

/// Randomness that a seed repeats.
#[derive(Debug)]
pub struct SeededRandom(Mutex<StdRng>);

impl SeededRandom {
    /// The sequence of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill_bytes(bytes);
    }
}
