//! The power goes at every call of the disk, in use, at the start, and at the start after that.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use storgo_object::ports::OsRandom;
use storgo_protocol::GroupId;

use super::rig::{DIR, Rig, rounds, run};
use crate::disk::Disk;
use crate::disk::sim::{Fault, SimDisk};
use crate::log::{Log, LogEntry};

const BURSTS: usize = 24;

/// Plays until the power goes at call `call`; says whether it came to that.
async fn cut_power(rig: &mut Rig, call: u64, seed: u64) -> bool {
    rig.disk.plan(call, Fault::PowerLoss);
    let mut rng = StdRng::seed_from_u64(seed);
    if let Ok((log, _)) = rig.open()
        && rig.play(&log, BURSTS, &mut rng).await.is_ok()
    {
        // The log has more to do than was waited for.
        drop(log.close().await);
    }
    rig.disk.faulted().is_some()
}

/// Opens what is left, compares it, uses it, and opens it once more.
async fn come_back(rig: &mut Rig, seed: u64) {
    let (log, opening) = rig.open().unwrap();
    assert_eq!(opening.set_aside, None, "seed {seed}");
    rig.compare(&log).await;
    let mut rng = StdRng::seed_from_u64(seed);
    rig.play(&log, 3, &mut rng).await.unwrap();
    log.close().await.unwrap();
    let (log, opening) = rig.open().unwrap();
    assert_eq!((opening.set_aside, opening.cut), (None, None), "seed {seed}");
    rig.acked = rig.history.len();
    rig.compare(&log).await;
}

#[test]
fn no_crash_loses_what_was_acknowledged_or_makes_up_what_was_not() {
    run(async {
        let (mut crashes, mut cuts) = (0, 0);
        for seed in 0..rounds(6) {
            for call in 1.. {
                let mut rig = Rig::new(seed);
                if !cut_power(&mut rig, call, seed).await {
                    break;
                }
                crashes += 1;
                rig.disk.restart(seed * 1000 + call);
                cuts += u64::from(rig.fork(seed).open().unwrap().1.cut.is_some());
                come_back(&mut rig, seed).await;
            }
        }
        println!("{crashes} crashes, {cuts} torn ends");
        assert!(crashes > 500 && cuts > 5, "{crashes} {cuts}");
    });
}

#[test]
fn no_crash_of_a_start_loses_anything() {
    run(async {
        let mut crashes = 0;
        for seed in 0..rounds(6) {
            let mut rig = Rig::new(seed);
            // In the middle of use, at some call.
            assert!(cut_power(&mut rig, 60 + seed * 7, seed).await);
            rig.disk.restart(seed);
            for call in 1.. {
                let mut again = rig.fork(seed ^ call << 8);
                again.disk.plan(call, Fault::PowerLoss);
                let opened = again.open();
                if again.disk.faulted().is_none() {
                    break;
                }
                drop(opened);
                crashes += 1;
                again.disk.restart(seed * 1000 + call);
                come_back(&mut again, seed).await;
            }
        }
        println!("{crashes} crashes of starts");
        assert!(crashes > 60, "{crashes}");
    });
}

/// The process ends, the system does not: what was written and not synced is there, until the power goes.
#[test]
fn what_a_start_shows_stays_even_if_it_was_never_synced() {
    run(async {
        let mut lost = 0;
        for seed in 0..rounds(80) {
            let mut rig = Rig::new(seed);
            let (log, _) = rig.open().unwrap();
            let mut rng = StdRng::seed_from_u64(seed);
            rig.play(&log, 8, &mut rng).await.unwrap();
            // A sync fails; the system shows what was written, and counts it as clean.
            rig.disk.plan(2, Fault::InputOutput);
            rig.play(&log, 8, &mut rng).await.unwrap_err();
            if rig.disk.faulted().map(|(call, _)| call) != Some("sync") {
                continue;
            }
            lost += 1;
            let (log, opening) = rig.open().unwrap();
            assert_eq!(opening.set_aside, None);
            rig.compare(&log).await;
            rig.disk.restart(seed);
            let (log, opening) = rig.open().unwrap();
            assert_eq!(opening.set_aside, None);
            rig.compare(&log).await;
        }
        assert!(lost > 30, "{lost}");
    });
}

/// A purge is asked for while others' records are synced, and makes the oldest segment needless. It may go once the purge
/// is durable, and not before, or its entries would be gone with nothing to tell why.
#[test]
fn an_old_segment_outlives_what_makes_it_needless() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let mut purges = 0;
        for call in 1..12 {
            let sim = SimDisk::new();
            let disk: Arc<dyn Disk> = Arc::new(sim.clone());
            let open = || Log::open(Arc::clone(&disk), Path::new(DIR), Rig::config(), Arc::new(OsRandom));
            let (log, _) = open().await.unwrap();
            let (group, other) = (log.group(GroupId::new(1)), log.group(GroupId::new(2)));
            for index in 1..12 {
                group.append(vec![LogEntry { term: 1, index, payload: Bytes::from(vec![1; 300]) }]).await.unwrap();
            }
            assert!(log.status().segments > 1);
            let before = sim.syncs();
            sim.hold(Path::new(DIR));
            let vote = tokio::spawn(async move { other.save_vote(Bytes::from_static(b"vote")).await });
            let deadline = Instant::now() + Duration::from_secs(30);
            while sim.syncs() == before {
                assert!(Instant::now() < deadline, "the writer does not sync");
                tokio::task::yield_now().await;
            }
            let asker = group.clone();
            let purge = tokio::spawn(async move { asker.purge_upto(10, Bytes::from_static(b"marker")).await });
            while group.state().unwrap().purged.is_none() {
                assert!(Instant::now() < deadline, "the purge is not asked for");
                tokio::task::yield_now().await;
            }
            sim.plan(call, Fault::PowerLoss);
            sim.release();
            let (_, purge) = (vote.await.unwrap(), purge.await.unwrap());
            drop(log.close().await);
            sim.restart(1);
            let (log, opening) = open().await.unwrap();
            assert_eq!(opening.set_aside, None, "call {call}");
            let state = log.group(GroupId::new(1)).state().unwrap();
            let (first, gone) = (state.first.unwrap().index, state.purged.map_or(0, |last| last.index));
            assert!(first == gone + 1, "call {call}: entries begin at {first}, {gone} were purged");
            assert!(purge.is_err() || gone == 10, "call {call}");
            purges += u32::from(gone == 10);
            log.close().await.unwrap();
        }
        assert!(purges > 2 && purges < 11, "{purges}");
    });
}
