//! Any value comes back from its bytes, or its word, as it was; any bytes are decoded or refused.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use storgo_protocol::limits::{INDEX_NODE_BYTES_MAX, NODE_BYTES_MAX, STRIPE_HEADER_BYTES_MAX};
use storgo_protocol::log::LogRecord;
use storgo_protocol::message::{
    Answer, Hello, HelloAnswer, PeerCard, PushedShard, Refusal, RefusalKind, Request, Welcome,
};
use storgo_protocol::{
    AnyTicket, Authority, CareTicket, ContentId, IndexNode, LayoutNode, LayoutRecord, LayoutTop, NetworkId, NodeId,
    PeerAddress, PeerId, Root, ShardSet, StripeHeader, StripeId, Ticket,
};

use super::strategies::{self, id};
use super::targets::TARGETS;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn codes(code in strategies::code()) {
        prop_assert_eq!(code.to_string().parse(), Ok(code));
    }

    #[test]
    fn stripe_headers(header in strategies::stripe_header()) {
        let bytes = header.encode();
        prop_assert!(bytes.len() <= STRIPE_HEADER_BYTES_MAX);
        prop_assert_eq!(StripeHeader::decode(&bytes), Ok(header));
    }

    #[test]
    fn index_nodes(node in strategies::index_node()) {
        let bytes = node.encode();
        let items: usize = match &node {
            IndexNode::Leaf(extents) => extents.iter().map(IndexNode::extent_bytes).sum(),
            IndexNode::Inner { children, .. } => children.iter().map(IndexNode::child_bytes).sum(),
        };
        prop_assert_eq!(bytes.len(), IndexNode::HEAD_BYTES + items);
        prop_assert_eq!(IndexNode::decode(&bytes), Ok(node));
    }

    #[test]
    fn log_records(record in strategies::log_record()) {
        let mut bytes = Vec::new();
        record.encode_to(&mut bytes);
        prop_assert!(bytes.len() == record.encoded_bytes() && bytes.len() <= LogRecord::BYTES_MAX);
        prop_assert_eq!(LogRecord::decode(&bytes.into()), Ok(record));
    }

    #[test]
    fn roots(root in strategies::root()) {
        let bytes = root.encode();
        let id = ContentId::from_bytes(*NodeId::of(&bytes).as_bytes());
        prop_assert_eq!(Root::decode(id, &bytes), Ok(root));
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn layout_tops(top in strategies::layout_top()) {
        prop_assert_eq!(LayoutTop::decode_unverified(&top.encode()), Ok(top));
    }

    #[test]
    fn layout_nodes(node in strategies::layout_node()) {
        let bytes = node.encode();
        prop_assert_eq!(LayoutNode::decode(NodeId::of(&bytes), &bytes), Ok(node));
    }

    #[test]
    fn layout_records(record in strategies::layout_record()) {
        let bytes = record.encode();
        prop_assert_eq!(bytes.len(), LayoutRecord::BYTES);
        prop_assert_eq!(LayoutRecord::decode(&bytes), Ok(record));
    }

    #[test]
    fn authorities(authority in strategies::authority()) {
        prop_assert_eq!(Authority::decode(&authority.encode()), Ok(authority));
    }

    #[test]
    fn tickets(ticket in strategies::ticket()) {
        let word = ticket.to_string();
        prop_assert!(word.parse::<CareTicket>().is_err());
        prop_assert_eq!(word.parse::<Ticket>(), Ok(ticket));
    }

    #[test]
    fn care_tickets(ticket in strategies::care_ticket()) {
        let word = ticket.to_string();
        prop_assert!(word.parse::<Ticket>().is_err());
        let read = match word.parse() {
            Ok(AnyTicket::Care(read)) => read,
            other => panic!("{other:?}"),
        };
        prop_assert_eq!((read.network, read.content, read.layout), (ticket.network, ticket.content, ticket.layout));
        prop_assert_eq!((read.grant, read.key.seed()), (ticket.grant, ticket.key.seed()));
        prop_assert_eq!(read.addresses, ticket.addresses);
    }

    #[test]
    fn addresses(address in strategies::address()) {
        prop_assert_eq!(PeerAddress::decode(&address.encode()), Ok(address.clone()));
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn hellos(network in option::of(id(NetworkId::from_bytes)), versions in any::<(u32, u32)>(), card in card()) {
        let hello = Hello { network, version_min: versions.0, version_max: versions.1, card };
        prop_assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
    }

    #[test]
    fn hello_answers(answer in hello_answer()) {
        prop_assert_eq!(HelloAnswer::decode(&answer.encode()), Ok(answer));
    }

    #[test]
    fn requests(request in request()) {
        prop_assert_eq!(Request::decode(request.clone().encode()), Ok(request));
    }

    #[test]
    fn answers(answer in answer()) {
        prop_assert_eq!(Answer::decode(answer.clone().encode()), Ok(answer));
    }

    /// Bytes behind an honest beginning get further than random ones, and are decoded or refused all the same.
    #[test]
    fn any_bytes_behind_any_magic(bytes in vec(any::<u8>(), 0..300)) {
        for magic in ["", "SGST\x01", "SGIX\x01\x00", "SGIX\x01\x01", "SGRT\x01\x01", "SGLT\x01", "SGLN\x01\x00\x01\x00",
            "SGLR\x01", "SGGR\x01", "SGRG\x01", "SGTK\x01", "SGCT\x01", "SGSF\x01", "storgo:", "storgo-care:"] {
            let bytes = [magic.as_bytes(), &bytes].concat();
            TARGETS.iter().for_each(|(_, run)| { run(&bytes); });
        }
    }
}

fn card() -> impl Strategy<Value = PeerCard> {
    let numbers = (any::<(u64, u64)>(), any::<u32>(), 0..=64u32, any::<u32>(), any::<u16>());
    (id(PeerId::from_bytes), strategies::addresses(), "\\PC{0,64}", numbers, "\\PC{0,64}", any::<bool>()).prop_map(
        |(peer, addresses, zone, numbers, agent, stores)| {
            let ((capacity_bytes, free_bytes), weight, disks, seen_seconds, data_port) = numbers;
            PeerCard {
                peer,
                addresses,
                zone,
                capacity_bytes,
                free_bytes,
                weight,
                disks,
                agent,
                stores,
                seen_seconds,
                data_port,
            }
        },
    )
}

fn refusal() -> impl Strategy<Value = Refusal> {
    let kinds = [
        RefusalKind::NotFound,
        RefusalKind::NoSpace,
        RefusalKind::Quota,
        RefusalKind::Denied,
        RefusalKind::Busy,
        RefusalKind::Invalid,
        RefusalKind::Failed,
        RefusalKind::OtherNetwork,
        RefusalKind::Version,
        RefusalKind::Corrupt,
    ];
    (0..kinds.len(), "\\PC{0,300}").prop_map(move |(kind, reason)| Refusal::new(kinds[kind], reason))
}

fn hello_answer() -> impl Strategy<Value = HelloAnswer> {
    let welcome =
        (id(NetworkId::from_bytes), any::<u32>(), card(), vec(card(), 0..8), option::of(strategies::address()))
            .prop_map(|(network, version, card, peers, observed)| Welcome { network, version, card, peers, observed });
    prop_oneof![
        welcome.prop_map(|welcome| HelloAnswer::Welcome(Box::new(welcome))),
        refusal().prop_map(HelloAnswer::Refused),
    ]
}

/// A header, one of its shards and a payload of the right length.
fn shard() -> impl Strategy<Value = (StripeHeader, storgo_protocol::ShardIndex, Bytes)> {
    let small = strategies::stripe_header().prop_filter_map("a small shard", |header| {
        StripeHeader::new(header.chunk(), 1 + header.sealed_bytes() % 2_000, header.code(), header.shards())
    });
    (small, any::<usize>()).prop_map(|(header, dice)| {
        let index = storgo_protocol::ShardIndex::new(dice % header.code().total()).expect("an index");
        let payload = Bytes::from(vec![dice as u8; header.shard_bytes()]);
        (header, index, payload)
    })
}

fn request() -> impl Strategy<Value = Request> {
    let node = || id(NodeId::from_bytes);
    let authority = || strategies::payload(500);
    let has = (vec(id(StripeId::from_bytes), 0..256), vec(node(), 0..=256), any::<bool>())
        .prop_map(|(stripes, nodes, verify)| Request::Has { stripes, nodes, verify });
    let offer = (authority(), vec(strategies::shard_address(), 0..=512))
        .prop_map(|(authority, shards)| Request::Offer { authority, shards });
    let shards = vec(shard(), 1..4).prop_map(|shards| {
        let pushed = |(header, index, payload)| PushedShard { header, index, payload };
        shards.into_iter().map(pushed).collect()
    });
    let push = (authority(), shards).prop_map(|(authority, shards)| Request::Push { authority, shards });
    let range = (strategies::shard_address(), 0..1u32 << 24, 1..1000u32)
        .prop_map(|(shard, first, bytes)| Request::PullRange { shard, first, bytes });
    let push_node = (authority(), node(), 1..=32u8, any::<bool>(), strategies::payload(NODE_BYTES_MAX / 16)).prop_map(
        |(authority, node, copies, publish, payload)| Request::PushNode { authority, node, copies, publish, payload },
    );
    let push_record = (authority(), strategies::layout_record())
        .prop_map(|(authority, record)| Request::PushRecord { authority, record });
    let show = (authority(), strategies::payload(INDEX_NODE_BYTES_MAX / 16))
        .prop_map(|(authority, payload)| Request::Show { authority, payload });
    prop_oneof![
        has,
        offer,
        push,
        strategies::shard_address().prop_map(|shard| Request::Pull { shard }),
        range,
        push_node,
        node().prop_map(|node| Request::PullNode { node }),
        push_record,
        id(ContentId::from_bytes).prop_map(|content| Request::PullRecords { content }),
        show,
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    let holds = (vec(any::<u32>().prop_map(ShardSet::from_bits), 0..=512), vec(any::<u32>(), 0..=512))
        .prop_map(|(shards, nodes)| Answer::Holds { shards, nodes });
    prop_oneof![
        refusal().prop_map(Answer::Refused),
        holds,
        vec(any::<bool>(), 0..=512).prop_map(|have| Answer::Offered { have }),
        Just(Answer::Stored),
        (strategies::stripe_header(), strategies::payload(2_000))
            .prop_map(|(header, payload)| Answer::Shard { header, payload }),
        strategies::payload(2_000).prop_map(|payload| Answer::Node { payload }),
        vec(strategies::layout_record(), 0..=16).prop_map(|records| Answer::Records { records }),
    ]
}
