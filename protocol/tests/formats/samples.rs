//! Fixed values of every format: what the golden files hold and the mutations start from.
//!
//! They never change. A new version of a format gets new samples and new files beside the old ones.

use bytes::Bytes;
use storgo_protocol::limits::{SEGMENT_BYTES, TAG_BYTES};
use storgo_protocol::log::{LogBody, LogFrame, LogFrameHead, LogManifest, LogRecord, LogSegmentHead};
use storgo_protocol::tree::{TreeBuilder, TreeFile, TreeItem, TreeName, TreeNode, TreeRoot, TreeTime};
use storgo_protocol::{
    Admission, Authority, CareTicket, ChunkId, ChunkKey, ChunkRef, Cipher, Code, ContentId, ContentKey, Extent, Grant,
    GrantTerms, GroupId, Identity, IndexChild, IndexNode, IndexTop, Invite, InviteRole, InviteTerms, LayoutChild,
    LayoutEntry, LayoutId, LayoutItems, LayoutNode, LayoutRecord, LayoutTop, LogIncarnation, MemberCard, MemberKey,
    NetworkId, NodeId, ObjectKind, PackedSegment, PeerAddress, PeerId, RepairGrant, Root, ShardId, SnapshotPage,
    SnapshotRow, SnapshotStart, StripeHeader, StripeId, Ticket, WrappedKey,
};

/// 32 bytes that count up from `first`, so that a field is recognised in a dump.
pub fn run(first: u8) -> [u8; 32] {
    std::array::from_fn(|i| first.wrapping_add(i as u8))
}

pub fn owner() -> Identity {
    Identity::from_seed(&run(0xa0))
}

pub fn holder() -> Identity {
    Identity::from_seed(&run(0xb0))
}

pub fn peer() -> PeerId {
    Identity::from_seed(&run(0xc0)).id()
}

pub fn care_key() -> Identity {
    Identity::from_seed(&run(0xd0))
}

pub fn network() -> NetworkId {
    NetworkId::from_name("storgo")
}

pub fn address(text: &str) -> PeerAddress {
    text.parse().expect("a sample address")
}

pub fn addresses() -> Vec<PeerAddress> {
    vec![address("/ip4/192.0.2.1/tcp/4001"), address("/ip6/2001:db8::1/udp/4001/quic-v1")]
}

pub fn stripe_header() -> StripeHeader {
    let shards = [ShardId::from_bytes(run(0x40)), ShardId::from_bytes(run(0x60)), ShardId::from_bytes(run(0x80))];
    let code = Code::new(2, 1).expect("a code");
    StripeHeader::new(ChunkId::from_bytes(run(0x20)), 1_000_001, code, &shards).expect("a header")
}

/// One compressed segment of full length and one stored one of 100 bytes.
fn two_segments() -> ChunkRef {
    let stored = PackedSegment { packed_bytes: 100, compressed: false };
    let compressed = PackedSegment { packed_bytes: 60_000, compressed: true };
    ChunkRef {
        id: ChunkId::from_bytes(run(0x01)),
        key: ChunkKey::from_bytes(run(0x02)),
        sealed_bytes: 60_160,
        plain_bytes: SEGMENT_BYTES as u32 + 100,
        segments: vec![compressed, stored],
    }
}

fn stored(first: u8, plain_bytes: u32) -> ChunkRef {
    ChunkRef {
        id: ChunkId::from_bytes(run(first)),
        key: ChunkKey::from_bytes(run(first + 1)),
        sealed_bytes: (plain_bytes + TAG_BYTES as u32).next_multiple_of(64),
        plain_bytes,
        segments: vec![PackedSegment { packed_bytes: plain_bytes, compressed: false }],
    }
}

pub fn index_leaf() -> IndexNode {
    IndexNode::Leaf(vec![
        Extent { chunk: two_segments(), first: 0, bytes: 131_172 },
        Extent { chunk: stored(0x03, 1_000), first: 10, bytes: 900 },
    ])
}

pub fn index_inner() -> IndexNode {
    let full = IndexChild { chunk: stored(0x05, 50_000), bytes: 1 << 30, extents: 500, nodes: 6 };
    let thin = IndexChild { chunk: stored(0x07, 192), bytes: 1, extents: 1, nodes: 2 };
    IndexNode::Inner { height: 2, children: vec![full, thin] }
}

/// The top of a tree's index.
pub fn index_tree_top() -> IndexTop {
    IndexTop { kind: ObjectKind::Tree, node: index_inner() }
}

