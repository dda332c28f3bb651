//! Bytes change on the disk: what is given is right, or it is refused and set aside.

use std::path::{Path, PathBuf};

use storgo_object::ports::{Scrutiny, ShardStore as _, StoreError};
use storgo_protocol::limits::{DIRECT_BYTES_MIN, DISK_BLOCK_BYTES, QUARANTINE_FILES_MAX};
use storgo_protocol::slice::decode_slice;
use storgo_protocol::{ShardFileHead, ShardSet};

use super::rig::{Stripe, lease, root, simulated};
use crate::disk::Disk as _;
use crate::disk::sim::SimDisk;
use crate::item::Item;
use crate::read;

fn path(stripe: &Stripe) -> PathBuf {
    Path::new("/disk0").join(Item::Shard(stripe.address(0)).path())
}

/// Every byte of the file, in the head every value: a whole read, a range read and a full check each give the right
/// bytes or none.
#[tokio::test]
async fn no_changed_byte_is_ever_served() {
    let disk = SimDisk::new();
    let store = simulated(&disk, 1).await.unwrap();
    let stripe = Stripe::new(1, "replicate:2", 17_000);
    stripe.push(&store, 0, 1).await.unwrap();
    let (path, address, root) = (path(&stripe), stripe.address(0), Path::new("/disk0"));
    let whole = disk.contents(&path).unwrap();
    let head = ShardFileHead::decode(&whole).unwrap();
    let payload_first = usize::try_from(head.payload_first()).unwrap();
    let sample = (payload_first..whole.len()).step_by(61).chain([whole.len() - 1]);
    for at in (0..payload_first).chain(sample) {
        let values = if at < payload_first { 1..=u8::MAX } else { 1..=1 };
        for flip in values {
            disk.tamper(&path, |bytes| bytes[at] ^= flip).unwrap();
            if let Ok((header, payload)) = read::shard(&disk, root, address) {
                assert_eq!((header.id(), &payload), (stripe.header.id(), &stripe.shards[0]), "byte {at}");
            }
            if let Ok((_, slice)) = read::range(&disk, root, address, &(100..200)) {
                let opened = decode_slice(head.id(), 17_000, &(100..200), &slice).unwrap();
                assert_eq!(opened, stripe.shards[0].slice(100..200), "byte {at}");
            }
            assert!(read::verify(&disk, root, Item::Shard(address)).is_err(), "byte {at} by {flip:#04x}");
            disk.tamper(&path, |bytes| bytes[at] ^= flip).unwrap();
        }
    }
    for cut in [0, 1, payload_first, whole.len() - 1, whole.len() + 1] {
        disk.tamper(&path, |bytes| bytes.resize(cut, 0)).unwrap();
        assert!(read::shard(&disk, root, address).is_err());
        disk.tamper(&path, |bytes| bytes.clone_from(&whole)).unwrap();
    }
    assert!(stripe.is_given(&store, 0).await);
}

/// The zeroes behind a large shard are checked as the rest is, and none of them is given.
#[tokio::test]
async fn a_changed_byte_behind_the_payload_is_damage() {
    let disk = SimDisk::new();
    let store = simulated(&disk, 1).await.unwrap();
    let stripe = Stripe::new(1, "replicate:2", DIRECT_BYTES_MIN);
    stripe.push(&store, 0, 1).await.unwrap();
    let (path, address, root) = (path(&stripe), stripe.address(0), Path::new("/disk0"));
    let whole = disk.contents(&path).unwrap();
    let head = ShardFileHead::decode(&whole).unwrap();
    assert!(head.padding_bytes() > 0 && whole.len().is_multiple_of(DISK_BLOCK_BYTES));
    assert_eq!(read::shard(&disk, root, address).unwrap().1, stripe.shards[0]);
    for at in whole.len() - head.padding_bytes()..whole.len() {
        disk.tamper(&path, |bytes| bytes[at] = 1).unwrap();
        assert!(read::shard(&disk, root, address).is_err(), "byte {at}");
        assert!(read::verify(&disk, root, Item::Shard(address)).is_err(), "byte {at}");
        disk.tamper(&path, |bytes| bytes[at] = 0).unwrap();
    }
    disk.tamper(&path, |bytes| bytes.truncate(whole.len() - head.padding_bytes())).unwrap();
    assert!(read::shard(&disk, root, address).is_err());
}

