//! Whoever exceeds a bound is refused or cut off at once, while others are served.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::multiaddr::{Multiaddr, Protocol};
use storgo_protocol::limits::{
    FRAME_HEAD_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX, IDS_PER_MESSAGE_MAX, MESH_CONNECTIONS_PER_PEER_MAX,
    MESH_INBOUND_STREAMS_PER_PEER_MAX, MESH_PENDING_CONNECTIONS_MAX, MESH_STREAMS_PER_PEER_MAX, NODE_BYTES_MAX,
    NODE_COPIES_MAX, SHARD_BYTES_MAX, ZONE_CHARS_MAX,
};
use storgo_protocol::message::{Answer, Hello, MESSAGE_VERSION, PeerCard, Request};
use storgo_protocol::{Identity, NodeId, ShardAddress, ShardIndex, StripeId};

use crate::evil::{Flooder, encode, lengths, nothing};
use crate::harness::{Lab, MIB, assert_same, until};

/// Within what time an offender is cut off.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Attempts of which one must be in time: other tests and builds use the same two cores.
const ATTEMPTS: usize = 5;

fn at_once(what: &str, mut offend: impl FnMut() -> Duration) {
    let times: Vec<Duration> = (0..ATTEMPTS).map(|_| offend()).collect();
    println!("{what}: cut off after {times:?}");
    assert!(times.iter().any(|took| *took <= AT_ONCE), "{what}: {times:?}");
}

/// A node, somebody who floods it, and somebody who was there before and is served throughout.
struct Scene {
    lab: Lab,
    other: Flooder,
    flooder: Flooder,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new(1);
        let [other, flooder] = [(); 2].map(|()| Flooder::connect(lab.network(), &lab.via()));
        Self { lab, other, flooder }
    }

    fn others_are_served(&mut self) {
        let start = Instant::now();
        let mut stream = self.other.stream().expect("a stream");
        let answer = self.other.ask(&mut stream, nothing()).expect("an answer");
        assert!(matches!(answer, Answer::Holds { .. }), "{answer:?}");
        println!("another peer is served within {:?}", start.elapsed());
    }
}

fn shard() -> ShardAddress {
    ShardAddress { stripe: StripeId::from_bytes([1; 32]), index: ShardIndex::default() }
}

#[test]
fn frames_and_messages_beyond_their_bounds_are_cut_off_at_once() {
    let mut scene = Scene::new();
    let ids = vec![StripeId::from_bytes([7; 32]); IDS_PER_MESSAGE_MAX + 1];
    let node = NodeId::from_bytes([7; 32]);
    let has = |stripes, nodes| Request::Has { stripes, nodes, verify: false };
    let push_node = |copies, payload: usize| Request::PushNode {
        authority: Bytes::new(),
        node,
        copies,
        publish: true,
        payload: vec![0; payload].into(),
    };
    let first = u32::try_from(SHARD_BYTES_MAX).unwrap();
    let messages = [
        ("more stripes than a question may have", has(ids.clone(), Vec::new())),
        ("more stripes and nodes together", has(ids[1..].to_vec(), vec![node])),
        ("a larger offer", Request::Offer { authority: Bytes::new(), shards: vec![shard(); IDS_PER_MESSAGE_MAX + 1] }),
        ("a range behind the largest shard", Request::PullRange { shard: shard(), first, bytes: 1 }),
        ("a larger node", push_node(1, NODE_BYTES_MAX + 1)),
        ("more copies of a node", push_node(u8::try_from(NODE_COPIES_MAX).unwrap() + 1, 10)),
        ("a larger proof", Request::Show { authority: Bytes::new(), payload: vec![0; NODE_BYTES_MAX + 1].into() }),
    ];
    for (what, message) in messages {
        let bytes = encode(&message.encode());
        at_once(what, || scene.flooder.cut_off_after(&bytes));
    }
    for (what, head, payload) in
        [("a longer head", FRAME_HEAD_BYTES_MAX + 1, 0), ("a longer payload", 0, FRAME_PAYLOAD_BYTES_MAX + 1)]
    {
        at_once(what, || scene.flooder.cut_off_after(&lengths(head, payload)));
    }
    scene.others_are_served();
}

