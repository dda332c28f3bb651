//! Every bound of storgo, each with its reason, and the relations that must hold between them.
//!
//! It knows numbers and nothing else. Whoever decodes, queues, retries or allocates for somebody outside names a
//! constant of this file, so that "how large can this get" is answered in one place.

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

// --- Chunks -------------------------------------------------------------------------------------

/// Plaintext bytes of one segment, the unit that is packed and sealed by itself: a range read opens whole segments.
pub const SEGMENT_BYTES: usize = 128 * KIB;

/// Plaintext bytes of the largest chunk. Bounds the memory that one chunk in flight can take at any peer.
pub const CHUNK_BYTES_MAX: usize = 16 * MIB;

/// Segments of the largest chunk.
pub const SEGMENTS_MAX: usize = CHUNK_BYTES_MAX / SEGMENT_BYTES;

/// Bytes that AES-GCM adds to a segment.
pub const TAG_BYTES: usize = 16;

/// The least step of the grid to which sealed lengths are padded.
pub const PADDING_GRID_BYTES_MIN: usize = 64;

/// Sealed bytes are padded to a multiple of their largest power of two divided by this: at most 0.8 % more.
pub const PADDING_GRID_DIVISOR: usize = 128;

/// Sealed bytes of the largest chunk: every segment stored as it is with its tag, and the padding.
pub const SEALED_BYTES_MAX: usize = CHUNK_BYTES_MAX + SEGMENTS_MAX * TAG_BYTES + CHUNK_BYTES_MAX / PADDING_GRID_DIVISOR;

/// Average length of content-defined chunks at the start of an object.
pub const CHUNK_AVERAGE_BYTES_MIN: usize = MIB;

/// Average length of content-defined chunks far into a large object.
pub const CHUNK_AVERAGE_BYTES_MAX: usize = 8 * MIB;

/// Offset after which the average chunk doubles, and after four times it doubles again, up to the greatest average.
pub const CHUNK_GROWTH_BYTES: u64 = 8 * 1024 * MIB as u64;

// --- Codes and shards ---------------------------------------------------------------------------

/// Shards of one stripe, data and parity together. A [`ShardSet`](crate::ShardSet) has one bit for each.
pub const STRIPE_SHARDS_MAX: usize = 32;

/// Bytes of the opaque code parameters in a stripe header: room for codes that are not known yet.
pub const CODE_PARAMETER_BYTES_MAX: usize = 64;

/// Payload bytes of the largest shard: with one data shard the shard is the whole sealed chunk.
pub const SHARD_BYTES_MAX: usize = SEALED_BYTES_MAX;

/// Bytes of an encoded stripe header: the shard list dominates.
pub const STRIPE_HEADER_BYTES_MAX: usize = 128 + CODE_PARAMETER_BYTES_MAX + STRIPE_SHARDS_MAX * 32;

/// Bytes below one node of the BLAKE3 tree that is verified at once: the granularity of verified range reads.
pub const VERIFY_GROUP_BYTES: usize = 16 * KIB;

/// Bytes that a verified range of a shard can take on the wire: the shard and one pair of hashes for each group.
pub const SLICE_BYTES_MAX: usize = SHARD_BYTES_MAX + SHARD_BYTES_MAX / VERIFY_GROUP_BYTES * 64 + KIB;

// --- Objects ------------------------------------------------------------------------------------

/// Bytes of a node: a root or a node of a layout. Nodes are stored whole, so they stay small.
pub const NODE_BYTES_MAX: usize = 64 * KIB;

/// Encoded bytes of one index node. Sealed, with the root's clear fields before it, the top still fits a root.
pub const INDEX_NODE_BYTES_MAX: usize = 56 * KIB;

/// Levels below the top of an index or a layout; four of fan-out 90 already hold more than 2⁶⁴ bytes of the largest
/// chunks in practice, so a deeper tree is an attack.
pub const TREE_DEPTH_MAX: usize = 4;

