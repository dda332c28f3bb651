//! A node's disks as the engine sees them.

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use storgo_protocol::message::PushedShard;
use storgo_protocol::{ContentId, LayoutRecord, NodeId, PeerId, ShardAddress, ShardSet, StripeHeader, StripeId};

/// In whose name something is kept, and until when that was promised. Written durably with what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who answers for it, and against whose quota it counts.
    pub owner: PeerId,
    /// The grant under which it was written.
    pub nonce: [u8; 16],
    /// Seconds since 1970 when the grant ends.
    pub expiry: u64,
}

/// How closely [`ShardStore::has`] looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scrutiny {
    /// The index says so.
    Indexed,
    /// The bytes were read and their hashes compared; what fails is quarantined and not held.
    Verified,
}

/// What is held of what was asked, in the order of the question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    /// The shards of each stripe.
    pub shards: Vec<ShardSet>,
    /// The copies of each node.
    pub nodes: Vec<u32>,
}

/// Shards, nodes and layout records on this node's disks. Whatever returns `Ok` from a push is durable, with its
/// lease; whatever a pull gives was verified on the way.
#[async_trait]
pub trait ShardStore: Send + Sync + fmt::Debug {
    /// Says what is held.
    async fn has(&self, stripes: &[StripeId], nodes: &[NodeId], scrutiny: Scrutiny) -> Result<Holdings, StoreError>;

    /// Writes leases for those of `shards` that are held; says for each whether it is.
    async fn renew(&self, shards: &[ShardAddress], lease: &Lease) -> Result<Vec<bool>, StoreError>;

    /// Keeps shards, after comparing each with its header. After an error any part of them may be kept.
    async fn push(&self, shards: Vec<PushedShard>, lease: &Lease) -> Result<(), StoreError>;

    /// Gives a whole shard.
    async fn pull(&self, shard: ShardAddress) -> Result<(StripeHeader, Bytes), StoreError>;

    /// Gives `bytes` bytes of a shard from `first` on, as a bao slice in groups of
    /// [`VERIFY_GROUP_BYTES`](storgo_protocol::limits::VERIFY_GROUP_BYTES) that verifies against the shard's id.
    async fn pull_range(
        &self,
        shard: ShardAddress,
        first: u32,
        bytes: u32,
    ) -> Result<(StripeHeader, Bytes), StoreError>;

    /// Keeps a node on `copies` distinct disks (as far as there are), after comparing it with its id; `publish` marks
    /// it for the DHT and is never taken back by a push without it.
    async fn push_node(
        &self,
        node: NodeId,
        payload: Bytes,
        copies: u8,
        publish: bool,
        lease: &Lease,
    ) -> Result<(), StoreError>;

    /// Gives a node.
    async fn pull_node(&self, node: NodeId) -> Result<Bytes, StoreError>;

    /// Keeps a layout record beside its root, which must be held; of each owner the highest number stays.
    async fn push_record(&self, record: &LayoutRecord, lease: &Lease) -> Result<(), StoreError>;

    /// Gives the layout records beside a root.
    async fn pull_records(&self, content: ContentId) -> Result<Vec<LayoutRecord>, StoreError>;

    /// The nodes marked for the DHT in ascending order, at most `max` after `after`.
    async fn published(&self, after: Option<NodeId>, max: usize) -> Result<Vec<NodeId>, StoreError>;

    /// How full and how well the disks are.
    fn status(&self) -> StoreStatus;
}

/// All disks of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreStatus {
    /// Each data directory.
    pub disks: Vec<DiskStatus>,
}

impl StoreStatus {
    /// Bytes that the disks in use offer in all.
    #[must_use]
    pub fn capacity_bytes(&self) -> u64 {
        self.usable().map(|disk| disk.capacity_bytes).sum()
    }

    /// Bytes that the disks in use can still take.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.usable().map(|disk| disk.capacity_bytes.saturating_sub(disk.used_bytes)).sum()
    }

    /// The disks in use.
    pub fn usable(&self) -> impl Iterator<Item = &DiskStatus> {
        self.disks.iter().filter(|disk| disk.state == DiskState::Good)
    }
}

/// One data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskStatus {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is used.
    pub state: DiskState,
    /// Bytes that may be used there.
    pub capacity_bytes: u64,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Shards kept.
    pub shards: u64,
    /// Nodes kept.
    pub nodes: u64,
    /// Shards and nodes set aside as damaged.
    pub quarantined: u64,
}

/// Whether a disk is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskState {
    /// It is.
    Good,
    /// It does not answer in time, as said: it is read, and gets nothing new unless all are so.
    Slow(String),
    /// It failed in this way, and is neither read nor written until the node starts again.
    Fenced(String),
}

/// Why the disks did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It is not held.
    #[error("not held here")]
    NotFound,
    /// What is held failed its check, and was set aside.
    #[error("{what} was damaged and has been quarantined")]
    Corrupt {
        /// What it was.
        what: String,
    },
    /// The disks have no room left.
    #[error("no space left: {needed} bytes needed, {free} free")]
    NoSpace {
        /// Bytes asked for.
        needed: u64,
        /// Bytes free on the emptiest disk.
        free: u64,
    },
    /// The owner has used up what one user may.
    #[error("the quota of {quota} bytes per user is used up")]
    Quota {
        /// The quota.
        quota: u64,
    },
    /// What was pushed is not what its id says, or the range is outside the shard.
    #[error("{what} does not match what was announced")]
    Mismatch {
        /// What it was.
        what: &'static str,
    },
    /// The disk failed.
    #[error("{what} failed on {disk}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// Where.
        disk: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No disk is in use, or the store is stopped.
    #[error("the store is not available: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
}
