//! The power goes at every call boundary, and what was not synced is kept, dropped, torn and mixed.

use std::path::Path;

use storgo_object::ports::{Scrutiny, ShardStore as _, StoreError};
use storgo_protocol::ContentId;

use super::rig::{Stripe, lease, record, root, simulated};
use crate::Store;
use crate::disk::Disk as _;
use crate::disk::sim::{Fault, SimDisk};
use crate::item::Item;

/// Seeds of a call, so that no two calls have the same.
fn seeds(call: u64) -> Vec<u64> {
    (5 * call..5 * call + 5).collect()
}

/// For the many calls of a start: once everything that was not synced is dropped, once a mix that no other call has.
fn start_seeds(call: u64) -> Vec<u64> {
    vec![4 * call, 4 * call + 2]
}

/// Does `work` on disks like `base` and cuts the power at each of its calls in turn, with each of the call's seeds; the
/// work says itself from where on calls count. `check` sees what is there when the power is back. Gives how many
/// calls there are.
async fn cut_at_each_call<T>(
    base: &SimDisk,
    seeds: impl Fn(u64) -> Vec<u64>,
    work: impl AsyncFn(&SimDisk, &dyn Fn()) -> T,
    check: impl AsyncFn(&SimDisk, T),
) -> u64 {
    for call in 1.. {
        for seed in seeds(call) {
            let disk = base.fork();
            let done = work(&disk, &|| disk.plan(call, Fault::PowerLoss)).await;
            let Some(met) = disk.faulted() else { return call - 1 };
            println!("power lost at call {call} {met:?}, seed {seed}");
            disk.restart(seed);
            check(&disk, done).await;
        }
    }
    unreachable!("some call is the last")
}

/// Starts and stops a store, of which the power may take any part.
async fn start_and_stop(disk: &SimDisk, count: &dyn Fn()) {
    count();
    if let Ok(store) = simulated(disk, 1).await {
        drop(store.close().await);
    }
}

/// What a put leaves on a node, and how far it was acknowledged.
struct Put {
    stripe: Stripe,
    shards: Vec<usize>,
    node: bool,
    record: Option<u64>,
}

impl Put {
    fn new() -> Self {
        Self { stripe: Stripe::new(7, "erasure:3+1", 20_000), shards: Vec::new(), node: false, record: None }
    }

    /// Puts everything, until something fails.
    async fn run(&mut self, store: &Store) -> Result<(), StoreError> {
        let (node, bytes, first) = root(9, 1);
        self.stripe.push(store, 0, 1).await?;
        self.shards.push(0);
        // These share rounds as it happens, so that both ways to sync one are met.
        let stripe = &self.stripe;
        let others = tokio::join!(stripe.push(store, 1, 1), stripe.push(store, 2, 1), stripe.push(store, 3, 1));
        let others = [others.0, others.1, others.2];
        self.shards.extend((1..4).zip(&others).filter(|(_, pushed)| pushed.is_ok()).map(|(index, _)| index));
        others.into_iter().collect::<Result<(), _>>()?;
        store.push_node(node, bytes, 2, true, &lease(1)).await?;
        self.node = true;
        store.push_record(&first, &lease(1)).await?;
        self.record = Some(1);
        store.renew(&[self.stripe.address(0)], &lease(2)).await?;
        store.push_record(&record(node, 9, 2), &lease(1)).await?;
        self.record = Some(2);
        Ok(())
    }

    /// Everything acknowledged is there, right, leased; nothing else is given but right.
    async fn check(&self, store: &Store) {
        let node = root(9, 1).0;
        for index in 0..4 {
            let given = self.stripe.is_given(store, index).await;
            assert!(given || !self.shards.contains(&index), "shard {index} is lost");
        }
        for &index in &self.shards {
            let item = Item::Shard(self.stripe.address(index));
            let (slot, _) = store.core.catalog.holders(item).unwrap()[0];
            assert!(store.core.catalog.lease(item, slot, lease(1).owner).unwrap().is_some(), "lease {index}");
        }
        let held = store.has(&[self.stripe.header.id()], &[node], Scrutiny::Verified).await.unwrap();
        assert!(self.shards.iter().all(|&index| held.shards[0].contains(self.stripe.address(index).index)));
        if self.node {
            assert_eq!(held.nodes, [2]);
            assert_eq!(store.published(None, 9).await.unwrap(), [node]);
        }
        let records = store.pull_records(ContentId::from_bytes(*node.as_bytes())).await.unwrap();
        assert!(records.first().map(|record| record.number) >= self.record, "{records:?}");
    }
}

