//! Groups under attack, in one thread and from one seed: real log and records on simulated disks, real Raft, a network
//! that loses, delays and cuts, clocks that are wrong, nodes that stop, start and lose everything.
//!
//! ```text
//!   world ── hosts (node) and clients (client) on turmoil's network (net)
//!     │         │
//!   nemesis   history ─► check: is there an order of all operations that explains every answer?
//! ```
//!
//! `STORGO_SEEDS=1..5000 cargo test -p storgo-consensus --test sim seeds -- --nocapture` runs seeds; a failure names its
//! own, and the same seed does the same again, which is tested too.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a simulation fails by panicking")]
#![allow(clippy::cast_possible_truncation, clippy::indexing_slicing, reason = "numbers are small here")]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no readers of its API")]

mod check;
mod client;
mod history;
mod nemesis;
mod net;
mod node;
mod trace;
mod world;

use std::ops::Range;

use world::run;

fn seeds(default: Range<u64>) -> Range<u64> {
    let Ok(asked) = std::env::var("STORGO_SEEDS") else { return default };
    let (first, end) = asked.split_once("..").expect("STORGO_SEEDS is FIRST..END");
    first.parse().expect("a number")..end.parse().expect("a number")
}

#[test]
fn seeds_find_no_fault() {
    let (mut acknowledged, mut runs) = (0, 0);
    for seed in seeds(0..20) {
        let outcome = run(seed);
        if let Some(fault) = outcome.fault {
            panic!("seed {seed}: {fault}");
        }
        acknowledged += outcome.acknowledged;
        runs += 1;
    }
    println!("{runs} seeds, {acknowledged} acknowledged operations");
    // A run in which nothing succeeds proves nothing.
    assert!(acknowledged > runs * 30, "only {acknowledged} operations in {runs} runs");
}

#[test]
fn the_same_seed_does_the_same_again() {
    for seed in seeds(0..3) {
        let (first, second) = (run(seed), run(seed));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.acknowledged, second.acknowledged, "seed {seed}");
    }
}

/// Each fault that is planted has to be caught; `STORGO_PLANTED=1` builds them in.
#[cfg(storgo_planted)]
#[test]
fn every_planted_fault_is_caught() {
    use storgo_consensus::planted::{Planted, plant};
    let faults = [
        Planted::AcknowledgedBeforeSync,
        Planted::VoteNotPersisted,
        Planted::FollowerRead,
        Planted::SnapshotWithoutMembership,
        Planted::LogTruncated,
        Planted::RetryDoneAgain,
        Planted::WipedVoterVotes,
        Planted::ExpiryByLocalClock,
    ];
    let missed: Vec<Planted> = faults
        .into_iter()
        .filter(|fault| {
            let caught = seeds(0..500).find_map(|seed| {
                plant(Some(*fault));
                let outcome = std::panic::catch_unwind(|| run(seed));
                plant(None);
                let found = outcome.map_or_else(|_| Some("a panic".to_owned()), |outcome| outcome.fault)?;
                Some((seed, found.lines().next().unwrap_or_default().to_owned()))
            });
            println!("{fault:?}: {caught:?}");
            caught.is_none()
        })
        .collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
