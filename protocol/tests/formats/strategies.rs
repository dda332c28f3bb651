//! Any value of each format, within its bounds.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use storgo_protocol::limits::{
    CHUNK_BYTES_MAX, NODE_COPIES_MAX, SEALED_BYTES_MAX, SEGMENT_BYTES, STRIPE_SHARDS_MAX, TAG_BYTES,
};
use storgo_protocol::log::{LogBody, LogRecord};
use storgo_protocol::{
    Authority, CareTicket, ChunkId, ChunkKey, ChunkRef, Cipher, Code, ContentId, ContentKey, Extent, Grant, GrantTerms,
    GroupId, Identity, IndexChild, IndexNode, LayoutChild, LayoutEntry, LayoutId, LayoutItems, LayoutNode,
    LayoutRecord, LayoutTop, NetworkId, NodeId, PackedSegment, PeerAddress, PeerId, RepairGrant, Root, ShardAddress,
    ShardId, ShardIndex, StripeHeader, StripeId, Ticket,
};

pub fn id<T>(make: fn([u8; 32]) -> T) -> impl Strategy<Value = T>
where
    T: std::fmt::Debug,
{
    any::<[u8; 32]>().prop_map(make)
}

pub fn code() -> impl Strategy<Value = Code> {
    (1..=STRIPE_SHARDS_MAX)
        .prop_flat_map(|data| (Just(data), 0..=STRIPE_SHARDS_MAX - data))
        .prop_map(|(data, parity)| Code::new(data as u8, parity as u8).expect("within the bound"))
}

pub fn stripe_header() -> impl Strategy<Value = StripeHeader> {
    let shards = |code: Code| vec(id(ShardId::from_bytes), code.total());
    (id(ChunkId::from_bytes), 1..=SEALED_BYTES_MAX, code().prop_flat_map(move |code| (Just(code), shards(code))))
        .prop_map(|(chunk, sealed, (code, shards))| StripeHeader::new(chunk, sealed, code, &shards).expect("a header"))
}

/// A chunk whose plaintext has at most so many bytes.
fn chunk(plain_bytes_max: usize) -> impl Strategy<Value = ChunkRef> {
    let small = plain_bytes_max.min(2 * SEGMENT_BYTES + 1);
    let plain = prop_oneof![4 => 1..=small, 1 => 1..=plain_bytes_max];
    (id(ChunkId::from_bytes), id(ChunkKey::from_bytes), plain, any::<u64>()).prop_map(|(id, key, plain, dice)| {
        // The dice choose for each segment whether and how far it was compressed, and the padding.
        let segments: Vec<_> = (0..plain.div_ceil(SEGMENT_BYTES))
            .map(|number| {
                let length = (plain - number * SEGMENT_BYTES).min(SEGMENT_BYTES);
                let compressed = dice >> (number % 64) & 1 == 1;
                let saved = if compressed { dice as usize % length } else { 0 };
                PackedSegment { packed_bytes: (length - saved) as u32, compressed }
            })
            .collect();
        let sealed: usize = segments.iter().map(|segment| segment.packed_bytes as usize + TAG_BYTES).sum();
        let sealed_bytes = (sealed + dice as usize % 4096).min(SEALED_BYTES_MAX) as u32;
        ChunkRef { id, key, sealed_bytes, plain_bytes: plain as u32, segments }
    })
}

fn extent() -> impl Strategy<Value = Extent> {
    (chunk(CHUNK_BYTES_MAX), any::<(u32, u32)>()).prop_map(|(chunk, (a, b))| {
        let first = a % chunk.plain_bytes;
        let bytes = 1 + b % (chunk.plain_bytes - first);
        Extent { chunk, first, bytes }
    })
}

fn index_child(height: u8) -> impl Strategy<Value = IndexChild> {
    (chunk(50_000), 1..1u64 << 46, any::<(u64, u64)>()).prop_map(move |(chunk, bytes, (a, b))| {
        let extents = 1 + a % bytes;
        let levels = u64::from(height);
        let nodes = levels + b % ((levels - 1) * (extents - 1) + 1);
        IndexChild { chunk, bytes, extents, nodes }
    })
}

pub fn index_node() -> impl Strategy<Value = IndexNode> {
    let inner = (1..=4u8).prop_flat_map(|height| {
        vec(index_child(height), 1..8).prop_map(move |children| IndexNode::Inner { height, children })
    });
    prop_oneof![vec(extent(), 0..8).prop_map(IndexNode::Leaf), inner]
}

pub fn root() -> impl Strategy<Value = Root> {
    (0..=1u64 << 50, any::<(u64, u64)>(), any::<[u8; 32]>(), 8..4000u32, any::<(bool, u32)>()).prop_map(
        |(size, (a, b), commitment, top_plain_bytes, (compressed, c))| {
            let extents = if size == 0 { 0 } else { 1 + a % size };
            let index_nodes = b % (extents * 4 + 1);
            let packed_bytes = if compressed { 1 + c % top_plain_bytes } else { top_plain_bytes };
            let top = PackedSegment { packed_bytes, compressed };
            let sealed_top = vec![c as u8; packed_bytes as usize + TAG_BYTES];
            let cipher = Cipher::Aes256Gcm;
            Root { cipher, size, extents, index_nodes, commitment, top_plain_bytes, top, sealed_top }
        },
    )
}

