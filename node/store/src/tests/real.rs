//! The store on real directories.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use storgo_object::ports::{DiskState, Lease, Scrutiny, ShardStore as _, StoreError};
use storgo_protocol::limits::LAYOUT_RECORDS_MAX;
use storgo_protocol::message::PushedShard;
use storgo_protocol::slice::decode_slice;
use storgo_protocol::{ContentId, NodeId};

use super::rig::{Stripe, config, lease, open, record, root};
use crate::Store;
use crate::item::Item;

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
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
    let pushed =
        |index, payload| PushedShard { header: stripe.header.clone(), index: stripe.address(index).index, payload };
    for (index, payload) in [(0, stripe.shards[1].clone()), (1, Bytes::new()), (3, stripe.shards[1].clone())] {
        let refused = store.push(vec![pushed(index, payload)], &lease(1)).await;
        assert!(matches!(refused, Err(StoreError::Mismatch { .. })), "{refused:?}");
    }
    // Nor is it taken for what is there already.
    stripe.push(&store, 0, 1).await.unwrap();
    let refused = store.push(vec![pushed(0, stripe.shards[1].clone())], &lease(1)).await;
    assert!(matches!(refused, Err(StoreError::Mismatch { .. })), "{refused:?}");
    // One that is wrong among others costs all of them, and leaves nothing behind.
    let mixed = [(1, 1), (2, 1)].map(|(index, of)| pushed(index, stripe.shards[of].clone()));
    let refused = store.push(mixed.to_vec(), &lease(1)).await;
    assert!(matches!(refused, Err(StoreError::Mismatch { .. })), "{refused:?}");
    assert!(!stripe.is_given(&store, 1).await);
    assert_eq!(fs::read_dir(dir.path().join("disk0/tmp")).unwrap().count(), 0);
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
