//! Several meshes in one process, over real sockets on loopback.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use parking_lot::Mutex;
use storgo_object::ports::{
    DiskState, DiskStatus, Holdings, Lease, Scrutiny, Serve, ShardStore, StoreError, StoreStatus,
};
use storgo_protocol::limits::{FRAME_PAYLOAD_BYTES_MAX, HELLO_BYTES_MAX, PUNCH_WAIT_MS_MAX};
use storgo_protocol::message::{HELLO_PROTOCOL, PushedShard, Refusal, RefusalKind, SHARD_PROTOCOL};
use storgo_protocol::{
    ChunkId, Code, Identity, LayoutRecord, ShardAddress, ShardId, ShardIndex, ShardSet, StripeHeader, StripeId,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::frame_io::read_lengths;
use crate::peers::PeerState;
use crate::pool;
use crate::{MeshConfig, MeshSetup, Role};

mod data;
mod frames;

const DEADLINE: Duration = Duration::from_secs(30);
const MIB: usize = 1024 * 1024;

/// Keeps shards in memory; the store's part that a mesh asks for, and the service's.
#[derive(Debug, Default)]
struct Memory {
    shards: Mutex<HashMap<ShardAddress, (StripeHeader, Bytes)>>,
    published: Mutex<std::collections::BTreeSet<NodeId>>,
    served: AtomicUsize,
    mute: bool,
}

#[async_trait]
impl Serve for Memory {
    async fn serve(&self, _from: PeerId, request: Request) -> Answer {
        self.served.fetch_add(1, Ordering::SeqCst);
        if self.mute {
            std::future::pending::<()>().await;
        }
        match request {
            Request::Push { shards, .. } if shards.iter().all(PushedShard::verifies) => {
                let kept = shards.into_iter().map(|shard| (shard.address(), (shard.header, shard.payload)));
                self.shards.lock().extend(kept);
                Answer::Stored
            }
            Request::Pull { shard } => match self.shards.lock().get(&shard).cloned() {
                Some((header, payload)) => Answer::Shard { header, payload },
                None => Answer::Refused(Refusal::new(RefusalKind::NotFound, "not held")),
            },
            Request::PushNode { node, payload, publish, .. } if NodeId::of(&payload) == node => {
                if publish {
                    self.published.lock().insert(node);
                }
                Answer::Stored
            }
            Request::Has { stripes, nodes, .. } => {
                Answer::Holds { shards: vec![ShardSet::default(); stripes.len()], nodes: vec![0; nodes.len()] }
            }
            _ => Answer::Refused(Refusal::new(RefusalKind::Invalid, "unexpected in this test")),
        }
    }
}

fn absent<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable { reason: "a mesh does not ask for this".to_owned() })
}

#[async_trait]
impl ShardStore for Memory {
    async fn has(&self, _: &[StripeId], _: &[NodeId], _: Scrutiny) -> Result<Holdings, StoreError> {
        absent()
    }
    async fn renew(&self, _: &[ShardAddress], _: &Lease) -> Result<Vec<bool>, StoreError> {
        absent()
    }
    async fn push(&self, _: Vec<PushedShard>, _: &Lease) -> Result<(), StoreError> {
        absent()
    }
    async fn pull(&self, _: ShardAddress) -> Result<(StripeHeader, Bytes), StoreError> {
        absent()
    }
    async fn pull_range(&self, _: ShardAddress, _: u32, _: u32) -> Result<(StripeHeader, Bytes), StoreError> {
        absent()
    }
    async fn push_node(&self, _: NodeId, _: Bytes, _: u8, _: bool, _: &Lease) -> Result<(), StoreError> {
        absent()
    }
    async fn pull_node(&self, _: NodeId) -> Result<Bytes, StoreError> {
        absent()
    }
    async fn push_record(&self, _: &LayoutRecord, _: &Lease) -> Result<(), StoreError> {
        absent()
    }
    async fn pull_records(&self, _: ContentId) -> Result<Vec<LayoutRecord>, StoreError> {
        absent()
    }
    async fn published(&self, after: Option<NodeId>, max: usize) -> Result<Vec<NodeId>, StoreError> {
        let published = self.published.lock();
        Ok(published.iter().filter(|node| after.is_none_or(|after| **node > after)).take(max).copied().collect())
    }
    fn status(&self) -> StoreStatus {
        let disk = DiskStatus {
            path: "/disk".into(),
            state: DiskState::Good,
            capacity_bytes: 1000,
            used_bytes: 1,
            shards: 0,
            nodes: 0,
            quarantined: 0,
        };
        StoreStatus { disks: vec![disk] }
    }
}

