//! Stops and starts on real directories: what is trusted, what is made anew, and what is given up.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use storgo_object::ports::{DiskState, Scrutiny, ShardStore as _, StoreError};
use storgo_protocol::ShardSet;

use super::rig::{Stripe, config, lease, open, root};
use crate::Store;

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::File::create(path).unwrap().write_all(bytes).unwrap();
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