/// No temporary file stays after a start.
fn check_tidy(disk: &SimDisk, disks: usize) {
    for n in 0..disks {
        assert!(disk.list(Path::new(&format!("/disk{n}/tmp"))).unwrap().is_empty());
    }
}

async fn started(disks: usize) -> SimDisk {
    let disk = SimDisk::new();
    simulated(&disk, disks).await.unwrap().close().await.unwrap();
    disk.restart(0);
    disk
}

#[tokio::test]
async fn a_put_is_there_as_far_as_it_was_acknowledged() {
    let acknowledged = std::cell::Cell::new(0);
    let work = async |disk: &SimDisk, count: &dyn Fn()| {
        let store = simulated(disk, 2).await.unwrap();
        count();
        let mut put = Put::new();
        let done = put.run(&store).await;
        drop(store.close().await);
        assert!(done.is_ok() || disk.faulted().is_some(), "{done:?}");
        put
    };
    let check = async |disk: &SimDisk, mut put: Put| {
        let store = simulated(disk, 2).await.unwrap();
        check_tidy(disk, 2);
        put.check(&store).await;
        acknowledged.set(acknowledged.get() + put.shards.len());
        // It goes on from there.
        put.run(&store).await.unwrap();
        put.check(&store).await;
    };
    let calls = cut_at_each_call(&started(2).await, seeds, work, check).await;
    assert!(calls > 60 && acknowledged.get() > 100, "{calls} calls, {acknowledged:?} acknowledged");
}

#[tokio::test]
async fn a_first_start_is_taken_up_again() {
    let check = async |disk: &SimDisk, ()| {
        let store = simulated(disk, 1).await.unwrap();
        check_tidy(disk, 1);
        Stripe::new(1, "replicate:1", 100).push_all(&store, 1).await;
    };
    let calls = cut_at_each_call(&SimDisk::new(), start_seeds, start_and_stop, check).await;
    assert!(calls > 500, "{calls}");
}

/// A store on one disk that holds a put, with one byte of one shard changed.
async fn with_damage(at: impl Fn(&mut Vec<u8>)) -> (SimDisk, Put) {
    let disk = started(1).await;
    let store = simulated(&disk, 1).await.unwrap();
    let mut put = Put::new();
    let (node, bytes, first) = root(9, 1);
    put.stripe.push_all(&store, 1).await;
    store.push_node(node, bytes, 1, true, &lease(1)).await.unwrap();
    store.push_record(&first, &lease(1)).await.unwrap();
    store.close().await.unwrap();
    disk.restart(0);
    let damaged = Path::new("/disk0").join(Item::Shard(put.stripe.address(0)).path());
    disk.tamper(&damaged, at).unwrap();
    put.shards = vec![1, 2, 3];
    put.record = Some(1);
    (disk, put)
}

#[tokio::test]
async fn a_quarantine_loses_nothing_else_and_serves_nothing_wrong() {
    let (base, put) = with_damage(|bytes| *bytes.last_mut().unwrap() ^= 1).await;
    let work = async |disk: &SimDisk, count: &dyn Fn()| {
        let store = simulated(disk, 1).await.unwrap();
        count();
        assert!(store.pull(put.stripe.address(0)).await.is_err());
        drop(store.close().await);
    };
    let check = async |disk: &SimDisk, ()| {
        let store = simulated(disk, 1).await.unwrap();
        let again = store.pull(put.stripe.address(0)).await;
        assert!(matches!(again, Err(StoreError::Corrupt { .. } | StoreError::NotFound)), "{again:?}");
        put.check(&store).await;
        put.stripe.push(&store, 0, 1).await.unwrap();
        assert!(put.stripe.is_given(&store, 0).await);
    };
    let calls = cut_at_each_call(&base, seeds, work, check).await;
    assert!(calls > 8, "{calls}");
}

