//! Every file that a node keeps decays, byte by byte and whole: it is noticed, nothing wrong is given, and what is lost
//! can be put again.
//!
//! `STORGO_FLIP_VALUES` (1 to 255, here 1) says how many changes of each byte of the small files are tried, each with a
//! start of its own; `STORGO_FLIPS` (here 2,000) how many random changes of a large one. `just decay` takes all.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use storgo_object::ports::{Scrutiny, ShardStore as _, StoreError};
use storgo_protocol::{LayoutRecord, NodeId};

use super::rig::{Stripe, lease, record, simulated};
use crate::Store;
use crate::disk::Disk as _;
use crate::disk::sim::SimDisk;
use crate::item::Item;
use crate::read::{self, Fault};

/// One file of each class, small.
struct World {
    disk: SimDisk,
    stripe: Stripe,
    node: NodeId,
    bytes: Bytes,
    record: LayoutRecord,
}

impl World {
    async fn new() -> Self {
        let (disk, bytes) = (SimDisk::new(), Bytes::from_static(b"the root of an object"));
        let node = NodeId::of(&bytes);
        let world = Self { disk, stripe: Stripe::new(1, "replicate:2", 90), node, bytes, record: record(node, 9, 4) };
        let store = simulated(&world.disk, 1).await.unwrap();
        world.put(&store).await.unwrap();
        store.close().await.unwrap();
        world
    }

    async fn put(&self, store: &Store) -> Result<(), StoreError> {
        self.stripe.push(store, 0, 1).await?;
        self.stripe.push(store, 1, 2).await?;
        store.push_node(self.node, self.bytes.clone(), 1, true, &lease(1)).await?;
        store.push_record(&self.record, &lease(1)).await
    }

    /// All files of the node.
    fn files(&self) -> Vec<PathBuf> {
        let (mut open, mut files) = (vec![PathBuf::from("/disk0"), PathBuf::from("/index")], Vec::new());
        while let Some(path) = open.pop() {
            match self.disk.list(&path) {
                Ok(names) => open.extend(names.iter().map(|name| path.join(name))),
                Err(_) => files.push(path),
            }
        }
        files.sort();
        files
    }

    /// The item whose file this is; none for the store's own.
    fn item(&self, path: &Path) -> Option<Item> {
        let shards = [0, 1].map(|index| Item::Shard(self.stripe.address(index)));
        let items = [shards[0], shards[1], Item::Node(self.node), Item::Records(self.node), Item::Mark(self.node)];
        items.into_iter().find(|item| Path::new("/disk0").join(item.path()) == path)
    }

    /// Nothing is given but what was put; gives whether all of it is, as a verified look finds it.
    async fn check(&self, store: &Store) -> bool {
        let held = store.has(&[self.stripe.header.id()], &[self.node], Scrutiny::Verified).await.unwrap();
        let mut whole = held.shards[0].len() == 2 && held.nodes == [1];
        for index in 0..2 {
            whole &= self.stripe.is_given(store, index).await;
        }
        match store.pull_node(self.node).await {
            Ok(bytes) => assert_eq!(bytes, self.bytes),
            Err(error) => {
                assert!(matches!(error, StoreError::NotFound | StoreError::Corrupt { .. }), "{error:?}");
                whole = false;
            }
        }
        let records = store.pull_records(self.record.content).await.unwrap();
        assert!(records.is_empty() || records == [self.record.clone()]);
        whole && records.len() == 1
    }