/// Bytes of one object.
pub const OBJECT_BYTES_MAX: u64 = 1 << 50;

/// Copies of the root and of each layout node.
pub const NODE_COPIES_MAX: usize = 32;

/// Objects below this are replicated rather than coded, unless a redundancy is asked for.
pub const EC_THRESHOLD_BYTES: u64 = MIB as u64;

/// Layout records of different owners that a peer keeps beside one root.
pub const LAYOUT_RECORDS_MAX: usize = 16;

// --- Tickets, grants ----------------------------------------------------------------------------

/// Peer addresses in a ticket: enough hints to survive some peers' absence, few enough for one line.
pub const TICKET_ADDRESSES_MAX: usize = 8;

/// Bytes of one binary multiaddr: QUIC through a relay with two peer ids needs about 110.
pub const ADDRESS_BYTES_MAX: usize = 160;

/// Characters of a printed ticket, before anything is decoded.
pub const TICKET_CHARS_MAX: usize = 4 * KIB;

/// Seconds that a grant may be valid for, so that a stolen one is soon worthless.
pub const GRANT_SECONDS_MAX: u64 = 24 * 60 * 60;

/// Seconds by which the clocks of a grant's signer and of the peer may differ.
pub const GRANT_SKEW_SECONDS_MAX: u64 = 15 * 60;

/// Verified grants that a node remembers, so that a signature is checked once and bytes are counted against it.
pub const GRANTS_REMEMBERED_MAX: usize = 4096;

/// Stripes and nodes of shown layouts that a node remembers for pushes under care tickets.
pub const SHOWN_IDS_MAX: usize = 1 << 18;

// --- Messages between peers ---------------------------------------------------------------------

/// Bytes of a message head, everything but the payload.
pub const FRAME_HEAD_BYTES_MAX: usize = 64 * KIB;

/// Bytes of a message payload.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = SLICE_BYTES_MAX;

/// Stripes or nodes named in one `has` or `offer`.
pub const IDS_PER_MESSAGE_MAX: usize = 512;

/// Peers named in one answer to `hello`.
pub const HELLO_PEERS_MAX: usize = 64;

/// Addresses of one peer that are told or remembered.
pub const PEER_ADDRESSES_MAX: usize = 8;

/// Characters of a zone's name.
pub const ZONE_CHARS_MAX: usize = 64;

/// Characters of a version string such as `storgo/0.1.0`.
pub const AGENT_CHARS_MAX: usize = 64;

/// Characters of a refusal's explanation.
pub const REASON_CHARS_MAX: usize = 256;

/// Peers in the peer table; beyond it the longest unseen go first.
pub const PEER_TABLE_MAX: usize = 4096;

/// Data directories of one node.
pub const DISKS_MAX: usize = 64;

const _: () = {
    assert!(CHUNK_BYTES_MAX.is_multiple_of(SEGMENT_BYTES));
    assert!(CHUNK_AVERAGE_BYTES_MAX * 2 <= CHUNK_BYTES_MAX);
    assert!(SHARD_BYTES_MAX <= FRAME_PAYLOAD_BYTES_MAX);
    assert!(STRIPE_HEADER_BYTES_MAX * 2 <= FRAME_HEAD_BYTES_MAX);
    assert!(IDS_PER_MESSAGE_MAX * 34 * 2 <= FRAME_HEAD_BYTES_MAX);
    assert!(INDEX_NODE_BYTES_MAX + TAG_BYTES + KIB <= NODE_BYTES_MAX);
    assert!(INDEX_NODE_BYTES_MAX <= SEGMENT_BYTES);
    assert!(SEALED_BYTES_MAX < u32::MAX as usize);
    assert!(STRIPE_SHARDS_MAX <= u32::BITS as usize);
    assert!(HELLO_PEERS_MAX * (PEER_ADDRESSES_MAX * ADDRESS_BYTES_MAX) / 2 <= FRAME_HEAD_BYTES_MAX);
};