#[test]
fn a_hello_beyond_its_bounds_is_not_welcome() {
    let mut scene = Scene::new();
    let card = PeerCard {
        peer: Identity::from_seed(&[1; 32]).id(),
        addresses: Vec::new(),
        zone: "z".repeat(ZONE_CHARS_MAX + 1),
        capacity_bytes: 0,
        free_bytes: 0,
        weight: 0,
        disks: 0,
        agent: String::new(),
        stores: false,
        seen_seconds: 0,
        data_port: 0,
    };
    let hello = Hello { network: None, version_min: MESSAGE_VERSION, version_max: MESSAGE_VERSION, card };
    at_once("a longer zone", || scene.flooder.bad_hello(hello.encode()));
    at_once("a longer hello", || scene.flooder.bad_hello(vec![0; FRAME_HEAD_BYTES_MAX + 1].into()));
    scene.others_are_served();
}

#[test]
fn streams_beyond_a_peers_share_are_dropped() {
    let mut scene = Scene::new();
    let mut open = Vec::new();
    for _ in 0..MESH_INBOUND_STREAMS_PER_PEER_MAX {
        let mut stream = scene.flooder.stream().unwrap();
        // The hello of the beginning may count still.
        match scene.flooder.ask(&mut stream, nothing()) {
            Ok(_) => open.push(stream),
            Err(error) => println!("stream {}: {error}", open.len()),
        }
    }
    assert!(open.len() + 1 >= MESH_INBOUND_STREAMS_PER_PEER_MAX, "{} streams are open", open.len());
    while open.len() < MESH_INBOUND_STREAMS_PER_PEER_MAX {
        let mut stream = scene.flooder.stream().unwrap();
        if scene.flooder.ask(&mut stream, nothing()).is_ok() {
            open.push(stream);
        }
    }
    at_once("one stream more", || {
        let start = Instant::now();
        let refused = scene.flooder.stream().and_then(|mut stream| scene.flooder.ask(&mut stream, nothing()));
        assert!(refused.is_err(), "{refused:?}");
        start.elapsed()
    });
    scene.others_are_served();
    drop(open);
    until("there is room again", || {
        let mut stream = scene.flooder.stream().ok()?;
        scene.flooder.ask(&mut stream, nothing()).ok()
    });
}

#[test]
fn connections_beyond_a_peers_share_are_closed() {
    let mut scene = Scene::new();
    let more = 2 * usize::try_from(MESH_CONNECTIONS_PER_PEER_MAX).unwrap();
    let closed = scene.flooder.connections_closed_of(more);
    assert_eq!(closed, more + 1 - usize::try_from(MESH_CONNECTIONS_PER_PEER_MAX).unwrap());
    scene.others_are_served();
}

#[test]
fn connections_that_never_shake_hands_are_few_at_once() {
    let mut scene = Scene::new();
    let address: Multiaddr = scene.lab.via().parse().unwrap();
    let port = address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let connect = || TcpStream::connect(("127.0.0.1", port.unwrap())).unwrap();
    let mut held: Vec<TcpStream> = (0..MESH_PENDING_CONNECTIONS_MAX).map(|_| connect()).collect();
    at_once("one connection more", || {
        let start = Instant::now();
        let mut refused = connect();
        refused.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // What libp2p says first may come before the end.
        let mut said = Vec::new();
        let end = refused.read_to_end(&mut said);
        assert!(end.is_ok() || end.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
        start.elapsed()
    });
    scene.others_are_served();
    // Those that were let in are closed when they say nothing.
    for stream in &mut held {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut said = Vec::new();
        let end = stream.read_to_end(&mut said);
        assert!(end.is_ok() || end.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    }
}

#[test]
fn who_trickles_large_pushes_holds_up_nobody_else() {
    let mut scene = Scene::new();
    // As much as the memory for all requests, promised by one peer, and hardly begun.
    let mut streams = Vec::new();
    for _ in 0..MESH_STREAMS_PER_PEER_MAX {
        let mut stream = scene.flooder.stream().unwrap();
        scene.flooder.ask(&mut stream, nothing()).unwrap();
        scene.flooder.write(&mut stream, &lengths(100, FRAME_PAYLOAD_BYTES_MAX)).unwrap();
        scene.flooder.write(&mut stream, &[0; 50]).unwrap();
        streams.push(stream);
    }
    let bytes = scene.lab.bytes.take(6 * MIB);
    let file = scene.lab.file("file", &bytes);
    let start = Instant::now();
    let put = scene.lab.put(&scene.lab.home("alice"), &file, &[]);
    assert_same(&scene.lab.get(&scene.lab.home("bob"), &put.ticket, &[]).ok().stdout, &bytes);
    println!("put and got in {:?} beside them", start.elapsed());
    // Far from the ten minutes for which an exchange may go on, and before the tricklers are given up.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    scene.others_are_served();
    drop(streams);
}