    /// Starts over a file that was changed: it is noticed, by a check or by a start that refuses it, and mended.
    async fn survive(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>), what: &str) {
        let world = Self { disk: self.disk.fork(), ..self.parts() };
        world.disk.tamper(path, change).unwrap();
        let what = format!("{} {what}", path.display());
        let store = match simulated(&world.disk, 1).await {
            Ok(store) => store,
            Err(error) => {
                // Only what says whose disk it is, and in which format, may keep it from being used, and says so.
                let named = ["/disk0/disk", "/disk0/leases"].contains(&path.to_str().unwrap());
                assert!(named && error.to_string().contains("/disk0"), "{what}: {error}");
                return;
            }
        };
        let whole = world.check(&store).await;
        // A mark says what it says by being there; the log costs leases, the memory and the sign of a clean stop a look.
        let aside = match self.item(path) {
            None | Some(Item::Mark(_)) => false,
            // They stay for the sake of the good ones among them, and are written anew by the next push.
            Some(item @ Item::Records(_)) => {
                assert!(matches!(read::verify(&world.disk, Path::new("/disk0"), item), Err(Fault::Damaged)), "{what}");
                false
            }
            Some(Item::Shard(_) | Item::Node(_)) => true,
        };
        assert!(!(whole && aside), "{what}");
        assert_eq!(store.status().disks[0].quarantined, u64::from(aside), "{what}");
        world.put(&store).await.unwrap();
        assert!(world.check(&store).await, "{what}: it can be put again");
        assert_eq!(store.published(None, 9).await.unwrap(), [self.node], "{what}");
        let leases = store.core.catalog.summarize().unwrap().tallies.values().map(|tally| tally.leases).sum::<u64>();
        assert_eq!(leases, 4, "{what}");
    }

    fn parts(&self) -> Self {
        let (disk, stripe) = (self.disk.clone(), Stripe::new(1, "replicate:2", 90));
        Self { disk, stripe, node: self.node, bytes: self.bytes.clone(), record: self.record.clone() }
    }
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

#[tokio::test]
async fn every_byte_of_every_small_file_may_change() {
    let world = World::new().await;
    let values = setting("STORGO_FLIP_VALUES", 1);
    let files = world.files();
    let names: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
    println!("{names:#?}");
    assert_eq!(files.len(), 9, "shards, node, records, mark, log, id, memory, sign: {names:?}");
    let mut tried = 0;
    for path in &files {
        for at in 0..world.disk.contents(path).unwrap().len() {
            for n in 0..values {
                // One value is one bit, another for each byte; all are all.
                let by = if values == 1 { 1 << (at % 8) } else { u8::try_from(n + 1).unwrap() };
                world.survive(path, |bytes| bytes[at] ^= by, &format!("byte {at} by {by:#04x}")).await;
                tried += 1;
            }
        }
    }
    println!("{tried} changes");
    assert!(tried > 900, "{tried}");
}

#[tokio::test]
async fn every_small_file_may_be_cut_at_any_length() {
    let world = World::new().await;
    for path in world.files() {
        // An empty mark is one, and a log may end anywhere.
        for bytes in 0..world.disk.contents(&path).unwrap().len() {
            world.survive(&path, |content| content.truncate(bytes), &format!("cut to {bytes}")).await;
        }
    }
}

/// Bits, pages and ends of a shard as large as they are.
#[tokio::test]
async fn a_large_shard_may_change_anywhere() {
    let (disk, seed) = (SimDisk::new(), setting("STORGO_SEED", rand::random()));
    println!("STORGO_SEED={seed}");
    let store = simulated(&disk, 1).await.unwrap();
    let stripe = Stripe::new(2, "replicate:1", 1_000_000);
    stripe.push_all(&store, 1).await;
    let (root, item) = (Path::new("/disk0"), Item::Shard(stripe.address(0)));
    let path = root.join(item.path());
    let whole = disk.contents(&path).unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut noticed = 0;
    let flips = setting("STORGO_FLIPS", 2000);
    for n in 0..flips {
        let (at, by) = (rng.random_range(0..whole.len()), rng.random_range(1..=u8::MAX));
        disk.tamper(&path, |bytes| bytes[at] ^= by).unwrap();
        let verified = read::verify(&disk, root, item);
        noticed += u64::from(matches!(verified, Err(Fault::Damaged)));
        match read::shard(&disk, root, stripe.address(0)) {
            Ok((_, payload)) => assert!(payload == stripe.shards[0], "byte {at} by {by:#04x}"),
            Err(fault) => assert!(matches!(fault, Fault::Damaged), "{fault:?}"),
        }
        if n % 500 == 0 {
            let held = store.has(&[stripe.header.id()], &[], Scrutiny::Verified).await.unwrap();
            assert_eq!(held.shards[0].len(), 0);
            stripe.push_all(&store, 1).await;
            assert!(stripe.is_given(&store, 0).await);
        } else {
            disk.tamper(&path, |bytes| bytes[at] ^= by).unwrap();
        }
    }
    println!("{noticed} of {flips} changes were noticed");
    assert_eq!(noticed, flips);

    for page in (0..whole.len()).step_by(4096) {
        let end = whole.len().min(page + 4096);
        disk.tamper(&path, |bytes| bytes[page..end].fill(0)).unwrap();
        assert!(matches!(read::verify(&disk, root, item), Err(Fault::Damaged)), "page at {page}");
        let given = read::shard(&disk, root, stripe.address(0));
        assert!(given.is_err() || page + 4096 <= whole.len() - 1_000_000, "page at {page}");
        disk.tamper(&path, |bytes| bytes[page..end].copy_from_slice(&whole[page..end])).unwrap();
    }
    assert!(stripe.is_given(&store, 0).await);
}

