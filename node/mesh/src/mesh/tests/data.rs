//! The data port between meshes of one process.

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::*;
use crate::data::{DataSide, Route};

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
