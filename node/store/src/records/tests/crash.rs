//! The power goes, or the disk fails or is full, at every call, in use and at the start.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::rig::{Rig, rounds, run};
use crate::disk::sim::Fault;

const OPERATIONS: usize = 30;

/// Plays until the fault at call `call`; says whether it came to that.
async fn play_until(rig: &mut Rig, call: u64, fault: Fault) -> bool {
    rig.disk.plan(call, fault);
    let mut rng = StdRng::seed_from_u64(rig.seed);
    if let Ok((records, _)) = rig.open() {
        drop(rig.play(&records, OPERATIONS, &mut rng).await);
        // Nothing of it may go on once the power is back.
        drop(records.close().await);
    }
    rig.disk.faulted().is_some()
}

async fn come_back(rig: &mut Rig) {
    let (records, _) = rig.open().unwrap();
    rig.compare(&records);
    let mut rng = StdRng::seed_from_u64(rig.seed);
    rig.play(&records, 4, &mut rng).await.unwrap();
    records.close().await.unwrap();
    rig.all_is_durable();
    let (records, opening) = rig.open().unwrap();
    assert!(!opening.created && opening.unfinished_imports == 0);
    rig.compare(&records);
    records.close().await.unwrap();
}

#[test]
fn no_crash_loses_what_was_durable_or_mixes_old_and_new() {
    run(async {
        let (mut crashes, mut unfinished) = (0, 0);
        for seed in 0..rounds(3) {
            let step = 1 + seed % 3;
            for call in (1..).step_by(usize::try_from(step).unwrap()) {
                let mut rig = Rig::new(seed);
                if !play_until(&mut rig, call, Fault::PowerLoss).await {
                    break;
                }
                crashes += 1;
                rig.disk.restart(seed * 1000 + call);
                let mut fork = rig.fork();
                let (records, opening) = fork.open().unwrap();
                unfinished += opening.unfinished_imports;
                records.close().await.unwrap();
                come_back(&mut rig).await;
            }
        }
        println!("{crashes} crashes, {unfinished} unfinished imports");
        assert!(crashes > 200, "{crashes}");
    });
}

#[test]
fn no_crash_of_a_start_loses_anything() {
    run(async {
        let mut crashes = 0;
        for seed in 0..rounds(3) {
            let mut rig = Rig::new(seed);
            assert!(play_until(&mut rig, 90 + seed * 17, Fault::PowerLoss).await);
            rig.disk.restart(seed);
            for call in 1.. {
                let mut again = rig.fork();
                again.disk.plan(call, Fault::PowerLoss);
                if let Ok((records, _)) = again.open() {
                    drop(records.close().await);
                }
                if again.disk.faulted().is_none() {
                    break;
                }
                crashes += 1;
                again.disk.restart(seed * 1000 + call);
                come_back(&mut again).await;
            }
        }
        println!("{crashes} crashes of starts");
        assert!(crashes > 30, "{crashes}");
    });
}

#[test]
fn a_failing_or_full_disk_is_told_and_loses_nothing() {
    run(async {
        let (mut faults, mut told) = (0, 0);
        for fault in [Fault::InputOutput, Fault::Full] {
            for call in (1..).step_by(2) {
                let mut rig = Rig::new(call);
                rig.disk.plan(call, fault);
                let mut rng = StdRng::seed_from_u64(1);
                if let Ok((records, _)) = rig.open() {
                    let failed = rig.play(&records, OPERATIONS, &mut rng).await.is_err();
                    told += u64::from(records.close().await.is_err() || failed);
                } else {
                    told += 1;
                }
                if rig.disk.faulted().is_none() {
                    break;
                }
                faults += 1;
                // The process ends, and then the power goes too.
                rig.disk.restart(rng.random());
                come_back(&mut rig).await;
            }
        }
        println!("{faults} faults, {told} told");
        assert!(faults > 100 && told == faults, "{faults} {told}");
    });
}
