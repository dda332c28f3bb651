//! The store on real directories.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use storgo_object::ports::{DiskState, Lease, Scrutiny, ShardStore as _, StoreError};
use storgo_protocol::limits::LAYOUT_RECORDS_MAX;
use storgo_protocol::slice::decode_slice;
use storgo_protocol::{ContentId, NodeId, ShardSet};

use super::rig::{Stripe, config, lease, open, record, root};
use crate::Store;
use crate::item::Item;

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

fn holds(disk: &Path, item: Item) -> bool {
    disk.join(item.path()).try_exists().unwrap()
}

#[tokio::test]
async fn what_was_pushed_is_pulled_whole_and_in_ranges() {
    let dir = temp();
    let store = open(&config(dir.path(), 2)).await.unwrap();
    for (seed, bytes) in [(1, 1_u32), (2, 16_384), (3, 16_385), (4, 300_000)] {
        let stripe = Stripe::new(seed, "erasure:2+1", bytes as usize);
        stripe.push_all(&store, 1).await;
        assert!(stripe.is_given(&store, 2).await);
        let (first, count) = (bytes / 2, bytes / 3 + u32::from(bytes == 1));
        let (header, slice) = store.pull_range(stripe.address(1), first, count).await.unwrap();
        let id = header.shard(stripe.address(1).index).unwrap();
        let range = first as usize..(first + count) as usize;
        let opened = decode_slice(id, header.shard_bytes(), &range, &slice).unwrap();
        assert_eq!(opened, stripe.shards[1].slice(range));
        let outside = store.pull_range(stripe.address(1), first, bytes + 1).await;
        assert!(matches!(outside, Err(StoreError::Mismatch { .. })), "{outside:?}");
    }
    let nothing = store.pull(Stripe::new(9, "erasure:2+1", 5).address(0)).await;
    assert!(matches!(nothing, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn what_is_not_what_it_says_is_refused() {
    let dir = temp();
    let store = open(&config(dir.path(), 1)).await.unwrap();
    let stripe = Stripe::new(1, "erasure:2+1", 1000);
    let at = |index| stripe.address(index).index;
    for (index, payload) in [(0, stripe.shards[1].clone()), (1, Bytes::new()), (3, stripe.shards[1].clone())] {
        let refused = store.push(&stripe.header, at(index), payload, &lease(1)).await;
        assert!(matches!(refused, Err(StoreError::Mismatch { .. })), "{refused:?}");
    }
    // Nor is it taken for what is there already.
    stripe.push(&store, 0, 1).await.unwrap();
    let refused = store.push(&stripe.header, at(0), stripe.shards[1].clone(), &lease(1)).await;
    assert!(matches!(refused, Err(StoreError::Mismatch { .. })), "{refused:?}");
    let refused = store.push_node(NodeId::of(b"a"), Bytes::from_static(b"b"), 1, false, &lease(1)).await;
    assert!(matches!(refused, Err(StoreError::Mismatch { .. })), "{refused:?}");
    assert_eq!((store.status().disks[0].shards, store.status().disks[0].nodes), (1, 0));
}

#[tokio::test]
async fn any_two_of_six_directories_may_go_while_the_store_runs() {
    let dir = temp();
    let config = config(dir.path(), 6);
    let store = open(&config).await.unwrap();
    let stripe = Stripe::new(1, "erasure:4+2", 50_000);
    let (node, bytes, first) = root(1, 1);
    stripe.push_all(&store, 1).await;
    store.push_node(node, bytes.clone(), 3, true, &lease(1)).await.unwrap();
    store.push_record(&first, &lease(1)).await.unwrap();
    for disk in &config.disks {
        let shards = (0..6).filter(|&index| holds(disk, Item::Shard(stripe.address(index)))).count();
        assert_eq!(shards, 1, "{}", disk.display());
    }
    assert_eq!(config.disks.iter().filter(|disk| holds(disk, Item::Node(node))).count(), 3);

    fs::remove_dir_all(&config.disks[1]).unwrap();
    fs::remove_dir_all(&config.disks[4]).unwrap();
    let held = store.has(&[stripe.header.id()], &[node], Scrutiny::Verified).await.unwrap();
    assert_eq!(held.shards[0].len(), 4);
    assert!(held.nodes[0] >= 1);
    assert_eq!(store.pull_node(node).await.unwrap(), bytes);
    assert_eq!(store.pull_records(first.content).await.unwrap(), [first]);
    // What is lost is put again, on disks that are there.
    stripe.push_all(&store, 1).await;
    for index in 0..6 {
        assert!(stripe.is_given(&store, index).await, "shard {index}");
    }
    let fenced = store.status().disks.iter().filter(|disk| disk.state != DiskState::Good).count();
    assert_eq!(fenced, 2);
}

#[tokio::test]
async fn a_clean_stop_keeps_the_index_and_an_unclean_one_rebuilds_it() {
    let dir = temp();
    let config = config(dir.path(), 3);
    let stripe = Stripe::new(1, "erasure:2+1", 20_000);
    let (node, bytes, first) = root(1, 1);
    let store = open(&config).await.unwrap();
    stripe.push_all(&store, 1).await;
    store.push_node(node, bytes.clone(), 2, true, &lease(2)).await.unwrap();
    store.push_record(&first, &lease(2)).await.unwrap();
    let status = store.status();
    store.close().await.unwrap();
    assert!(matches!(stripe.push(&store, 0, 3).await, Err(StoreError::Unavailable { .. })));
    assert!(dir.path().join("index/clean").try_exists().unwrap());
    drop(store);

    for clean in [true, false] {
        let mut store = open(&config).await.unwrap();
        if !clean {
            // As a killed node leaves it: no sign of a clean stop.
            drop(store);
            store = open(&config).await.unwrap();
        }
        assert!(!dir.path().join("index/clean").try_exists().unwrap());
        let used = |status: &storgo_object::ports::StoreStatus| {
            status.disks.iter().map(|disk| (disk.used_bytes, disk.shards, disk.nodes)).collect::<Vec<_>>()
        };
        assert_eq!(used(&store.status()), used(&status));
        assert_eq!(store.core.catalog.summarize().unwrap().owners[&lease(1).owner], 3 * 20_000 + status_head(&stripe));
        let held = store.has(&[stripe.header.id()], &[node], Scrutiny::Verified).await.unwrap();
        assert_eq!((held.shards[0], held.nodes[0]), (ShardSet::first(3), 2));
        assert_eq!(store.pull_records(first.content).await.unwrap(), std::slice::from_ref(&first));
        assert_eq!(store.published(None, 9).await.unwrap(), [node]);
        store.close().await.unwrap();
    }
}

/// Bytes of the three shard files besides their payloads.
fn status_head(stripe: &Stripe) -> u64 {
    let head = storgo_protocol::ShardFileHead::new(stripe.header.clone(), stripe.address(0).index).unwrap();
    3 * (head.file_bytes() - head.payload_bytes() as u64)
}

#[tokio::test]
async fn a_damaged_index_is_rebuilt() {
    let dir = temp();
    let config = config(dir.path(), 1);
    let stripe = Stripe::new(1, "replicate:2", 5000);
    let store = open(&config).await.unwrap();
    stripe.push_all(&store, 1).await;
    store.close().await.unwrap();
    drop(store);
    fs::remove_dir_all(dir.path().join("index/sled")).unwrap();
    let store = open(&config).await.unwrap();
    assert!(stripe.is_given(&store, 0).await && stripe.is_given(&store, 1).await);
    store.close().await.unwrap();
    drop(store);
    let db = dir.path().join("index/sled/db");
    let bytes = fs::metadata(&db).unwrap().len();
    fs::OpenOptions::new().write(true).open(&db).unwrap().set_len(bytes / 2).unwrap();
    let store = open(&config).await.unwrap();
    assert!(stripe.is_given(&store, 0).await && stripe.is_given(&store, 1).await);
}

#[tokio::test]
async fn directories_move_and_go_while_the_store_is_stopped() {
    let dir = temp();
    let mut config = config(dir.path(), 3);
    let stripe = Stripe::new(1, "erasure:2+1", 5000);
    let store = open(&config).await.unwrap();
    stripe.push_all(&store, 1).await;
    store.close().await.unwrap();
    drop(store);

    let moved = dir.path().join("elsewhere");
    fs::rename(&config.disks[0], &moved).unwrap();
    config.disks = vec![config.disks[2].clone(), moved, config.disks[1].clone()];
    let store = open(&config).await.unwrap();
    let held = store.has(&[stripe.header.id()], &[], Scrutiny::Verified).await.unwrap();
    assert_eq!(held.shards[0].len(), 3);
    store.close().await.unwrap();
    drop(store);

    fs::remove_dir_all(&config.disks[1]).unwrap();
    fs::remove_file(config.index.join("disks")).unwrap();
    let store = open(&config).await.unwrap();
    let held = store.has(&[stripe.header.id()], &[], Scrutiny::Indexed).await.unwrap();
    assert_eq!(held.shards[0].len(), 2);
    stripe.push_all(&store, 1).await;
    assert_eq!(store.status().disks[1].shards, 1);
}

/// What is pushed into the directory below a mount point is hidden once the disk is mounted again.
#[tokio::test]
async fn a_mount_point_without_its_disk_is_not_taken_for_a_new_disk() {
    let dir = temp();
    let config = config(dir.path(), 2);
    let stripe = Stripe::new(1, "erasure:3+1", 5000);
    let store = open(&config).await.unwrap();
    stripe.push_all(&store, 1).await;
    store.close().await.unwrap();
    drop(store);

    let (mount_point, elsewhere) = (&config.disks[0], dir.path().join("unmounted"));
    fs::rename(mount_point, &elsewhere).unwrap();
    // The directory is missing where it stood below a mount point, and empty where it was one. So it is at each start
    // until the disk is back, after a clean stop and after another.
    for (missing, clean) in [(true, true), (true, false), (false, true), (false, false)] {
        if !missing && clean {
            fs::create_dir(mount_point).unwrap();
        }
        let store = open(&config).await.unwrap();
        let state = store.status().disks[0].state.clone();
        assert!(matches!(&state, DiskState::Fenced(reason) if reason.contains("is it mounted?")), "{state:?}");
        assert_eq!(fs::read_dir(mount_point).map_or(0, Iterator::count), 0);
        assert_eq!(mount_point.try_exists().unwrap(), !missing);
        let held = store.has(&[stripe.header.id()], &[], Scrutiny::Verified).await.unwrap();
        assert_eq!(held.shards[0].len(), 2);
        Stripe::new(2, "erasure:3+1", 100).push_all(&store, 1).await;
        if clean {
            store.close().await.unwrap();
        }
    }
    fs::remove_dir(mount_point).unwrap();
    fs::rename(&elsewhere, mount_point).unwrap();
    let store = open(&config).await.unwrap();
    let held = store.has(&[stripe.header.id()], &[], Scrutiny::Verified).await.unwrap();
    assert_eq!(held.shards[0].len(), 4);
    store.close().await.unwrap();
    drop(store);

    // Whoever takes the memory away says that it is to be a new disk.
    fs::remove_dir_all(mount_point).unwrap();
    fs::remove_file(config.index.join("disks")).unwrap();
    let store = open(&config).await.unwrap();
    assert_eq!(store.status().disks[0].state, DiskState::Good);
    stripe.push_all(&store, 1).await;
    assert_eq!(store.status().disks[0].shards, 2);
}

/// A disk that was away for a moment comes back with all it holds, at the latest at the next start.
#[tokio::test]
async fn what_was_gone_for_a_while_is_found_again() {
    let dir = temp();
    let config = config(dir.path(), 1);
    let stripe = Stripe::new(1, "replicate:1", 5000);
    let store = open(&config).await.unwrap();
    stripe.push_all(&store, 1).await;
    let elsewhere = dir.path().join("unmounted");
    fs::rename(&config.disks[0], &elsewhere).unwrap();
    assert!(!stripe.is_given(&store, 0).await);
    fs::rename(&elsewhere, &config.disks[0]).unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = open(&config).await.unwrap();
    assert!(stripe.is_given(&store, 0).await);
}

#[tokio::test]
async fn only_its_own_temporary_files_are_taken_away() {
    let dir = temp();
    let config = config(dir.path(), 1);
    let tmp = config.disks[0].join("tmp");
    fs::create_dir_all(&tmp).unwrap();
    for name in ["12", "disk", "leases", "letter", "12a"] {
        write(&tmp.join(name), b"x");
    }
    open(&config).await.unwrap();
    let mut left: Vec<_> = fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["12a", "letter"]);
}

/// sled returns an error over some damage and panics over other; either way the disks tell everything again.
#[tokio::test]
async fn however_the_index_is_damaged_the_store_starts() {
    let dir = temp();
    let config = config(dir.path(), 1);
    let stripe = Stripe::new(1, "replicate:2", 5000);
    let store = open(&config).await.unwrap();
    stripe.push_all(&store, 1).await;
    store.close().await.unwrap();
    drop(store);
    for seed in 0..24 {
        println!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let mut files: Vec<_> =
            fs::read_dir(dir.path().join("index/sled")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| fs::metadata(path).unwrap().is_file() && fs::metadata(path).unwrap().len() > 0);
        files.sort();
        let path = &files[rng.random_range(0..files.len())];
        let mut bytes = fs::read(path).unwrap();
        for _ in 0..4 {
            // The head of a file is where most of its sense stands.
            let end = if rng.random_bool(0.5) { bytes.len().min(600) } else { bytes.len() };
            let at = rng.random_range(0..end);
            bytes[at] ^= rng.random_range(1..=u8::MAX);
        }
        write(path, &bytes);
        let store = open(&config).await.unwrap();
        assert!(stripe.is_given(&store, 0).await && stripe.is_given(&store, 1).await, "seed {seed}");
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_directory_that_does_not_open_is_fenced_and_the_rest_carries_on() {
    let dir = temp();
    let config = config(dir.path(), 3);
    let store = open(&config).await.unwrap();
    drop(store);
    fs::OpenOptions::new().write(true).open(config.disks[0].join("disk")).unwrap().set_len(9).unwrap();
    let mut twice = config.clone();
    twice.disks[2] = twice.disks[1].clone();
    let store = open(&twice).await.unwrap();
    let states: Vec<_> = store.status().disks.iter().map(|disk| disk.state == DiskState::Good).collect();
    assert_eq!(states, [false, true, false]);
    Stripe::new(1, "erasure:2+1", 5000).push_all(&store, 1).await;
    assert_eq!(store.status().usable().map(|disk| disk.shards).sum::<u64>(), 3);
}

#[tokio::test]
async fn the_capacity_is_shared_and_the_quota_is_each_users() {
    let dir = temp();
    let mut config = config(dir.path(), 2);
    (config.capacity_bytes, config.quota_per_user_bytes) = (Some(100_000), Some(60_000));
    let stripes: Vec<_> = (0..5).map(|seed| Stripe::new(seed, "replicate:1", 20_000)).collect();
    let store = open(&config).await.unwrap();
    assert_eq!(store.status().capacity_bytes(), 100_000);
    for stripe in &stripes[..2] {
        stripe.push(&store, 0, 1).await.unwrap();
    }
    let refused = stripes[2].push(&store, 0, 1).await;
    assert!(matches!(refused, Err(StoreError::Quota { quota: 60_000 })), "{refused:?}");
    // What one has already costs nothing more; what another put there costs as if it were new.
    stripes[0].push(&store, 0, 1).await.unwrap();
    stripes[0].push(&store, 0, 2).await.unwrap();
    for stripe in &stripes[2..4] {
        stripe.push(&store, 0, 3).await.unwrap();
    }
    let refused = stripes[4].push(&store, 0, 4).await;
    assert!(matches!(refused, Err(StoreError::NoSpace { .. })), "{refused:?}");
    assert!(stripes[0].is_given(&store, 0).await);
    drop(store);
    let store = open(&config).await.unwrap();
    assert!(matches!(stripes[4].push(&store, 0, 1).await, Err(StoreError::NoSpace { .. })));
    let renewed = store.renew(&[stripes[2].address(0)], &lease(1)).await;
    assert!(matches!(renewed, Err(StoreError::Quota { .. })), "{renewed:?}");
    for n in 0..2 {
        assert_eq!(fs::read_dir(config.disks[n].join("tmp")).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn of_each_owner_the_highest_record_stays() {
    let dir = temp();
    let store = open(&config(dir.path(), 2)).await.unwrap();
    let (node, bytes, first) = root(1, 1);
    let content = ContentId::from_bytes(*node.as_bytes());
    assert!(matches!(store.push_record(&first, &lease(1)).await, Err(StoreError::NotFound)));
    store.push_node(node, bytes, 2, false, &lease(1)).await.unwrap();
    for (owner, number) in [(1, 3), (1, 2), (2, 1), (1, 3)] {
        store.push_record(&record(node, owner, number), &lease(1)).await.unwrap();
    }
    let mut expected = vec![record(node, 1, 3), record(node, 2, 1)];
    expected.sort_by_key(|record| record.owner);
    assert_eq!(store.pull_records(content).await.unwrap(), expected);
    for owner in (3_u8..).take(LAYOUT_RECORDS_MAX - 2) {
        store.push_record(&record(node, owner, 1), &lease(1)).await.unwrap();
    }
    assert!(store.push_record(&record(node, 99, 1), &lease(1)).await.is_err());
    store.push_record(&record(node, 2, 7), &lease(1)).await.unwrap();
    assert_eq!(store.pull_records(content).await.unwrap().len(), LAYOUT_RECORDS_MAX);
}

#[tokio::test]
async fn marks_are_paged_and_never_taken_back() {
    let dir = temp();
    let store = open(&config(dir.path(), 3)).await.unwrap();
    let mut marked = Vec::new();
    for seed in 0..20 {
        let (node, bytes, _) = root(seed, 1);
        store.push_node(node, bytes.clone(), 2, seed % 2 == 0, &lease(1)).await.unwrap();
        store.push_node(node, bytes, 2, false, &lease(2)).await.unwrap();
        marked.extend((seed % 2 == 0).then_some(node));
    }
    marked.sort_unstable();
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = store.published(after, 3).await.unwrap();
        let Some(&last) = page.last() else { break };
        paged.extend(page);
        after = Some(last);
    }
    assert_eq!(paged, marked);
}

/// The same things again and again, by many at once: each is kept once, and the lease log stays bounded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_pushers_at_once_keep_each_shard_once() {
    let dir = temp();
    let config = config(dir.path(), 3);
    let store = open(&config).await.unwrap();
    let pushes = (0..12_u8).map(|pusher| {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..10 {
                let stripe = Stripe::new(round, "erasure:4+2", 3000);
                for index in 0..6 {
                    stripe.push(&store, (index + usize::from(pusher)) % 6, pusher % 3).await.unwrap();
                }
            }
        })
    });
    for push in pushes.collect::<Vec<_>>() {
        push.await.unwrap();
    }
    let status = store.status();
    assert_eq!(status.disks.iter().map(|disk| disk.shards).sum::<u64>(), 60);
    assert!(status.disks.iter().all(|disk| disk.shards == 20), "{status:?}");
    let summary = store.core.catalog.summarize().unwrap();
    assert_eq!(summary.tallies.values().map(|tally| tally.leases).sum::<u64>(), 180);
    store.close().await.unwrap();
    let logged: u64 = config.disks.iter().map(|disk| fs::metadata(disk.join("leases")).unwrap().len()).sum();
    assert!(logged <= 3 * 8 + 180 * 104 * 2, "{logged}");
}

#[tokio::test]
async fn a_lease_log_is_rewritten_when_most_of_it_is_superseded() {
    let dir = temp();
    let config = config(dir.path(), 1);
    let store: std::sync::Arc<Store> = open(&config).await.unwrap();
    let stripe = Stripe::new(1, "erasure:28+4", 10);
    stripe.push_all(&store, 1).await;
    let addresses: Vec<_> = (0..32).map(|index| stripe.address(index)).collect();
    for expiry in 0..300 {
        let lease = Lease { expiry: 2_000_000 + expiry, ..lease(1) };
        assert!(store.renew(&addresses, &lease).await.unwrap().iter().all(|held| *held));
    }
    store.close().await.unwrap();
    let bytes = fs::metadata(config.disks[0].join("leases")).unwrap().len();
    assert!(bytes < 9632 * 104 / 2, "{bytes}");
    let store = open(&config).await.unwrap();
    assert_eq!(store.core.catalog.summarize().unwrap().tallies.values().next().unwrap().leases, 32);
}

#[tokio::test]
async fn a_data_directory_serves_one_node_at_a_time() {
    let dir = temp();
    let first = config(dir.path(), 1);
    let second = crate::StoreConfig { index: dir.path().join("another-index"), ..config(dir.path(), 1) };
    let store = open(&first).await.unwrap();
    let stripe = Stripe::new(1, "erasure:2+1", 1000);
    stripe.push_all(&store, 1).await;
    let refused = Store::open(second.clone(), super::rig::random(1)).await.unwrap_err().to_string();
    assert!(refused.contains(super::rig::IN_USE), "{refused}");
    assert!(stripe.is_given(&store, 0).await);
    store.close().await.unwrap();
    let store = Store::open(second, super::rig::random(2)).await.unwrap();
    assert!(stripe.is_given(&store, 0).await);
}
