//! A disk that does not answer: nothing on it is acknowledged, it is named, and the others take what comes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use storgo_object::ports::{DiskState, ShardStore as _};

use super::rig::{Stripe, simulated};
use crate::Store;
use crate::disk::sim::SimDisk;

const PATIENCE: Duration = Duration::from_mins(1);

/// Lets others run until `found`.
async fn until(what: &str, mut found: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !found() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::task::yield_now().await;
    }
}

fn stripe(seed: u64) -> Stripe {
    Stripe::new(seed, "replicate:1", 3000)
}

fn push(store: &Arc<Store>, seed: u64) -> tokio::task::JoinHandle<()> {
    let store = Arc::clone(store);
    tokio::spawn(async move { stripe(seed).push(&store, 0, 1).await.unwrap() })
}

#[tokio::test]
async fn a_disk_that_does_not_answer_acknowledges_nothing_and_holds_nobody_else_up() {
    let disk = SimDisk::new();
    let store = simulated(&disk, 3).await.unwrap();
    disk.hold(Path::new("/disk1"));
    let early: Vec<_> = (0..30).map(|seed| push(&store, seed)).collect();
    until("the disk is said to be slow", || matches!(&store.status().disks[1].state, DiskState::Slow(_))).await;
    assert_eq!(store.status().usable().count(), 2);
    let held = early.iter().filter(|push| !push.is_finished()).count();
    assert!((1..30).contains(&held), "{held} of 30 wait");

    // What comes now is done by the others.
    for seed in 100..130 {
        tokio::time::timeout(PATIENCE / 4, push(&store, seed)).await.expect("it does not wait").unwrap();
    }
    assert_eq!(early.iter().filter(|push| !push.is_finished()).count(), held, "nothing there was acknowledged");
    // Should the power go now, all that was acknowledged is there.
    let cut = disk.fork();
    let acknowledged: Vec<_> =
        (0..30).zip(&early).filter(|(_, push)| push.is_finished()).map(|(seed, _)| seed).collect();
    cut.restart(0);
    let after = simulated(&cut, 3).await.unwrap();
    for seed in acknowledged.into_iter().chain(100..130) {
        assert!(stripe(seed).is_given(&after, 0).await, "stripe {seed}");
    }

    disk.release();
    for push in early {
        push.await.unwrap();
    }
    until("the disk is used again", || store.status().disks[1].state == DiskState::Good).await;
    assert!(store.status().disks[1].shards >= u64::try_from(held).unwrap());
}

/// With no other disk a slow one is waited for.
#[tokio::test]
async fn the_only_disk_is_waited_for() {
    let disk = SimDisk::new();
    let store = simulated(&disk, 1).await.unwrap();
    disk.hold(Path::new("/disk0"));
    let first = push(&store, 1);
    until("the disk is said to be slow", || store.status().usable().count() == 0).await;
    let second = push(&store, 2);
    disk.release();
    first.await.unwrap();
    second.await.unwrap();
}
