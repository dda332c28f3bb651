//! What the tests put into a store, and how they start one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use storgo_object::ports::{Lease, Random, ShardStore as _, StoreError};
use storgo_protocol::message::PushedShard;
use storgo_protocol::{
    ChunkId, Code, ContentId, Identity, LayoutId, LayoutRecord, NodeId, PeerId, ShardAddress, ShardId, ShardIndex,
    StripeHeader,
};

use crate::disk::sim::SimDisk;
use crate::{Store, StoreConfig};

#[derive(Debug)]
struct Seeded(Mutex<StdRng>);

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill_bytes(bytes);
    }
}

static STARTS: AtomicU64 = AtomicU64::new(1);

/// Randomness that a seed decides.
pub(crate) fn random(seed: u64) -> Arc<dyn Random> {
    Arc::new(Seeded(Mutex::new(StdRng::seed_from_u64(seed))))
}

pub(super) fn config(root: &Path, disks: usize) -> StoreConfig {
    StoreConfig {
        index: root.join("index"),
        disks: (0..disks).map(|n| root.join(format!("disk{n}"))).collect(),
        capacity_bytes: None,
        quota_per_user_bytes: None,
    }
}

/// What a directory that another store uses is refused with.
pub(super) const IN_USE: &str = "another node uses this data directory";

pub(super) async fn open(config: &StoreConfig) -> Result<Arc<Store>, StoreError> {
    // A store that was dropped rather than closed lets go of its disks when its writers have noticed.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while config.disks.iter().any(|disk| is_in_use(disk)) && std::time::Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    // Each start draws other ids, as the system's generator would.
    Store::open(config.clone(), random(STARTS.fetch_add(1, Ordering::Relaxed))).await
}

fn is_in_use(disk: &Path) -> bool {
    std::fs::File::open(disk.join("disk")).is_ok_and(|file| file.try_lock().is_err())
}

pub(super) async fn simulated(disk: &SimDisk, disks: usize) -> Result<Arc<Store>, StoreError> {
    Store::open_simulated(config(Path::new("/"), disks), Arc::new(disk.clone()), random(1)).await
}

pub(super) fn lease(owner: u8) -> Lease {
    Lease { owner: PeerId::from_bytes([owner; 32]), nonce: [owner; 16], expiry: 1_000_000 }
}

/// A stripe of random shards; the store does not look whether they fit one another.
pub(super) struct Stripe {
    pub(super) header: StripeHeader,
    pub(super) shards: Vec<Bytes>,
}

impl Stripe {
    pub(super) fn new(seed: u64, code: &str, shard_bytes: usize) -> Self {
        let code: Code = code.parse().unwrap();
        let mut rng = StdRng::seed_from_u64(seed);
        let shards: Vec<Bytes> = (0..code.total())
            .map(|_| {
                let mut shard = vec![0; shard_bytes];
                rng.fill_bytes(&mut shard);
                shard.into()
            })
            .collect();
        let ids: Vec<_> = shards.iter().map(|shard| ShardId::from_bytes(*blake3::hash(shard).as_bytes())).collect();
        let chunk = ChunkId::from_bytes(*blake3::hash(&seed.to_le_bytes()).as_bytes());
        Self { header: StripeHeader::new(chunk, shard_bytes * code.data(), code, &ids).unwrap(), shards }
    }

    pub(super) fn address(&self, index: usize) -> ShardAddress {
        ShardAddress { stripe: self.header.id(), index: ShardIndex::new(index).unwrap() }
    }

    pub(super) async fn push(&self, store: &Store, index: usize, owner: u8) -> Result<(), StoreError> {
        let index = self.address(index).index;
        let shard = PushedShard { header: self.header.clone(), index, payload: self.shards[index.get()].clone() };
        store.push(vec![shard], &lease(owner)).await
    }

    pub(super) async fn push_all(&self, store: &Store, owner: u8) {
        for index in 0..self.shards.len() {
            self.push(store, index, owner).await.unwrap();
        }
    }

    /// Whether the shard is given; panics if anything but the shard or a clean refusal comes.
    pub(super) async fn is_given(&self, store: &Store, index: usize) -> bool {
        match store.pull(self.address(index)).await {
            Ok((header, payload)) => {
                assert_eq!((header.id(), &payload), (self.header.id(), &self.shards[index]), "shard {index}");
                true
            }
            Err(StoreError::NotFound) => false,
            Err(error) => panic!("shard {index}: {error:?}"),
        }
    }
}

/// A root and a layout record beside it.
pub(super) fn root(seed: u8, number: u64) -> (NodeId, Bytes, LayoutRecord) {
    let bytes = Bytes::from(vec![seed; 3000]);
    let node = NodeId::of(&bytes);
    (node, bytes, record(node, seed, number))
}

pub(super) fn record(node: NodeId, owner: u8, number: u64) -> LayoutRecord {
    let content = ContentId::from_bytes(*node.as_bytes());
    let layout = LayoutId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes());
    LayoutRecord::sign(&Identity::from_seed(&[owner; 32]), content, layout, number)
}
