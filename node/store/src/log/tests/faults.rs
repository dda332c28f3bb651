//! A disk that fails or fills up, at every call.

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use storgo_protocol::GroupId;

use super::rig::{Rig, rounds, run};
use crate::disk::sim::Fault;
use crate::log::LogError;

#[test]
fn every_failed_call_stops_the_log_and_loses_nothing() {
    run(async {
        let mut faults = 0;
        for (seed, fault) in (0..rounds(2)).flat_map(|seed| [(seed, Fault::InputOutput), (seed, Fault::Full)]) {
            for call in 1.. {
                let mut rig = Rig::new(seed);
                rig.disk.plan(call, fault);
                let mut rng = StdRng::seed_from_u64(seed);
                let mut told = true;
                if let Ok((log, _)) = rig.open() {
                    let played = rig.play(&log, 24, &mut rng).await.is_err();
                    if played {
                        // For good, whatever is asked.
                        let group = log.group(GroupId::new(0));
                        assert!(matches!(group.save_vote(Bytes::new()).await, Err(LogError::Stopped { .. })));
                        assert!(matches!(group.state(), Err(LogError::Stopped { .. })));
                        assert!(matches!(group.read(0..9, 9).await, Err(LogError::Stopped { .. })));
                    }
                    told = log.close().await.is_err();
                    assert!(told || !played, "seed {seed}, call {call}");
                }
                let Some((name, path)) = rig.disk.faulted() else { break };
                assert!(told, "seed {seed}, call {call}: {name} of {} was passed over", path.display());
                faults += 1;
                for power_lasts in [true, false] {
                    let mut again = rig.fork(seed + 1);
                    if !power_lasts {
                        again.disk.restart(call);
                    }
                    let (log, opening) = again.open().unwrap();
                    assert_eq!(opening.set_aside, None, "seed {seed}, call {call}");
                    again.compare(&log).await;
                    log.close().await.unwrap();
                }
            }
        }
        println!("{faults} faults");
        assert!(faults > 400, "{faults}");
    });
}
