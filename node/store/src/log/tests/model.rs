//! Random operations, closings and crashes against the model.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::rig::{Rig, rounds, run};
use crate::disk::sim::Fault;

#[test]
fn it_holds_what_the_model_holds_through_closings_and_crashes() {
    run(async {
        let mut operations = 0;
        for seed in 0..rounds(60) {
            let mut rig = Rig::new(seed);
            let mut rng = StdRng::seed_from_u64(seed);
            let mut incarnation = None;
            for _ in 0..6 {
                let (log, opening) = rig.open().unwrap();
                assert_eq!(opening.set_aside, None, "seed {seed}");
                assert_eq!(*incarnation.get_or_insert(opening.incarnation), opening.incarnation);
                rig.compare(&log).await;
                rig.disk.plan(rng.random_range(1..400), Fault::PowerLoss);
                let bursts = rng.random_range(1..60);
                if rig.play(&log, bursts, &mut rng).await.is_ok() && log.close().await.is_ok() {
                    rig.acked = rig.history.len();
                }
                rig.disk.restart(rng.random());
            }
            operations += rig.history.len();
        }
        println!("{operations} operations");
        assert!(operations > 3000, "{operations}");
    });
}