fn identity() -> Identity {
    Identity::from_seed(&rand::random())
}

fn network() -> NetworkId {
    NetworkId::from_bytes(rand::random())
}

fn config(bootstrap: &[PeerAddress]) -> MeshConfig {
    MeshConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        bootstrap: bootstrap.iter().map(ToString::to_string).collect(),
        mdns: false,
        // Two cores are shared with other tests.
        dial_timeout_ms: 10_000,
        ..MeshConfig::default()
    }
}

async fn start(network: Option<NetworkId>, role: Role, config: MeshConfig) -> Result<Mesh, MeshError> {
    Mesh::start(MeshSetup { identity: identity(), network, role, agent: "storgo/test".to_owned(), config }).await
}

async fn node_with(network: NetworkId, memory: Arc<Memory>, config: MeshConfig) -> Mesh {
    let role = Role::Node { serve: Arc::clone(&memory) as Arc<dyn Serve>, store: memory };
    start(Some(network), role, config).await.unwrap()
}

async fn node(network: NetworkId, bootstrap: &[PeerAddress]) -> Mesh {
    node_with(network, Arc::default(), config(bootstrap)).await
}

async fn client(network: Option<NetworkId>, bootstrap: &[PeerAddress]) -> Mesh {
    start(network, Role::Client, MeshConfig { listen: Vec::new(), ..config(bootstrap) }).await.unwrap()
}

/// Waits until `done` holds for the mesh's table.
async fn until(mesh: &Mesh, what: &str, done: impl Fn(&Mesh) -> bool) {
    let mut changed = mesh.core.changed.subscribe();
    let waited = timeout(DEADLINE, async {
        loop {
            changed.borrow_and_update();
            if done(mesh) {
                return;
            }
            changed.changed().await.unwrap();
        }
    });
    assert!(waited.await.is_ok(), "waited in vain for: {what}; {:#?}", mesh.peers());
}

fn answering(mesh: &Mesh) -> usize {
    mesh.core.answering()
}

fn shard(seed: u8, bytes: usize) -> (StripeHeader, ShardIndex, Bytes) {
    let payload = Bytes::from((0..=250u8).cycle().take(bytes).map(|byte| byte ^ seed).collect::<Vec<_>>());
    let id = ShardId::from_bytes(*NodeId::of(&payload).as_bytes());
    let chunk = ChunkId::from_bytes([seed; 32]);
    let header = StripeHeader::new(chunk, bytes, Code::new(1, 0).unwrap(), &[id]).unwrap();
    (header, ShardIndex::new(0).unwrap(), payload)
}

