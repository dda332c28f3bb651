//! Peers in memory: each with a store and the real service over it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use storgo_protocol::message::{Answer, Frame, PeerCard, Request};
use storgo_protocol::{Identity, NetworkId, NodeId, PeerId};

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
    /// It changes one byte of every payload that it gives.
    Liar,
    /// It never comes to an end with an answer.
    Silent,
}

/// Nodes, each with a store, a service and perhaps a fault.
#[derive(Debug)]
pub struct FakeNetwork {
    nodes: BTreeMap<PeerId, Node>,
}

#[derive(Debug)]
struct Node {
    card: PeerCard,
    store: Arc<MemoryStore>,
    service: ShardService,
    fault: Mutex<Fault>,
    requests: AtomicU64,
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
            };
            let service = ShardService::new(peer, Arc::clone(&store) as _, Arc::clone(clock));
            (peer, Node { card, store, service, fault: Mutex::default(), requests: AtomicU64::new(0) })
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
            *node.fault.lock() = fault;
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
}

impl Node {
    fn is_up(&self) -> bool {
        !matches!(*self.fault.lock(), Fault::Down)
    }

    /// The fault that the next request meets.
    fn meet(&self) -> Fault {
        let mut fault = self.fault.lock();
        match *fault {
            Fault::DownAfter(0) => *fault = Fault::Down,
            Fault::DownAfter(left) => *fault = Fault::DownAfter(left - 1),
            _ => {}
        }
        *fault
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

    async fn answering(&self, _enough: usize) -> Vec<PeerCard> {
        self.network.nodes.values().filter(|node| node.is_up()).map(|node| node.card.clone()).collect()
    }

    async fn ask(&self, peer: PeerId, request: Request) -> Result<Answer, PeerError> {
        let unreachable = || PeerError::Unreachable { peer, reason: "down".to_owned() };
        let node = self.network.nodes.get(&peer).ok_or_else(unreachable)?;
        let fault = node.meet();
        match fault {
            Fault::Down => return Err(unreachable()),
            Fault::Silent => std::future::pending().await,
            Fault::None | Fault::DownAfter(_) | Fault::Liar => {}
        }
        // Through the frames, so that what is tested is what goes over the wire.
        let nonsense = |source| PeerError::Nonsense { peer, source };
        let request = Request::decode(request.encode()).map_err(nonsense)?;
        let mut frame: Frame = node.service.serve(self.me, request).await.encode();
        node.requests.fetch_add(1, Ordering::Relaxed);
        if fault == Fault::Liar && !frame.payload.is_empty() {
            let mut payload = frame.payload.to_vec();
            payload.iter_mut().take(1).for_each(|byte| *byte ^= 0x80);
            frame.payload = Bytes::from(payload);
        }
        Answer::decode(frame).map_err(nonsense)
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