/// Bytes of the contents of [`tree`].
pub const TREE_CONTENTS: u64 = 11;

/// What stands behind the contents of a small tree: one page, the table and the trailer. Each kind of item, names that
/// are no text, and two files of one range.
pub fn tree() -> Vec<u8> {
    let modified = TreeTime { seconds: 1_795_000_000, nanoseconds: 123_456_789 };
    let old = TreeTime { seconds: -1, nanoseconds: 0 };
    let file = |mode, offset, contents: &[u8]| {
        TreeNode::File(TreeFile { mode, offset, bytes: contents.len() as u64, hash: blake3::hash(contents) })
    };
    let directory = |mode| TreeNode::Directory { mode };
    let items = [
        (0, &b"bin"[..], modified, directory(0o755)),
        (1, b"\xff\n", old, file(0o755, 0, b"storgo")),
        (0, b"bin-2", modified, file(0o644, 6, b"bytes")),
        (0, b"empty", old, directory(0o700)),
        (0, b"equal", modified, file(0o400, 6, b"bytes")),
        (0, b"link", modified, TreeNode::Link { target: b"../outside".as_slice().into() }),
        (0, b"nothing", modified, file(0, 0, b"")),
    ];
    let mut builder = TreeBuilder::default();
    for (depth, name, modified, node) in items {
        let name = TreeName::new(name).expect("a name");
        builder.push(TreeItem { depth, name, modified, node }).expect("an item in order");
    }
    builder.finish(TreeRoot { mode: 0o750, modified }, TREE_CONTENTS).expect("a tree")
}

/// The root of the object whose index is [`index_leaf`], sealed as `spec/objects.md` says.
pub fn root() -> Root {
    let (top, key) = (index_leaf().encode(), content_key());
    let mut root = Root {
        cipher: Cipher::Aes256Gcm,
        size: 132_072,
        extents: 2,
        index_nodes: 0,
        commitment: key.commitment(),
        top_plain_bytes: top.len() as u32,
        top: PackedSegment { packed_bytes: top.len() as u32, compressed: false },
        sealed_top: Vec::new(),
    };
    root.sealed_top = super::derivations::seal(key.expose(), 0, &root.clear_bytes(), &top);
    root
}

pub fn content_key() -> ContentKey {
    let top = index_leaf().encode();
    let segment = PackedSegment { packed_bytes: top.len() as u32, compressed: false };
    let packed = super::derivations::packed_hash(&[(segment, &top)]);
    super::derivations::secret().content_key(Cipher::Aes256Gcm, &packed)
}

pub fn content() -> ContentId {
    ContentId::from_bytes(*NodeId::of(&root().encode()).as_bytes())
}

pub fn layout_entries() -> LayoutTop {
    let entry =
        |first| LayoutEntry { chunk: ChunkId::from_bytes(run(first)), stripe: StripeId::from_bytes(run(first + 0x80)) };
    LayoutTop {
        content: content(),
        node_copies: 3,
        code: Code::new(4, 2).expect("a code"),
        extents: 2,
        index_nodes: 0,
        items: LayoutItems::Entries(vec![entry(0x01), entry(0x03)]),
    }
}

pub fn layout_children() -> LayoutTop {
    let child = |first, entries| LayoutChild { node: NodeId::from_bytes(run(first)), entries };
    LayoutTop {
        extents: 1_022 + 80,
        index_nodes: 20,
        items: LayoutItems::Children { height: 1, children: vec![child(0x30, 1_022), child(0x50, 100)] },
        ..layout_entries()
    }
}

pub fn layout_node() -> LayoutNode {
    LayoutNode { items: layout_entries().items }
}

pub fn layout() -> LayoutId {
    LayoutId::from_bytes(*NodeId::of(&layout_entries().encode()).as_bytes())
}

pub fn layout_record() -> LayoutRecord {
    LayoutRecord::sign(&owner(), content(), layout(), 7)
}

fn terms() -> GrantTerms {
    GrantTerms {
        holder: holder().id(),
        peer: peer(),
        owner: owner().id(),
        bytes: 1 << 30,
        nonce: *run(0xe0).first_chunk().expect("16 of 32"),
        expiry: 1_800_000_000,
    }
}

pub fn grant() -> Grant {
    Grant::sign(&owner(), terms())
}

