//! One call fails with EIO or ENOSPC: nothing is acknowledged falsely, and only the failed disk is given up.

use std::path::Path;

use storgo_object::ports::{DiskState, ShardStore as _, StoreError};

use super::rig::{Stripe, lease, root, simulated};
use crate::disk::sim::{Fault, SimDisk};

/// Calls after whose failure nobody knows what the disk kept.
const FATAL: [&str; 4] = ["sync", "sync_dir", "rename", "sync_file_system"];

async fn fail_every_call(fault: Fault) {
    let base = SimDisk::new();
    simulated(&base, 2).await.unwrap().close().await.unwrap();
    base.restart(0);
    let stripe = Stripe::new(3, "erasure:3+1", 20_000);
    let (node, bytes, _) = root(4, 1);
    let (mut fenced, mut refused) = (0, 0);
    for call in 1.. {
        let disk = base.fork();
        let store = simulated(&disk, 2).await.unwrap();
        disk.plan(call, fault);
        let mut acknowledged = Vec::new();
        for index in 0..4 {
            match stripe.push(&store, index, 1).await {
                Ok(()) => acknowledged.push(index),
                Err(_) => refused += 1,
            }
        }
        let node_acknowledged = store.push_node(node, bytes.clone(), 2, true, &lease(1)).await.is_ok();
        let Some((name, path)) = disk.faulted() else { break };
        println!("{fault:?} at call {call}: {name} {}", path.display());
        for status in store.status().disks {
            match status.state {
                DiskState::Fenced(_) => {
                    assert!(path.starts_with(&status.path), "{} is fenced", status.path.display());
                    fenced += 1;
                }
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
    }
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
