//! What operations tell about what they did: plain values for people and for `--json`.

use storgo_protocol::{CareTicket, Code, PeerId, ShardSet, Ticket};

/// How widely an object stands: shards on domains, and what it survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    /// Shards of the narrowest stripe.
    pub shards: usize,
    /// Distinct domains that hold them.
    pub domains: usize,
    /// What the domains are.
    pub kind: DomainKind,
    /// How many of those may be lost, whichever they are, before a chunk or node is.
    pub survives: usize,
}

/// What fails together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DomainKind {
    /// A data directory: one peer holds everything, and its loss is the loss of all.
    Disk,
    /// A peer with all its disks.
    Peer,
}

/// Who holds which shards of one stripe.
#[derive(Debug, Clone)]
pub struct StripePlaces {
    /// Whether it codes a node of the index, rather than a chunk of the object's bytes.
    pub is_index_node: bool,
    /// Shards by peer, peers in the order of their ids.
    pub held: Vec<(PeerId, ShardSet)>,
}

/// What `put` did.
#[derive(Debug, Clone)]
pub struct PutReport {
    /// Opens the object.
    pub ticket: Ticket,
    /// Cares for it, if one was asked for.
    pub care: Option<CareTicket>,
    /// Bytes read.
    pub bytes: u64,
    /// Chunks, index nodes not counted.
    pub chunks: u64,
    /// Chunks that stood in the object before.
    pub duplicates: u64,
    /// Shards that peers had already.
    pub shards_present: u64,
    /// Shards that were pushed.
    pub shards_pushed: u64,
    /// Payload bytes pushed.
    pub bytes_pushed: u64,
    /// The code.
    pub code: Code,
    /// How widely it stands.
    pub width: Width,
    /// Where each stripe went: extents in order, then index nodes.
    pub places: Vec<StripePlaces>,
    /// Peers that failed on the way.
    pub lost_peers: Vec<PeerId>,
}

/// What `get` did.
#[derive(Debug, Clone, Default)]
pub struct GetReport {
    /// Bytes of the object.
    pub size: u64,
    /// Bytes delivered.
    pub bytes: u64,
    /// Chunks read.
    pub chunks: u64,
    /// Of those, chunks for which a data shard was missing or wrong.
    pub chunks_decoded: u64,
    /// Chunks that were there from an earlier, interrupted run.
    pub chunks_resumed: u64,
    /// Shards that came and did not verify, that a peer found damaged, or that it claimed and could not give.
    pub shards_bad: u64,
    /// Bytes of shards that came for the object's bytes, proofs of ranges included.
    pub bytes_pulled: u64,
    /// Bytes of the root, the layout and the index that came since the object was opened.
    pub bytes_of_nodes: u64,
    /// Peers that gave wrong bytes, or said what is not so.
    pub peers_caught: Vec<PeerId>,
}

impl GetReport {
    /// Adds what another get of the same object did.
    pub fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.chunks += other.chunks;
        self.chunks_decoded += other.chunks_decoded;
        self.chunks_resumed += other.chunks_resumed;
        self.shards_bad += other.shards_bad;
        self.bytes_pulled += other.bytes_pulled;
    }
}

/// What `stat` found.
#[derive(Debug, Clone)]
pub struct StatReport {
    /// Bytes of the object.
    pub size: u64,
    /// Extents.
    pub extents: u64,
    /// Index nodes below the root.
    pub index_nodes: u64,
    /// The code.
    pub code: Code,
    /// How widely it stands now.
    pub width: Width,
    /// Stripes that lack a shard but can be rebuilt.
    pub stripes_degraded: u64,
    /// Stripes of which fewer than k shards are within reach.
    pub stripes_lost: u64,
    /// Who holds what: extents in order, then index nodes.
    pub places: Vec<StripePlaces>,
    /// Copies of the root, and of the scarcest layout node.
    pub root_copies: usize,
    /// Copies of the layout node with the fewest.
    pub layout_copies: usize,
    /// Copies of each that there should be.
    pub node_copies: usize,
    /// Peers that answered.
    pub peers: usize,
}

/// What `repair` did.
#[derive(Debug, Clone)]
pub struct RepairReport {
    /// Stripes looked at.
    pub stripes: u64,
    /// How widely it stood before.
    pub before: Width,
    /// How widely it stands now.
    pub after: Width,
    /// Shards that were missing or damaged.
    pub shards_missing: u64,
    /// Shards written.
    pub shards_written: u64,
    /// Copies of root and layout nodes written.
    pub nodes_written: u64,
    /// Payload bytes pulled to rebuild from.
    pub bytes_pulled: u64,
    /// Payload bytes pushed.
    pub bytes_pushed: u64,
    /// Stripes that could not be repaired.
    pub stripes_lost: u64,
    /// The first of those, with what is missing.
    pub lost: Vec<String>,
}
