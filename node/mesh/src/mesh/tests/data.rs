//! The data port between meshes of one process.

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use storgo_protocol::limits::{
    MESH_DATA_CONNECTIONS_MAX, MESH_DATA_CONNECTIONS_PER_PEER_MAX, MESH_INBOUND_STREAMS_PER_PEER_MAX,
    MESH_PENDING_CONNECTIONS_MAX, MESH_STREAM_IDLE_SECONDS_MAX,
};
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::data::{DataSide, Room, Route, accept};
use crate::frame_io::{FrameError, read_rest, write_frame};

fn route(node: &Mesh) -> Route {
    Route { host: "127.0.0.1".to_owned(), port: node.core.data.port() }
}

/// Pushes until the peer's data port was tried, and says whether it could be reached.
async fn push_until_tried(client: &Mesh, node: &Mesh) -> bool {
    let tried = timeout(DEADLINE, async {
        loop {
            assert_eq!(client.ask(node.me(), push(1, MIB)).await.unwrap(), Answer::Stored);
            let pool = Arc::clone(&client.core.pools.lock()[&node.me()]);
            if let Some(reached) = pool.reaches_data() {
                return reached;
            }
        }
    });
    tried.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_goes_over_the_data_port_once_it_is_worth_it() {
    let network = network();
    let node = node(network, &[]).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    assert_eq!(client.ask(node.me(), push(1, 1000)).await.unwrap(), Answer::Stored);
    assert_eq!(client.core.pools.lock()[&node.me()].reaches_data(), None, "a small one is not worth a handshake");
    assert!(push_until_tried(&client, &node).await);
    // Streams are no way any more: what is answered now came over data connections.
    client.core.pools.lock()[&node.me()].close_streams();
    for seed in 2..20 {
        let (header, index, payload) = shard(seed, 300_000);
        let shard = ShardAddress { stripe: header.id(), index };
        assert_eq!(client.ask(node.me(), push(seed, 300_000)).await.unwrap(), Answer::Stored);
        let pulled = client.ask(node.me(), Request::Pull { shard }).await.unwrap();
        assert_eq!(pulled, Answer::Shard { header, payload });
    }
    assert!(matches!(client.ask(node.me(), has()).await, Err(PeerError::Stopped)));
}

fn has() -> Request {
    Request::Has { stripes: Vec::new(), nodes: Vec::new(), verify: false }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_port_that_cannot_be_reached_costs_nothing_but_a_try() {
    let network = network();
    let node = node(network, &[]).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    node.core.data.tell(closed);
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    assert!(!push_until_tried(&client, &node).await);
    assert_eq!(client.ask(node.me(), push(2, MIB)).await.unwrap(), Answer::Stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_cut_off_before_it_says_anything() {
    let network = network();
    let memory = Arc::new(Memory::default());
    let node = node_with(network, Arc::clone(&memory), config(&[])).await;
    let stranger = DataSide::new(&identity()).unwrap();
    let mut connection = stranger.dial(node.me(), &route(&node), DEADLINE).await.unwrap();
    // It may be written to before the other side has judged; an answer never comes.
    let written = connection.write_all(&push(1, 10).encode().lengths()).await;
    let read = timeout(DEADLINE, connection.read(&mut [0])).await.unwrap();
    assert!(written.is_err() || matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert_eq!(memory.served.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_must_be_who_was_dialled() {
    let network = network();
    let node = node(network, &[]).await;
    let side = DataSide::new(&identity()).unwrap();
    let other = identity().id();
    let error = side.dial(other, &route(&node), DEADLINE).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("ApplicationVerificationFailure"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_shake_hands_is_cut_off() {
    let network = network();
    let impatient = MeshConfig { dial_timeout_ms: 300, ..config(&[]) };
    let node = node_with(network, Arc::default(), impatient).await;
    let mut mute = TcpStream::connect(("127.0.0.1", node.core.data.port())).await.unwrap();
    let read = timeout(DEADLINE, mute.read(&mut [0])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_beyond_its_bound_ends_a_data_connection() {
    let network = network();
    let memory = Arc::new(Memory::default());
    let node = node_with(network, Arc::clone(&memory), config(&[])).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    let mut connection = client.core.data.dial(node.me(), &route(&node), DEADLINE).await.unwrap();
    let lengths = [0u32.to_le_bytes(), (u32::try_from(FRAME_PAYLOAD_BYTES_MAX).unwrap() + 1).to_le_bytes()].concat();
    connection.write_all(&lengths).await.unwrap();
    connection.flush().await.unwrap();
    let next = read_lengths(&mut connection, DEADLINE, DEADLINE).await;
    assert!(matches!(next, Ok(None) | Err(crate::frame_io::FrameError::Broken(_))), "{next:?}");
    assert_eq!(memory.served.load(Ordering::SeqCst), 0);
}

/// Within what time whoever exceeds a bound is cut off.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Tries, of which one must be in time: other tests use the same two cores.
const TRIES: usize = 5;

/// One question and its answer; an error if the connection is cut off.
async fn question(connection: &mut crate::data::Connection) -> Result<Answer, FrameError> {
    write_frame(connection, &has().encode(), DEADLINE).await?;
    let lengths = read_lengths(connection, DEADLINE, DEADLINE).await?;
    let lengths = lengths.ok_or_else(|| FrameError::Broken(std::io::ErrorKind::UnexpectedEof.into()))?;
    Ok(Answer::decode(read_rest(connection, lengths, DEADLINE).await?)?)
}

/// A data connection that was let in.
async fn connected(from: &Mesh, to: &Mesh, at: &Route) -> Result<crate::data::Connection, FrameError> {
    let mut connection = from.core.data.dial(to.me(), at, DEADLINE).await?;
    question(&mut connection).await.map(|_| connection)
}

/// Tries to connect, in vain; how long it took to be cut off.
async fn cut_off(from: &Mesh, to: &Mesh, at: &Route) {
    let mut times = Vec::new();
    for _ in 0..TRIES {
        let start = std::time::Instant::now();
        assert!(connected(from, to, at).await.is_err(), "it was let in");
        times.push(start.elapsed());
    }
    println!("cut off after {times:?}");
    assert!(times.iter().any(|took| *took <= AT_ONCE), "{times:?}");
}

/// One more data port of a node, with other room.
async fn port(node: &Mesh, room: &Arc<Room>) -> Route {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = Route { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
    let Role::Node { serve, .. } = &node.core.role else { panic!("a node") };
    node.core.tracker.spawn(accept(Arc::clone(&node.core), listener, Arc::clone(serve), Arc::clone(room)));
    route
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_connections_beyond_the_room_are_dropped_at_once_and_others_are_served() {
    let network = network();
    let node = node(network, &[]).await;
    let via = node.listen_addresses();
    let [flooder, other] = [client(Some(network), &via).await, client(Some(network), &via).await];
    assert_eq!((flooder.answering(1).await.len(), other.answering(1).await.len()), (1, 1));
    assert_eq!(Room::default().left(), [MESH_DATA_CONNECTIONS_MAX, MESH_PENDING_CONNECTIONS_MAX as usize]);
    let room = Arc::new(Room::new(3, 2));
    let at = port(&node, &room).await;
    let mut before = connected(&other, &node, &at).await.unwrap();
    let mut flood = [connected(&flooder, &node, &at).await.unwrap(), connected(&flooder, &node, &at).await.unwrap()];
    cut_off(&flooder, &node, &at).await;
    assert!(question(&mut before).await.is_ok() && question(&mut flood[0]).await.is_ok());
    assert!(matches!(other.ask(node.me(), has()).await, Ok(Answer::Holds { .. })));
    drop(flood);
    let again = timeout(DEADLINE, async { while connected(&flooder, &node, &at).await.is_err() {} });
    assert!(again.await.is_ok(), "there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_connections_that_never_shake_hands_are_few_at_once() {
    let network = network();
    let node = node(network, &[]).await;
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    let at = port(&node, &Arc::new(Room::new(10, 2))).await;
    let mut before = connected(&client, &node, &at).await.unwrap();
    let mute = [(); 2].map(|()| TcpStream::connect(("127.0.0.1", at.port)));
    let mute = join_all(mute).await;
    cut_off(&client, &node, &at).await;
    assert!(question(&mut before).await.is_ok());
    assert!(matches!(client.ask(node.me(), has()).await, Ok(Answer::Holds { .. })));
    drop(mute);
    let again = timeout(DEADLINE, async { while connected(&client, &node, &at).await.is_err() {} });
    assert!(again.await.is_ok(), "there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_connections_beyond_a_peers_share_are_dropped_and_others_are_let_in() {
    let network = network();
    let node = node(network, &[]).await;
    let via = node.listen_addresses();
    let [flooder, other] = [client(Some(network), &via).await, client(Some(network), &via).await];
    assert_eq!((flooder.answering(1).await.len(), other.answering(1).await.len()), (1, 1));
    let mut open = Vec::new();
    let filled = timeout(DEADLINE, async {
        // The stream of the hello may count still.
        while open.len() < MESH_INBOUND_STREAMS_PER_PEER_MAX {
            open.extend(connected(&flooder, &node, &route(&node)).await.ok());
        }
    });
    assert!(filled.await.is_ok(), "{} are open", open.len());
    cut_off(&flooder, &node, &route(&node)).await;
    assert!(connected(&other, &node, &route(&node)).await.is_ok());
    assert!(matches!(other.ask(node.me(), has()).await, Ok(Answer::Holds { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_opens_few_data_connections_and_closes_them_when_they_are_idle() {
    let network = network();
    let node = node(network, &[]).await;
    let room = Arc::new(Room::new(100, 100));
    node.core.data.tell(port(&node, &room).await.port);
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    assert!(push_until_tried(&client, &node).await);
    // Many more, and no more than a node takes of one peer.
    let count = u8::try_from(3 * MESH_DATA_CONNECTIONS_PER_PEER_MAX).unwrap();
    let pushes = (0..count).map(|seed| client.ask(node.me(), push(seed, 300_000)));
    let stored = timeout(DEADLINE, join_all(pushes)).await.unwrap();
    assert!(stored.into_iter().all(|answer| answer.unwrap() == Answer::Stored));
    let open = 100 - room.left()[0];
    assert!((2..=MESH_DATA_CONNECTIONS_PER_PEER_MAX).contains(&open), "{open} are open");

    let pool = Arc::clone(&client.core.pools.lock()[&node.me()]);
    assert!(pool.idle()[0] > 0 && pool.idle()[1] > 0, "{:?}", pool.idle());
    let half = Duration::from_secs(MESH_STREAM_IDLE_SECONDS_MAX) / 2;
    pool.age(half);
    client.core.sweep_pools(std::time::Instant::now());
    assert!(pool.idle()[0] > 0 && pool.idle()[1] > 0, "{:?}", pool.idle());
    pool.age(half);
    let closed = timeout(DEADLINE, async {
        while pool.idle() != [0, 0] || room.left()[0] < 100 {
            tokio::task::yield_now().await;
        }
    });
    assert!(closed.await.is_ok(), "{:?} are idle, {:?} open", pool.idle(), room.left());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_port_that_takes_connections_and_drops_them_is_left_for_streams() {
    let network = network();
    let node = node(network, &[]).await;
    // The port of a node's own key that shakes hands and hangs up.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = node.core.data.port();
    node.core.data.tell(listener.local_addr().unwrap().port());
    let client = client(Some(network), &node.listen_addresses()).await;
    assert_eq!(client.answering(1).await.len(), 1);
    node.core.data.tell(own);
    let (core, dropped) = (Arc::clone(&node.core), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&dropped);
    node.core.tracker.spawn(core.cancel.clone().run_until_cancelled_owned(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            core.data.hang_up(socket).await;
        }
    }));
    push_until_tried(&client, &node).await;
    let pushed = timeout(DEADLINE, client.ask(node.me(), push(2, MIB))).await.unwrap();
    assert_eq!(pushed.unwrap(), Answer::Stored);
    assert_eq!(client.core.pools.lock()[&node.me()].reaches_data(), Some(false));
    // Once when it was tried, and again when it was used.
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
}