#[tokio::test]
async fn a_damaged_shard_is_quarantined_and_can_be_pushed_again() {
    let disk = SimDisk::new();
    let store = simulated(&disk, 1).await.unwrap();
    let stripe = Stripe::new(1, "erasure:2+1", 40_000);
    stripe.push_all(&store, 1).await;
    let (path, id) = (path(&stripe), stripe.header.id());

    disk.tamper(&path, |bytes| *bytes.last_mut().unwrap() ^= 0x80).unwrap();
    // A range elsewhere is still verified and given; one that touches the damage is not.
    assert!(store.pull_range(stripe.address(0), 5, 100).await.is_ok());
    let refused = store.pull_range(stripe.address(0), 39_000, 1000).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert!(matches!(store.pull(stripe.address(0)).await, Err(StoreError::NotFound)));
    let held = store.has(&[id], &[], Scrutiny::Indexed).await.unwrap();
    assert_eq!(held.shards[0], ShardSet::first(3).without(ShardSet::first(1)));
    assert_eq!(store.renew(&[stripe.address(0), stripe.address(1)], &lease(1)).await.unwrap(), [false, true]);
    let status = &store.status().disks[0];
    assert_eq!((status.shards, status.quarantined), (2, 1));

    stripe.push(&store, 0, 1).await.unwrap();
    assert!(stripe.is_given(&store, 0).await);
    assert_eq!(store.status().disks[0].shards, 3);
}

#[tokio::test]
async fn a_verified_look_finds_what_an_indexed_one_does_not() {
    let disk = SimDisk::new();
    let store = simulated(&disk, 2).await.unwrap();
    let stripe = Stripe::new(1, "replicate:1", 100);
    stripe.push_all(&store, 1).await;
    let (node, bytes, _) = root(1, 1);
    store.push_node(node, bytes.clone(), 2, true, &lease(1)).await.unwrap();
    for n in 0..2 {
        let disk_root = PathBuf::from(format!("/disk{n}"));
        // The stripe stands on one of the two disks.
        drop(disk.tamper(&disk_root.join(Item::Shard(stripe.address(0)).path()), |bytes| bytes[150] ^= 1));
    }
    disk.tamper(&Path::new("/disk1").join(Item::Node(node).path()), |bytes| bytes[9] ^= 1).unwrap();

    let asked = ([stripe.header.id()], [node]);
    let indexed = store.has(&asked.0, &asked.1, Scrutiny::Indexed).await.unwrap();
    assert_eq!((indexed.shards[0].len(), indexed.nodes[0]), (1, 2));
    let verified = store.has(&asked.0, &asked.1, Scrutiny::Verified).await.unwrap();
    assert_eq!((verified.shards[0].len(), verified.nodes[0]), (0, 1));
    let indexed = store.has(&asked.0, &asked.1, Scrutiny::Indexed).await.unwrap();
    assert_eq!((indexed.shards[0].len(), indexed.nodes[0]), (0, 1));
    assert_eq!(store.pull_node(node).await.unwrap(), bytes);
    // A push brings back what was set aside, and the mark of the node outlived it.
    store.push_node(node, bytes, 2, false, &lease(1)).await.unwrap();
    assert_eq!(store.has(&[], &[node], Scrutiny::Verified).await.unwrap().nodes, [2]);
    assert_eq!(store.published(None, 5).await.unwrap(), [node]);
}

/// A disk that decays everywhere keeps some of it for whoever asks why; the rest stays, is not held, and can be put
/// again in its place.
#[tokio::test]
async fn what_is_set_aside_is_bounded() {
    let disk = SimDisk::new();
    let store = simulated(&disk, 1).await.unwrap();
    let count = QUARANTINE_FILES_MAX + 5;
    let stripes: Vec<_> = (0..count).map(|seed| Stripe::new(seed, "replicate:1", 10)).collect();
    for stripe in &stripes {
        stripe.push_all(&store, 1).await;
        disk.tamper(&path(stripe), |bytes| *bytes.last_mut().unwrap() ^= 1).unwrap();
        assert!(matches!(store.pull(stripe.address(0)).await, Err(StoreError::Corrupt { .. })));
    }
    let status = store.status().disks.remove(0);
    assert_eq!((status.shards, status.quarantined), (0, QUARANTINE_FILES_MAX));
    assert_eq!(disk.list(Path::new("/disk0/quarantine")).unwrap().len() as u64, QUARANTINE_FILES_MAX);
    let last = stripes.last().unwrap();
    assert!(disk.contents(&path(last)).is_some(), "it stays where it is");
    assert!(!last.is_given(&store, 0).await);
    // Whether a start believes the head or a reader finds it again, nothing more is set aside.
    drop(store);
    let store = simulated(&disk, 1).await.unwrap();
    assert!(matches!(store.pull(last.address(0)).await, Err(StoreError::Corrupt { .. })));
    assert_eq!(store.status().disks[0].quarantined, QUARANTINE_FILES_MAX);
    last.push_all(&store, 1).await;
    assert!(last.is_given(&store, 0).await);
}
