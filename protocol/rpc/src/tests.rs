//! A client and a server over a real socket.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use storgo_protocol::cluster::{Ask, Told};
use storgo_protocol::{ContentId, GroupId, NetworkId, PeerId};
use tokio_util::sync::CancellationToken;

use crate::{
    ApiError, CardRow, Client, DhtEntry, DhtPeer, DiskRow, NodeApi, NodeStatus, PathKind, PeerRow, PeerState, RpcError,
    Socket, locate, serve,
};

#[derive(Debug)]
struct Known;

const PEER: PeerId = PeerId::from_bytes([7; 32]);

fn status() -> NodeStatus {
    NodeStatus {
        peer: PEER,
        network: NetworkId::from_name("test"),
        version: "0.1.0".into(),
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".parse().unwrap()],
        uptime: Duration::from_secs(61),
        disks: vec![DiskRow {
            path: "/d".into(),
            fenced: Some("EIO".into()),
            capacity_bytes: 9,
            used_bytes: 8,
            shards: 7,
            nodes: 6,
            quarantined: 5,
        }],
        peers_connected: 1,
        peers_known: 2,
        process: 3,
        zone: "attic".into(),
        reach: "hidden".into(),
    }
}

fn peer() -> PeerRow {
    PeerRow {
        peer: PEER,
        state: PeerState::Unreachable,
        reason: "connection refused".into(),
        distrust: "a wrong shard".into(),
        card: Some(CardRow {
            zone: "cellar".into(),
            capacity_bytes: 1,
            free_bytes: 2,
            weight: 3,
            disks: 4,
            agent: "storgo/0.1.0".into(),
            stores: true,
        }),
        addresses: vec!["/ip4/127.0.0.1/udp/1/quic-v1".parse().unwrap()],
        path: Some("/ip4/127.0.0.1/tcp/9".parse().unwrap()),
        path_kind: Some(PathKind::Punched),
        round_trip: Some(Duration::from_micros(6)),
        heard: Some(Duration::ZERO),
        bytes_sent: 7,
        bytes_received: 8,
    }
}

#[async_trait]
impl NodeApi for Known {
    async fn ask(&self, peer: Option<PeerId>, group: GroupId, ask: Ask) -> Result<Told, ApiError> {
        assert_eq!((peer, group, ask), (Some(PEER), GroupId::new(3), Ask::Status));
        Ok(Told::Done)
    }

    async fn metrics(&self) -> Result<String, ApiError> {
        Ok("# EOF\n".to_owned())
    }

    async fn status(&self) -> Result<NodeStatus, ApiError> {
        Ok(status())
    }
    async fn peers(&self) -> Result<Vec<PeerRow>, ApiError> {
        Ok(vec![peer()])
    }
    async fn dht_find(&self, peer: PeerId) -> Result<Vec<DhtPeer>, ApiError> {
        Ok(vec![DhtPeer { peer, addresses: Vec::new() }])
    }
    async fn dht_providers(&self, _: ContentId) -> Result<Vec<DhtPeer>, ApiError> {
        Err(ApiError::Unavailable("the query timed out".into()))
    }
    async fn dht_routing_table(&self) -> Result<Vec<DhtEntry>, ApiError> {
        Ok(vec![DhtEntry { distance_bits: 256, peer: PEER, addresses: Vec::new() }])
    }
}

#[tokio::test]
async fn every_question_comes_back_as_it_was_answered() {
    let data = tempfile::tempdir().unwrap();
    let (socket, listener) = Socket::bind(data.path()).unwrap();
    assert_eq!(socket.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, Arc::new(Known), stop.clone().cancelled_owned()));

    let mut client = Client::connect(&locate(data.path()).unwrap()).await.unwrap();
    assert_eq!(client.status().await.unwrap(), status());
    assert_eq!(client.peers().await.unwrap(), [peer()]);
    assert_eq!(client.metrics().await.unwrap(), "# EOF\n");
    assert_eq!(client.dht_find(PEER).await.unwrap().first().unwrap().peer, PEER);
    assert_eq!(client.dht_routing_table().await.unwrap().first().unwrap().distance_bits, 256);
    assert_eq!(client.ask(Some(PEER), GroupId::new(3), &Ask::Status).await.unwrap(), Told::Done);
    let refused = client.dht_providers(ContentId::from_bytes([1; 32])).await;
    assert!(matches!(&refused, Err(RpcError::Unavailable { reason }) if reason.contains("timed out")), "{refused:?}");

    stop.cancel();
    drop(client);
    server.await.unwrap().unwrap();
    drop(socket);
    assert!(locate(data.path()).is_err());
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_deep_directory_still_has_one() {
    let data = tempfile::tempdir().unwrap();
    let (left, _) = Socket::bind(data.path()).unwrap();
    std::mem::forget(left);
    let gone = Client::connect(&locate(data.path()).unwrap()).await;
    assert!(matches!(gone, Err(RpcError::NoNode { .. })), "{gone:?}");
    Socket::bind(data.path()).unwrap();

    let deep = data.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let (socket, _listener) = Socket::bind(&deep).unwrap();
    assert_eq!(locate(&deep).unwrap(), socket.path());
    drop(socket);
    assert!(locate(&deep).is_err());
}
