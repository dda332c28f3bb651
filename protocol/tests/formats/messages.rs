//! Samples of every message between peers, and the frames that they stand in.

use bytes::Bytes;
use storgo_protocol::limits::SHARDS_PER_PUSH_MAX;
use storgo_protocol::message::{
    Answer, Frame, Hello, HelloAnswer, PeerCard, PushedShard, Refusal, RefusalKind, Request, Welcome,
};
use storgo_protocol::{ChunkId, Code, NodeId, ShardAddress, ShardId, ShardIndex, ShardSet, StripeHeader, StripeId};

use super::samples;

pub fn card() -> PeerCard {
    PeerCard {
        peer: samples::peer(),
        addresses: samples::addresses(),
        zone: "cellar".to_owned(),
        capacity_bytes: 1 << 40,
        free_bytes: 1 << 39,
        weight: 1_024,
        disks: 2,
        agent: "storgo/0.1.0".to_owned(),
        stores: true,
        seen_seconds: 0,
        data_port: 4821,
    }
}

pub fn hellos() -> Vec<(&'static str, Hello)> {
    let known = Hello { network: Some(samples::network()), version_min: 1, version_max: 1, card: card() };
    let guest = PeerCard { stores: false, addresses: Vec::new(), zone: String::new(), ..card() };
    vec![("hello", known.clone()), ("hello_of_a_guest", Hello { network: None, card: guest, ..known })]
}

pub fn hello_answers() -> Vec<(&'static str, HelloAnswer)> {
    let welcome = Welcome {
        network: samples::network(),
        version: 1,
        card: card(),
        peers: vec![PeerCard { seen_seconds: 30, peer: samples::holder().id(), ..card() }],
        observed: Some(samples::address("/ip4/198.51.100.7/tcp/50000")),
    };
    let refusal = Refusal::new(RefusalKind::OtherNetwork, "this is another network");
    vec![("welcome", HelloAnswer::Welcome(Box::new(welcome))), ("hello_refused", HelloAnswer::Refused(refusal))]
}

fn shard_address(index: usize) -> ShardAddress {
    ShardAddress { stripe: StripeId::from_bytes(samples::run(0x70)), index: shard_index(index) }
}

fn shard_index(index: usize) -> ShardIndex {
    ShardIndex::new(index).expect("a shard index")
}

fn payload() -> Bytes {
    Bytes::from_static(b"forty bytes that stand for a whole shard")
}

/// A stripe of one copy of [`payload`].
fn header() -> StripeHeader {
    header_of(&payload())
}

fn header_of(payload: &[u8]) -> StripeHeader {
    let shards = [ShardId::from_bytes(*blake3::hash(payload).as_bytes())];
    let code = Code::new(1, 0).expect("a code");
    StripeHeader::new(ChunkId::from_bytes(samples::run(0x20)), payload.len(), code, &shards).expect("a header")
}

fn pushed(index: usize) -> PushedShard {
    PushedShard { header: header(), index: shard_index(index), payload: payload() }
}

pub fn requests() -> Vec<(&'static str, Request)> {
    let authority = samples::authority_bytes;
    let node = NodeId::from(samples::content());
    let stripes = vec![StripeId::from_bytes(samples::run(0x70)), StripeId::from_bytes(samples::run(0x90))];
    let (shard, record) = (shard_address(5), samples::layout_record());
    let other =
        PushedShard { header: header_of(b"another shard"), payload: Bytes::from_static(b"another shard"), ..pushed(0) };
    let root = Bytes::from(samples::root().encode());
    let shown = Bytes::from(samples::layout_entries().encode());
    let show_authority = Bytes::from(samples::repair_authority().encode());
    vec![
        ("has", Request::Has { stripes, nodes: vec![node], verify: true }),
        ("offer", Request::Offer { authority: authority(), shards: vec![shard_address(0), shard] }),
        ("push", Request::Push { authority: authority(), shards: vec![pushed(0)] }),
        ("push_of_two", Request::Push { authority: authority(), shards: vec![pushed(0), other] }),
        ("pull", Request::Pull { shard }),
        ("pull_range", Request::PullRange { shard, first: 16_384, bytes: 1_000 }),
        ("push_node", Request::PushNode { authority: authority(), node, copies: 3, publish: true, payload: root }),
        ("pull_node", Request::PullNode { node }),
        ("push_record", Request::PushRecord { authority: authority(), record }),
        ("pull_records", Request::PullRecords { content: samples::content() }),
        ("show", Request::Show { authority: show_authority, payload: shown }),
    ]
}

