//! One call fails with EIO or ENOSPC: nothing is acknowledged falsely, and only the failed disk is given up.

use std::path::Path;

use storgo_object::ports::{DiskState, Scrutiny, ShardStore as _, StoreError};

use super::rig::{Stripe, lease, root, simulated};
use crate::disk::sim::{Fault, SimDisk};

/// Calls after whose failure nobody knows what the disk kept.
const FATAL: [&str; 4] = ["sync", "sync_dir", "rename", "sync_file_system"];

async fn fail_every_call(fault: Fault) {
    let base = SimDisk::new();
    simulated(&base, 2).await.unwrap().close().await.unwrap();
    base.restart(0);
    let stripe = Stripe::new(3, "erasure:16+8", 20_000);
    let (node, bytes, record) = root(4, 1);
    let (mut reached, mut fenced, mut refused) = (0, 0, 0);
    for call in 1.. {
        let disk = base.fork();
        let store = simulated(&disk, 2).await.unwrap();
        disk.plan(call, fault);
        let mut acknowledged = Vec::new();
        for index in 0..24 {
            match stripe.push(&store, index, 1).await {
                Ok(()) => acknowledged.push(index),
                Err(_) => refused += 1,
            }
        }
        let node_acknowledged = store.push_node(node, bytes.clone(), 2, true, &lease(1)).await.is_ok();
        let record_acknowledged = store.push_record(&record, &lease(1)).await.is_ok();
        for index in 0..24 {
            // Whatever is given is right.
            drop(store.pull(stripe.address(index)).await.map(|(_, payload)| assert_eq!(payload, stripe.shards[index])));
        }
        let Some((name, path)) = disk.faulted() else { break };
        reached = call;
        println!("{fault:?} at call {call}: {name} {}", path.display());
        for status in store.status().disks {
            match status.state {
                DiskState::Fenced(_) => {
                    assert!(path.starts_with(&status.path), "{} is fenced", status.path.display());
                    fenced += 1;
                }
                DiskState::Slow(reason) => panic!("{}: {reason}", status.path.display()),
                DiskState::Good => assert!(!path.starts_with(&status.path) || !FATAL.contains(&name)),
            }
        }
        // Each of the two disks goes on: whatever is asked now is done by at least the other one.
        Stripe::new(5, "replicate:2", 500).push_all(&store, 1).await;
        drop(store.close().await);
        // Of what was not synced nothing is left.
        disk.restart(0);
        let store = simulated(&disk, 2).await.unwrap();
        for index in acknowledged {
            assert!(stripe.is_given(&store, index).await, "shard {index} was acknowledged");
        }
        assert!(!node_acknowledged || store.pull_node(node).await.unwrap() == bytes);
        assert!(!record_acknowledged || store.pull_records(record.content).await.unwrap() == [record.clone()]);
    }
    assert!(reached >= 200, "only {reached} calls");
    assert!(fenced > 10 && refused > 5, "{fenced} fenced, {refused} refused");
}

#[tokio::test]
async fn an_input_output_error_fences_its_disk() {
    fail_every_call(Fault::InputOutput).await;
}

#[tokio::test]
async fn a_lack_of_room_is_told_and_no_sync_is_tried_again() {
    fail_every_call(Fault::Full).await;
}

/// A start that meets a bad read looks again or gives the disk up; what it holds is never forgotten.
#[tokio::test]
async fn a_fault_at_any_call_of_a_start_costs_nothing_for_good() {
    let base = SimDisk::new();
    let store = simulated(&base, 1).await.unwrap();
    let stripe = Stripe::new(3, "replicate:2", 700);
    stripe.push_all(&store, 1).await;
    drop(store);
    base.restart(0);
    let mut reached = 0;
    'calls: for call in 1.. {
        for fault in [Fault::InputOutput, Fault::Scarce] {
            let disk = base.fork();
            disk.plan(call, fault);
            if let Ok(store) = simulated(&disk, 1).await {
                drop(store.close().await);
            }
            let Some((name, path)) = disk.faulted() else { break 'calls };
            println!("{fault:?} at call {call}: {name} {}", path.display());
            disk.restart(0);
            let store = simulated(&disk, 1).await.unwrap();
            assert!(stripe.is_given(&store, 0).await && stripe.is_given(&store, 1).await);
            assert_eq!(store.status().disks[0].quarantined, 0);
        }
        reached = call;
    }
    assert!(reached > 500, "{reached}");
}

/// A good file that cannot be opened just now is neither set aside nor forgotten, and is not called damaged.
#[tokio::test]
async fn a_lack_of_descriptors_sets_nothing_aside() {
    let base = SimDisk::new();
    let store = simulated(&base, 1).await.unwrap();
    let stripe = Stripe::new(3, "replicate:2", 700);
    let (node, bytes, record) = root(4, 1);
    stripe.push_all(&store, 1).await;
    store.push_node(node, bytes.clone(), 1, true, &lease(1)).await.unwrap();
    store.push_record(&record, &lease(1)).await.unwrap();
    store.close().await.unwrap();
    let mut refused = 0;
    for call in 1.. {
        let disk = base.fork();
        let store = simulated(&disk, 1).await.unwrap();
        disk.plan(call, Fault::Scarce);
        let given = [
            store.pull(stripe.address(0)).await.map(drop),
            store.pull_range(stripe.address(1), 5, 100).await.map(drop),
            store.pull_node(node).await.map(drop),
            store.pull_records(record.content).await.map(|records| assert_eq!(records.len(), 1)),
            store.has(&[stripe.header.id()], &[node], Scrutiny::Verified).await.map(drop),
            Stripe::new(call, "replicate:1", 50).push(&store, 0, 1).await,
        ];
        let Some((name, path)) = disk.faulted() else { break };
        println!("call {call}: {name} {}", path.display());
        for error in given.into_iter().filter_map(Result::err) {
            assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
            refused += 1;
        }
        if store.status().disks[0].state != DiskState::Good {
            // Only what was to be made durable costs the disk.
            assert!(["space", "write"].contains(&name) || (FATAL.contains(&name) && name != "sync_dir"), "{name}");
            continue;
        }
        assert!(stripe.is_given(&store, 0).await && stripe.is_given(&store, 1).await);
        assert_eq!(store.pull_node(node).await.unwrap(), bytes);
        assert_eq!(store.status().disks[0].quarantined, 0);
    }
    assert!(refused > 10, "{refused}");
}

#[tokio::test]
async fn a_full_disk_is_refused_before_anything_is_written_and_read_on() {
    let disk = SimDisk::new();
    let store = simulated(&disk, 1).await.unwrap();
    let (before, after) = (Stripe::new(1, "replicate:1", 9000), Stripe::new(2, "replicate:1", 9000));
    before.push_all(&store, 1).await;
    disk.set_free_bytes(storgo_protocol::limits::DISK_RESERVE_BYTES + 100);
    let refused = after.push(&store, 0, 1).await;
    assert!(matches!(refused, Err(StoreError::NoSpace { needed: 9000.., free: 100 })), "{refused:?}");
    assert!(before.is_given(&store, 0).await);
    assert!(disk.contents(Path::new("/disk0/tmp/1")).is_none());
    assert_eq!(store.status().disks[0].state, DiskState::Good);
    disk.set_free_bytes(1 << 40);
    after.push_all(&store, 1).await;
}