#[tokio::test]
async fn a_rebuild_is_taken_up_again() {
    let (base, put) = with_damage(|bytes| bytes[20] ^= 1).await;
    // What a push that died leaves behind.
    base.create(Path::new("/disk0/tmp/12")).unwrap().write_at(0, b"half").unwrap();
    base.sync_dir(Path::new("/disk0/tmp")).unwrap();
    let check = async |disk: &SimDisk, ()| {
        let store = simulated(disk, 1).await.unwrap();
        check_tidy(disk, 1);
        assert!(!put.stripe.is_given(&store, 0).await);
        put.check(&store).await;
        // A rename between two directories that was not synced may leave the damaged file in neither.
        assert!(store.status().disks[0].quarantined <= 1);
    };
    let calls = cut_at_each_call(&base, start_seeds, start_and_stop, check).await;
    assert!(calls > 500, "{calls}");
}

/// What a reader or a start set aside stays aside, and stays to be looked at.
#[tokio::test]
async fn a_quarantine_outlasts_the_power() {
    for at in [20, 15_000] {
        let (disk, put) = with_damage(|bytes| bytes[at] ^= 1).await;
        let store = simulated(&disk, 1).await.unwrap();
        assert!(store.pull(put.stripe.address(0)).await.is_err());
        disk.restart(0);
        let item = Item::Shard(put.stripe.address(0));
        assert!(disk.contents(&Path::new("/disk0").join(item.path())).is_none(), "byte {at}");
        assert!(disk.contents(&Path::new("/disk0/quarantine").join(item.name())).is_some(), "byte {at}");
    }
}

/// The log that takes the place of a lost one keeps what is written to it.
#[tokio::test]
async fn leases_outlast_the_power_after_the_log_was_lost() {
    let disk = started(1).await;
    disk.remove(Path::new("/disk0/leases")).unwrap();
    disk.sync_dir(Path::new("/disk0")).unwrap();
    let store = simulated(&disk, 1).await.unwrap();
    let put = Put { shards: vec![0], ..Put::new() };
    put.stripe.push(&store, 0, 1).await.unwrap();
    disk.restart(0);
    put.check(&simulated(&disk, 1).await.unwrap()).await;
}

/// With one disk there is no second copy that could hide a half-written one.
#[tokio::test]
async fn layout_records_are_the_old_or_the_new_never_half_of_one() {
    let base = started(1).await;
    let (node, bytes, first) = root(9, 1);
    let store = simulated(&base, 1).await.unwrap();
    store.push_node(node, bytes, 1, false, &lease(1)).await.unwrap();
    store.push_record(&first, &lease(1)).await.unwrap();
    store.close().await.unwrap();
    let work = async |disk: &SimDisk, count: &dyn Fn()| {
        let store = simulated(disk, 1).await.unwrap();
        count();
        let acknowledged = store.push_record(&record(node, 9, 2), &lease(1)).await.is_ok();
        drop(store.close().await);
        acknowledged
    };
    let check = async |disk: &SimDisk, acknowledged| {
        let store = simulated(disk, 1).await.unwrap();
        let records = store.pull_records(first.content).await.unwrap();
        assert!(records.len() == 1 && records[0].number > u64::from(acknowledged), "{records:?}");
    };
    let calls = cut_at_each_call(&base, |_| (0..24).collect(), work, check).await;
    assert!(calls > 8, "{calls}");
}

/// The sign of a clean stop never stands beside an index that is in use.
#[tokio::test]
async fn the_sign_of_a_clean_stop_is_gone_while_the_store_runs() {
    let disk = started(1).await;
    let store = simulated(&disk, 1).await.unwrap();
    // While the store runs the sign is durably gone.
    let running = disk.fork();
    running.restart(0);
    assert!(running.contents(Path::new("/index/clean")).is_none());
    store.close().await.unwrap();
    disk.restart(0);
    assert!(disk.contents(Path::new("/index/clean")).is_some());
}