pub fn member_card() -> MemberCard {
    MemberCard::new(&owner(), MemberKey::from_bytes(run(0x30)))
}

pub fn wrapped_key() -> WrappedKey {
    let sealed = std::array::from_fn(|i| 0x60 + i as u8);
    WrappedKey { generation: 258, ephemeral: MemberKey::from_bytes(run(0x40)), sealed }
}

/// The trust root of a network that lets nodes in by invite.
pub fn trust_root() -> Identity {
    Identity::from_seed(&run(0xe0))
}

pub fn invite() -> Invite {
    let key = Identity::from_seed(&run(0xf0));
    let terms = InviteTerms::new(&trust_root(), key.id(), InviteRole::Metadata, 1_900_000_000);
    Invite { terms, key, addresses: addresses() }
}

pub fn admission() -> Admission {
    invite().admit(peer())
}

pub fn repair_grant() -> RepairGrant {
    RepairGrant::sign(&owner(), layout(), care_key().id(), 1 << 31, 1_900_000_000)
}

pub fn authority() -> Authority {
    Authority { grant: grant(), repair: None }
}

pub fn repair_authority() -> Authority {
    Authority { grant: Grant::sign(&care_key(), terms()), repair: Some(repair_grant()) }
}

pub fn ticket() -> Ticket {
    Ticket { network: network(), content: content(), key: content_key(), owner: owner().id(), addresses: addresses() }
}

pub fn care_ticket() -> CareTicket {
    CareTicket {
        network: network(),
        content: content(),
        layout: layout(),
        grant: repair_grant(),
        key: care_key(),
        addresses: addresses(),
    }
}

pub fn authority_bytes() -> Bytes {
    authority().encode().into()
}

pub fn group() -> GroupId {
    GroupId::new(0x0102_0304_0506_0708)
}

/// A record of each kind, by name.
pub fn log_records() -> Vec<(&'static str, LogRecord)> {
    let bytes = |first: u8, count: usize| Bytes::copy_from_slice(&run(first)[..count]);
    let bodies = [
        ("log_entry", LogBody::Entry { term: 3, index: 0x1122_3344_5566_7788, payload: bytes(0x10, 32) }),
        ("log_vote", LogBody::Vote(bytes(0x20, 9))),
        ("log_committed", LogBody::Committed(bytes(0x30, 16))),
        ("log_truncate", LogBody::Truncate { index: 12 }),
        ("log_purge", LogBody::Purge { index: 11, marker: bytes(0x40, 5) }),
        ("log_gone", LogBody::Gone(2)),
        ("log_left", LogBody::Left(3)),
    ];
    bodies.map(|(name, body)| (name, LogRecord { group: group(), body })).into()
}

pub fn log_segment_head() -> LogSegmentHead {
    let mut sealed_key = [0; 32 + TAG_BYTES];
    sealed_key.iter_mut().zip(0x80..).for_each(|(to, from)| *to = from);
    LogSegmentHead {
        incarnation: LogIncarnation::new(0xa1a2_a3a4_a5a6_a7a8),
        number: 7,
        previous_bytes: 4096,
        salt: run(0x50),
        sealed_key,
    }
}

pub fn log_manifest() -> LogManifest {
    LogManifest { incarnation: LogIncarnation::new(0xa1a2_a3a4_a5a6_a7a8), oldest: 3, newest: 7 }
}

/// Two sealed records of 16 and 40 bytes at offset 128.
pub fn log_frame() -> Vec<u8> {
    let mut out = vec![0; LogFrameHead::BYTES];
    for (first, bytes) in [(0x60, 16), (0x70, 40)] {
        out.extend_from_slice(&(bytes as u32).to_le_bytes());
        out.extend((first..).take(bytes));
    }
    LogFrame::finish(&mut out, 128, 2).expect("a frame");
    out
}

/// The content of a first page: the start and two rows.
pub fn snapshot_content() -> (SnapshotStart, Vec<SnapshotRow>) {
    let start = SnapshotStart { index: 99, term: 4, blob: Bytes::from_static(b"members") };
    let row = |key: &'static str, value: &'static str| SnapshotRow { key: key.into(), value: value.into() };
    (start, vec![row("", "of the empty key"), row("key", "")])
}

pub fn snapshot_page() -> SnapshotPage {
    let packed = Bytes::copy_from_slice(&run(0x90));
    SnapshotPage { group: group(), number: 2, is_last: true, previous: run(0x01), content_bytes: 1000, packed }
}