#[tokio::test]
async fn shards_that_change_places_are_nobodys() {
    let disk = SimDisk::new();
    let store = simulated(&disk, 1).await.unwrap();
    let stripes = [Stripe::new(1, "erasure:2+1", 5000), Stripe::new(2, "erasure:2+1", 5000)];
    for stripe in &stripes {
        stripe.push_all(&store, 1).await;
    }
    store.close().await.unwrap();
    let path = |stripe: usize, index| Path::new("/disk0").join(Item::Shard(stripes[stripe].address(index)).path());
    for (one, other) in [((0, 0), (0, 1)), ((0, 0), (1, 0)), ((0, 1), (1, 2))] {
        let disk = disk.fork();
        let (a, b) = (path(one.0, one.1), path(other.0, other.1));
        let (left, right) = (disk.contents(&a).unwrap(), disk.contents(&b).unwrap());
        disk.tamper(&a, |bytes| *bytes = right).unwrap();
        disk.tamper(&b, |bytes| *bytes = left).unwrap();
        let store = simulated(&disk, 1).await.unwrap();
        assert_eq!(store.status().disks[0].quarantined, 2);
        for (stripe, index) in [one, other] {
            assert!(!stripes[stripe].is_given(&store, index).await);
            stripes[stripe].push(&store, index, 1).await.unwrap();
            assert!(stripes[stripe].is_given(&store, index).await);
        }
    }
}

/// What changes in place is the lease log and the layout records; older ones of both are what they were then.
#[tokio::test]
async fn an_old_version_of_a_file_costs_only_what_came_since() {
    let disk = SimDisk::new();
    let store = simulated(&disk, 2).await.unwrap();
    let (node, bytes, first) = super::rig::root(9, 1);
    store.push_node(node, bytes, 2, false, &lease(1)).await.unwrap();
    store.push_record(&first, &lease(1)).await.unwrap();
    let old = [Path::new("/disk0/leases").to_owned(), Path::new("/disk0").join(Item::Records(node).path())];
    let kept = old.clone().map(|path| disk.contents(&path).unwrap());
    let stripe = Stripe::new(1, "erasure:2+2", 700);
    stripe.push_all(&store, 1).await;
    store.push_record(&record(node, 9, 2), &lease(1)).await.unwrap();
    store.close().await.unwrap();
    for (path, content) in old.iter().zip(kept) {
        disk.tamper(path, |bytes| *bytes = content).unwrap();
    }
    let store = simulated(&disk, 2).await.unwrap();
    assert_eq!(store.pull_records(first.content).await.unwrap()[0].number, 2, "the other disk has the newer one");
    for index in 0..4 {
        assert!(stripe.is_given(&store, index).await);
    }
    // The next push renews what was lost.
    stripe.push_all(&store, 1).await;
    let leases = store.core.catalog.summarize().unwrap().tallies.values().map(|tally| tally.leases).sum::<u64>();
    assert_eq!(leases, 4 + 2 + 2);
}