fn layout_items() -> impl Strategy<Value = LayoutItems> {
    let entry =
        (id(ChunkId::from_bytes), id(StripeId::from_bytes)).prop_map(|(chunk, stripe)| LayoutEntry { chunk, stripe });
    let child = (id(NodeId::from_bytes), 1..1u64 << 46).prop_map(|(node, entries)| LayoutChild { node, entries });
    prop_oneof![
        vec(entry, 1..20).prop_map(LayoutItems::Entries),
        (1..=4u8, vec(child, 1..20)).prop_map(|(height, children)| LayoutItems::Children { height, children }),
    ]
}

pub fn layout_top() -> impl Strategy<Value = LayoutTop> {
    let items = prop_oneof![1 => Just(LayoutItems::Entries(Vec::new())), 9 => layout_items()];
    (id(ContentId::from_bytes), 1..=NODE_COPIES_MAX as u8, code(), items, any::<u64>()).prop_map(
        |(content, node_copies, code, items, dice)| {
            // At most four index nodes for each extent.
            let index_nodes = dice % (items.total() / 5 * 4 + 1);
            LayoutTop { content, node_copies, code, extents: items.total() - index_nodes, index_nodes, items }
        },
    )
}

pub fn layout_node() -> impl Strategy<Value = LayoutNode> {
    layout_items().prop_map(|items| LayoutNode { items })
}

pub fn identity() -> impl Strategy<Value = Identity> {
    any::<[u8; 32]>().prop_map(|seed| Identity::from_seed(&seed))
}

pub fn layout_record() -> impl Strategy<Value = LayoutRecord> {
    (identity(), id(ContentId::from_bytes), id(LayoutId::from_bytes), any::<u64>())
        .prop_map(|(owner, content, layout, number)| LayoutRecord::sign(&owner, content, layout, number))
}

pub fn grant() -> impl Strategy<Value = Grant> {
    let peers = (id(PeerId::from_bytes), id(PeerId::from_bytes), id(PeerId::from_bytes));
    (identity(), peers, any::<u64>(), any::<[u8; 16]>(), any::<u64>()).prop_map(
        |(signer, (holder, peer, owner), bytes, nonce, expiry)| {
            Grant::sign(&signer, GrantTerms { holder, peer, owner, bytes, nonce, expiry })
        },
    )
}

pub fn repair_grant() -> impl Strategy<Value = RepairGrant> {
    (identity(), id(LayoutId::from_bytes), id(PeerId::from_bytes), any::<(u64, u64)>())
        .prop_map(|(owner, layout, key, (bytes, expiry))| RepairGrant::sign(&owner, layout, key, bytes, expiry))
}

pub fn authority() -> impl Strategy<Value = Authority> {
    (grant(), option::of(repair_grant())).prop_map(|(grant, repair)| Authority { grant, repair })
}

pub fn address() -> impl Strategy<Value = PeerAddress> {
    let text = prop_oneof![
        (any::<std::net::Ipv4Addr>(), any::<u16>()).prop_map(|(ip, port)| format!("/ip4/{ip}/tcp/{port}")),
        (any::<std::net::Ipv6Addr>(), any::<u16>()).prop_map(|(ip, port)| format!("/ip6/{ip}/udp/{port}/quic-v1")),
        ("[a-z]{1,20}\\.example", any::<u16>()).prop_map(|(name, port)| format!("/dns4/{name}/tcp/{port}")),
        identity().prop_map(|peer| format!("/ip4/192.0.2.1/tcp/1/p2p/{}/p2p-circuit", peer.id())),
    ];
    text.prop_map(|text| text.parse().expect("a multiaddr"))
}

pub fn addresses() -> impl Strategy<Value = Vec<PeerAddress>> {
    vec(address(), 0..=8)
}

pub fn ticket() -> impl Strategy<Value = Ticket> {
    (
        id(NetworkId::from_bytes),
        id(ContentId::from_bytes),
        id(ContentKey::from_bytes),
        id(PeerId::from_bytes),
        addresses(),
    )
        .prop_map(|(network, content, key, owner, addresses)| Ticket { network, content, key, owner, addresses })
}

pub fn care_ticket() -> impl Strategy<Value = CareTicket> {
    let ids = (id(NetworkId::from_bytes), id(ContentId::from_bytes), id(LayoutId::from_bytes));
    (ids, identity(), identity(), any::<(u64, u64)>(), addresses()).prop_map(
        |((network, content, layout), owner, key, (bytes, expiry), addresses)| {
            let grant = RepairGrant::sign(&owner, layout, key.id(), bytes, expiry);
            CareTicket { network, content, layout, grant, key, addresses }
        },
    )
}

pub fn shard_address() -> impl Strategy<Value = ShardAddress> {
    (id(StripeId::from_bytes), 0..STRIPE_SHARDS_MAX)
        .prop_map(|(stripe, index)| ShardAddress { stripe, index: ShardIndex::new(index).expect("an index") })
}

pub fn payload(bytes_max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=bytes_max).prop_map(Bytes::from)
}

pub fn log_record() -> impl Strategy<Value = LogRecord> {
    let bytes = || vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let entry = (any::<u64>(), any::<u64>(), bytes()).prop_map(|(term, index, payload)| LogBody::Entry {
        term,
        index,
        payload,
    });
    let body = prop_oneof![
        4 => entry,
        1 => bytes().prop_map(LogBody::Vote),
        1 => bytes().prop_map(LogBody::Committed),
        1 => any::<u64>().prop_map(|index| LogBody::Truncate { index }),
        1 => (any::<u64>(), bytes()).prop_map(|(index, marker)| LogBody::Purge { index, marker }),
        1 => any::<u64>().prop_map(LogBody::Gone),
        1 => any::<u64>().prop_map(LogBody::Left),
    ];
    (any::<u64>(), body).prop_map(|(group, body)| LogRecord { group: GroupId::new(group), body })
}