fn push(seed: u8, bytes: usize) -> Request {
    let (header, index, payload) = shard(seed, bytes);
    Request::Push { authority: Bytes::new(), shards: vec![PushedShard { header, index, payload }] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_learns_of_everyone_through_the_first_node() {
    let network = network();
    let first = node(network, &[]).await;
    let via = first.listen_addresses();
    let others = join_all((0..4).map(|_| node(network, &via))).await;
    for mesh in others.iter().chain([&first]) {
        until(mesh, "four others that answer", |mesh| answering(mesh) == 4).await;
    }
    // A client that knows one address reaches all five, and is a peer to none.
    let client = client(Some(network), &via).await;
    let cards = client.answering(5).await;
    assert_eq!(cards.len(), 5, "{cards:#?}");
    assert!(cards.iter().all(|card| card.stores && card.free_bytes == 999 && !card.addresses.is_empty()));
    assert!(first.answering(0).await.iter().all(|card| card.peer != client.me()));
    let found = first.dht_find(others[0].me()).await.unwrap();
    assert!(found.iter().any(|found| found.peer == others[0].me()), "{found:?}");
    assert_eq!(first.dht_routing_table().await.unwrap().len(), 4);
    for mesh in others.iter().chain([&first, &client]) {
        mesh.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_network_refuses_with_its_reason() {
    let [here, there] = [network(), network()];
    let node = node(here, &[]).await;
    let stranger = client(Some(there), &node.listen_addresses()).await;
    let tried = stranger.joined().await;
    assert!(tried.iter().any(|met| met.contains(&here.to_string()) && met.contains(&there.to_string())), "{tried:?}");
    assert!(stranger.answering(1).await.is_empty());
    assert!(matches!(stranger.peers().as_slice(), [PeerRow { state: PeerState::Refused(_), .. }]));
    let asked = stranger.ask(node.me(), push(1, 10)).await;
    assert!(matches!(asked, Err(PeerError::Unreachable { .. })), "{asked:?}");
}

/// A way to the node that loses all that is said on the first `lost` connections, and closes so many behind them at once.
async fn lossy_way(node: &Mesh, lost: usize, closed: usize) -> PeerAddress {
    let way = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = way.local_addr().unwrap().port();
    let (near, target) = (node.me(), node.listen_addresses()[0].to_string());
    let target: u16 = target.split('/').nth(4).unwrap().parse().unwrap();
    tokio::spawn(async move {
        let (mut held, mut closed) = (Vec::new(), closed);
        while let Ok((mut here, _)) = way.accept().await {
            if held.len() < lost {
                held.push(here);
                continue;
            }
            if closed > 0 {
                closed -= 1;
                continue;
            }
            tokio::spawn(async move {
                let mut there = TcpStream::connect(("127.0.0.1", target)).await?;
                tokio::io::copy_bidirectional(&mut here, &mut there).await
            });
        }
    });
    format!("/ip4/127.0.0.1/tcp/{port}/p2p/{near}").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_asks_again_where_it_met_silence() {
    let network = network();
    let node = node(network, &[]).await;
    let patience = MeshConfig { dial_timeout_ms: 2000, listen: Vec::new(), ..config(&[]) };
    for network in [None, Some(network)] {
        let bootstrap = vec![lossy_way(&node, 1, 1).await.to_string()];
        let client = start(network, Role::Client, MeshConfig { bootstrap, ..patience.clone() }).await.unwrap();
        assert_eq!(client.answering(1).await.len(), 1);
        assert_eq!(client.joined().await, Vec::<String>::new());
    }
    let bootstrap = vec![lossy_way(&node, usize::MAX, 0).await.to_string()];
    let lost = start(None, Role::Client, MeshConfig { bootstrap, dial_timeout_ms: 300, ..patience }).await;
    assert!(matches!(lost, Err(MeshError::NotJoined { ref tried }) if tried.len() == 1), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_takes_the_network_from_whom_it_joins_through() {
    let network = network();
    let node = node(network, &[]).await;
    // Also from an address that does not say whose it is.
    let bare = node.listen_addresses()[0].to_string().split("/p2p/").next().unwrap().to_owned();
    let client = client(None, &[bare.parse().unwrap()]).await;
    assert_eq!(client.network(), Some(network));
    assert_eq!(client.answering(1).await.len(), 1);

    let nobody = config(&["/ip4/127.0.0.1/tcp/1".parse().unwrap()]);
    let lost = start(None, Role::Client, nobody).await;
    assert!(matches!(lost, Err(MeshError::NotJoined { ref tried }) if tried.len() == 1), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_requests_at_once_come_back_whole() {
    let network = network();
    let node = node(network, &[]).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    let round_trip = |seed: u8| {
        let (client, node) = (client.clone(), node.me());
        async move {
            let (header, index, payload) = shard(seed, MIB);
            let address = ShardAddress { stripe: header.id(), index };
            let pushed = PushedShard { header, index, payload: payload.clone() };
            let push = Request::Push { authority: Bytes::new(), shards: vec![pushed] };
            assert_eq!(client.ask(node, push).await.unwrap(), Answer::Stored);
            match client.ask(node, Request::Pull { shard: address }).await.unwrap() {
                Answer::Shard { payload: back, .. } => assert!(back == payload, "shard {seed} came back changed"),
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(DEADLINE, join_all((0..64).map(round_trip))).await.unwrap();
    let row = &client.peers()[0];
    assert!(row.bytes_sent > 64 * MIB as u64 && row.bytes_received > 64 * MIB as u64, "{row:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_new_streams_loses_nothing() {
    let network = network();
    let memory = Arc::new(Memory::default());
    let node = node_with(network, Arc::clone(&memory), config(&[])).await;
    let via = node.listen_addresses();
    let clients = join_all((0..12).map(|_| client(Some(network), &via))).await;
    for client in &clients {
        assert_eq!(client.answering(1).await.len(), 1);
    }
    // 16 streams of each client open at once.
    let asks = clients.iter().flat_map(|client| {
        let node = node.me();
        (0..17).map(move |_| {
            client
                .ask(node, Request::Has { stripes: vec![StripeId::from_bytes([1; 32])], nodes: vec![], verify: false })
        })
    });
    for answer in timeout(DEADLINE, join_all(asks)).await.unwrap() {
        assert!(matches!(answer, Ok(Answer::Holds { .. })), "{answer:?}");
    }
    assert_eq!(memory.served.load(Ordering::SeqCst), 12 * 17, "a request was served twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_dies_is_gone_soon() {
    let network = network();
    let [stays, dies] = [node(network, &[]).await, node(network, &[]).await];
    let via = [stays.listen_addresses(), dies.listen_addresses()].concat();
    let client = client(Some(network), &via).await;
    assert_eq!(client.answering(2).await.len(), 2);
    dies.shutdown().await;
    let asked = timeout(DEADLINE, client.ask(dies.me(), push(1, MIB))).await.unwrap();
    assert!(matches!(asked, Err(PeerError::Unreachable { .. } | PeerError::Broken { .. })), "{asked:?}");
    until(&client, "one answering peer", |client| answering(client) == 1).await;
    let cards = timeout(DEADLINE, client.answering(2)).await.unwrap();
    assert_eq!(cards.iter().map(|card| card.peer).collect::<Vec<_>>(), [stays.me()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_moved_is_reached_although_its_old_address_is_told_too() {
    let network = network();
    let first = node(network, &[]).await;
    let moved = node(network, &first.listen_addresses()).await;
    until(&first, "the one that moved", |first| answering(first) == 1).await;
    // Nobody listens there: the hint of an old ticket.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let old = format!("/ip4/127.0.0.1/tcp/{gone}/p2p/{}", moved.me()).parse().unwrap();
    for via in [&first, &moved].repeat(5) {
        let client = client(Some(network), &via.listen_addresses()).await;
        client.add_address(&old).unwrap();
        let cards = timeout(DEADLINE, client.answering(2)).await.unwrap();
        assert_eq!(cards.len(), 2, "the client found {cards:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_welcomed_is_admitted_however_late_its_connection_is_noted() {
    let network = network();
    let [first, late] = [node(network, &[]).await, node(network, &[]).await];
    let (go_on, held) = std::sync::mpsc::sync_channel::<()>(1);
    *late.core.held.lock() = Some(held);
    first.add_address(&late.listen_addresses()[0]).unwrap();
    let welcomed = until(&first, "a welcome", |first| answering(first) == 1);
    // It cannot come while the other side does not know of the connection.
    let early = timeout(Duration::from_millis(300), welcomed).await;
    drop(go_on);
    assert!(early.is_err(), "welcomed before it was noted");
    until(&first, "a welcome", |first| answering(first) == 1).await;
    assert!(late.core.table.lock().admits(first.me()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_that_does_not_come_is_not_waited_for_though_much_else_changes() {
    let impatient = MeshConfig { dial_timeout_ms: 300, ..config(&[]) };
    let node = node_with(network(), Arc::default(), impatient).await;
    let mute = identity().id();
    let path: PeerAddress = format!("/ip4/127.0.0.1/tcp/1/p2p/{mute}").parse().unwrap();
    node.core.set_paths(mute, vec![path.into()]);
    let mut often = tokio::time::interval(Duration::from_millis(10));
    let change = async {
        loop {
            often.tick().await;
            node.core.changed.send_replace(());
        }
    };
    let connected = tokio::select! {
        connected = timeout(DEADLINE, node.core.connect(mute)) => connected,
        () = change => unreachable!("it goes on"),
    };
    assert!(matches!(connected, Ok(Err(PeerError::Unreachable { .. }))), "{connected:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_times_out() {
    let network = network();
    let memory = Arc::new(Memory { mute: true, ..Memory::default() });
    let node = node_with(network, memory, config(&[])).await;
    let impatient = MeshConfig {
        listen: Vec::new(),
        silence_timeout_ms: 300,
        push_answer_timeout_ms: 300,
        ..config(&node.listen_addresses())
    };
    let client = start(Some(network), Role::Client, impatient).await.unwrap();
    assert_eq!(client.answering(1).await.len(), 1);
    let asked = client.ask(node.me(), push(1, 1000)).await;
    assert!(matches!(asked, Err(PeerError::TimedOut { .. })), "{asked:?}");
    until(&client, "that it is not counted any more", |client| answering(client) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_beyond_its_bound_is_cut_off() {
    use futures::AsyncWriteExt as _;
    let network = network();
    let memory = Arc::new(Memory::default());
    let node = node_with(network, Arc::clone(&memory), config(&[])).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    let mut stream = pool::open(&mut client.core.control.clone(), node.me(), SHARD_PROTOCOL).await.unwrap();
    let lengths = [0u32.to_le_bytes(), (u32::try_from(FRAME_PAYLOAD_BYTES_MAX).unwrap() + 1).to_le_bytes()].concat();
    stream.write_all(&lengths).await.unwrap();
    stream.flush().await.unwrap();
    let next = read_lengths(&mut stream, DEADLINE, DEADLINE).await;
    assert!(matches!(next, Ok(None) | Err(crate::frame_io::FrameError::Broken(_))), "{next:?}");
    assert_eq!(memory.served.load(Ordering::SeqCst), 0);
    assert_eq!(client.ask(node.me(), push(1, 10)).await.unwrap(), Answer::Stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_node_finds_who_published() {
    let network = network();
    let first = node(network, &[]).await;
    let via = first.listen_addresses();
    let [holder, seeker] = [node(network, &via).await, node(network, &via).await];
    until(&seeker, "two others", |mesh| answering(mesh) == 2).await;
    until(&holder, "two others", |mesh| answering(mesh) == 2).await;
    let payload = Bytes::from_static(b"a root");
    let node = NodeId::of(&payload);
    let push = Request::PushNode { authority: Bytes::new(), node, copies: 1, publish: true, payload };
    assert_eq!(first.ask(holder.me(), push).await.unwrap(), Answer::Stored);
    // An announcement is not acknowledged, so one asks until it is there.
    let found = timeout(DEADLINE, async {
        loop {
            let found = seeker.providers(node).await;
            if !found.is_empty() {
                return found;
            }
        }
    });
    assert_eq!(found.await.unwrap(), [holder.me()]);
    assert_eq!(seeker.dht_providers(ContentId::from_bytes(*node.as_bytes())).await.unwrap(), [holder.me()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quic_carries_shards_too() {
    let network = network();
    let quic = MeshConfig { listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".to_owned()], ..config(&[]) };
    let node = node_with(network, Arc::default(), quic).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    assert_eq!(client.ask(node.me(), push(1, MIB)).await.unwrap(), Answer::Stored);
    assert!(client.peers()[0].path.as_ref().unwrap().to_string().contains("/quic-v1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_mesh_says_so() {
    let network = network();
    let node = node(network, &[]).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    client.shutdown().await;
    assert!(matches!(client.ask(node.me(), push(1, 10)).await, Err(PeerError::Stopped)));
    assert!(matches!(client.dht_routing_table().await, Err(MeshError::Stopped)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_swallows_packets_holds_up_no_command() {
    let network = network();
    let node = node(network, &[]).await;
    // A listener whose queue is full takes no more connections and refuses none.
    let hole = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hole.local_addr().unwrap().port();
    let gone = format!("/ip4/127.0.0.1/tcp/{port}/p2p/{}", identity().id()).parse().unwrap();
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    client.add_address(&gone).unwrap();
    let start = std::time::Instant::now();
    let linger = Duration::from_millis(200);
    let cards = client.answering_soon(9, linger).await;
    assert_eq!(cards.iter().map(|card| card.peer).collect::<Vec<_>>(), [node.me()]);
    assert!(start.elapsed() >= linger && start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_waits_for_a_direct_way_and_then_is_refused() {
    let network = network();
    let node = node(network, &[]).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    let direct = client.peers()[0].path.clone().unwrap();
    // What the event loop tells of a peer that is reached through a relay and no other way.
    let relay = format!("{}/p2p/{}/p2p-circuit/p2p/{}", "/ip4/127.0.0.1/tcp/1", identity().id(), node.me());
    let circuit: PeerAddress = relay.parse().unwrap();
    client.core.set_paths(node.me(), vec![circuit.clone().into()]);
    let start = std::time::Instant::now();
    // Of the engine, and of the mesh's own tasks.
    for asked in [client.ask(node.me(), push(1, 10)).await, client.core.ask(node.me(), push(1, 10)).await] {
        assert!(matches!(asked, Err(PeerError::Relayed { .. })), "{asked:?}");
    }
    let [waited, most] = [start.elapsed(), Duration::from_millis(PUNCH_WAIT_MS_MAX)];
    assert!(waited >= 2 * most && waited < 4 * most, "{waited:?}");
    let small = client.ask(node.me(), Request::Has { stripes: vec![], nodes: vec![], verify: false });
    assert!(matches!(small.await, Ok(Answer::Holds { .. })));
    // A punched way comes up while somebody waits for it.
    let bulk = push(1, 10);
    let (pushed, ()) = tokio::join!(client.ask(node.me(), bulk), async {
        client.core.set_paths(node.me(), vec![circuit.into(), direct.into()]);
    });
    assert_eq!(pushed.unwrap(), Answer::Stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_longer_than_any_is_cut_off_before_it_is_read() {
    use futures::AsyncWriteExt as _;
    let network = network();
    let node = node(network, &[]).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    let mut stream = pool::open(&mut client.core.control.clone(), node.me(), HELLO_PROTOCOL).await.unwrap();
    let length = u32::try_from(HELLO_BYTES_MAX + 1).unwrap();
    stream.write_all(&[length.to_le_bytes(), [0; 4]].concat()).await.unwrap();
    stream.flush().await.unwrap();
    let start = std::time::Instant::now();
    let next = read_lengths(&mut stream, DEADLINE, DEADLINE).await;
    assert!(matches!(next, Ok(None) | Err(crate::frame_io::FrameError::Broken(_))), "{next:?}");
    // Not for silence.
    assert!(start.elapsed() < node.core.config.silence() / 2, "{:?}", start.elapsed());
}