pub fn answers() -> Vec<(&'static str, Answer)> {
    let shards = vec![ShardSet::from_bits(0b10_0101), ShardSet::EMPTY];
    vec![
        ("refused", Answer::Refused(Refusal::new(RefusalKind::NoSpace, "every disk is full"))),
        ("holds", Answer::Holds { shards, nodes: vec![1, 0] }),
        ("offered", Answer::Offered { have: vec![true, false] }),
        ("stored", Answer::Stored),
        ("shard", Answer::Shard { header: header(), payload: payload() }),
        ("node", Answer::Node { payload: samples::layout_node().encode().into() }),
        ("records", Answer::Records { records: vec![samples::layout_record()] }),
    ]
}

/// A frame as it stands on a stream.
pub fn on_stream(frame: &Frame) -> Vec<u8> {
    [&frame.lengths()[..], &frame.head, &frame.payload.concat()].concat()
}

/// A stranger's peers with cards as long as they may be, of which a welcome must not grow too long to be read.
#[test]
fn a_welcome_names_as_many_peers_as_fit_its_frame() {
    let long = samples::address(&format!("/dns4/{}/tcp/1", "x".repeat(150)));
    let fat =
        PeerCard { addresses: vec![long; 8], zone: "\u{1f4be}".repeat(64), agent: "\u{1f4be}".repeat(64), ..card() };
    let welcome =
        Welcome { network: samples::network(), version: 1, card: fat.clone(), peers: vec![fat; 64], observed: None };
    let head = HelloAnswer::Welcome(Box::new(welcome.clone())).encode();
    assert!(head.len() <= storgo_protocol::limits::FRAME_HEAD_BYTES_MAX, "{}", head.len());
    let HelloAnswer::Welcome(read) = HelloAnswer::decode(&head).expect("a welcome") else { panic!("a refusal") };
    assert!((30..64).contains(&read.peers.len()), "{} peers", read.peers.len());
    assert_eq!(read.peers[..], welcome.peers[..read.peers.len()]);
}

#[test]
fn a_request_of_senseless_numbers_is_refused() {
    let refused = |request: Request| Request::decode(request.encode()).is_err();
    let shard = shard_address(0);
    assert!(refused(Request::PullRange { shard, first: u32::MAX, bytes: 1 }));
    assert!(refused(Request::PullRange { shard, first: 0, bytes: 0 }));
    let node = NodeId::from(samples::content());
    for copies in [0, 33] {
        let authority = samples::authority_bytes();
        let payload = Bytes::new();
        assert!(refused(Request::PushNode { authority, node, copies, publish: false, payload }));
    }
    assert!(refused(Request::Has { stripes: vec![shard.stripe; 257], nodes: vec![node; 256], verify: false }));
    let push = |shards| Request::Push { authority: samples::authority_bytes(), shards };
    let short = PushedShard { payload: payload().slice(1..), ..pushed(0) };
    assert!(refused(push(vec![short.clone()])));
    assert!(refused(push(vec![pushed(0), short])));
    assert!(refused(push(vec![pushed(1)])));
    assert!(refused(push(Vec::new())));
    let mut trailing = push(vec![pushed(0)]).encode();
    trailing.payload.push(Bytes::from_static(b"!"));
    assert!(Request::decode(trailing).is_err());
    assert!(!refused(push(vec![pushed(0); SHARDS_PER_PUSH_MAX])));
    assert!(refused(push(vec![pushed(0); SHARDS_PER_PUSH_MAX + 1])));
    let stray = Frame { payload: vec![payload()], ..Request::PullNode { node }.encode() };
    assert!(Request::decode(stray).is_err());
}
