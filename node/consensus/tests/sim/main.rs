//! Groups under attack, in one thread and from one seed: real log and records on simulated disks, real Raft, slots that
//! move between groups, a network that loses, delays and cuts, clocks that are wrong, disks that fail, nodes that stop,
//! start and lose everything.
//!
//! ```text
//!   world ── nodes (node, seats, serve), clients (client) and who moves slots (conductor), on turmoil's network (net)
//!     │         │                            │
//!   nemesis   watch: what must be so       history ─► check: is there an order that explains every answer?
//! ```
//!
//! `STORGO_SEEDS=1..5000 cargo test -p storgo-consensus --test sim seeds -- --nocapture` runs seeds, on all cores; a
//! failure names its own, and the same seed does the same again, which is tested too.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a simulation fails by panicking and says what it did"
)]
#![allow(clippy::cast_possible_truncation, clippy::indexing_slicing, reason = "numbers are small here")]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no readers of its API")]

mod world;

mod cluster;
mod node;
mod seats;
mod serve;

mod caller;
mod client;
mod conductor;

mod nemesis;
mod net;
mod power;

mod check;
mod history;
mod operation;
mod trace;
mod watch;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use world::run;

fn range(name: &str, default: Range<u64>) -> Range<u64> {
    let Ok(asked) = std::env::var(name) else { return default };
    let (first, end) = asked.split_once("..").expect("FIRST..END");
    first.parse().expect("a number")..end.parse().expect("a number")
}

/// Runs seeds on all cores, and stops at the first fault.
fn on_all_cores(seeds: Range<u64>, one: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(seed)));
                    if let Err(panic) = done {
                        next.store(seeds.end, Ordering::Relaxed);
                        println!("seed {seed} failed");
                        std::panic::resume_unwind(panic);
                    }
                }
            });
        }
    });
}

#[test]
fn seeds_find_no_fault() {
    let (acknowledged, ahead, runs) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    on_all_cores(range("STORGO_SEEDS", 0..8), |seed| {
        let outcome = run(seed);
        if let Some(fault) = outcome.fault {
            panic!("seed {seed}: {fault}");
        }
        acknowledged.fetch_add(outcome.acknowledged, Ordering::Relaxed);
        ahead.fetch_add(outcome.ahead, Ordering::Relaxed);
        runs.fetch_add(1, Ordering::Relaxed);
    });
    let (acknowledged, ahead, runs) = (acknowledged.into_inner(), ahead.into_inner(), runs.into_inner());
    println!("{runs} seeds, {acknowledged} acknowledged operations, {ahead} more by one disk alone");
    // A run in which nothing succeeds proves nothing.
    assert!(acknowledged > runs * 60, "only {acknowledged} operations in {runs} runs");
}

#[test]
fn the_same_seed_does_the_same_again() {
    on_all_cores(range("STORGO_TWICE", 0..2), |seed| {
        let (first, second) = (run(seed), run(seed));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.acknowledged, second.acknowledged, "seed {seed}");
    });
}

/// Each fault that is planted has to be caught; `STORGO_PLANTED=1` builds them in.
#[cfg(storgo_planted)]
mod planted {
    use std::process::{Command, Stdio};

    use storgo_consensus::planted::{Planted, plant};

    use super::{range, run};

    // 500 seeds meet all but `LeaseOutlivesElections`, which the 544th does. Two more can be planted that 1,000 do not
    // meet, since several things have to happen within a quarter of a second: `RestartedVoterVotes` and
    // `LeaseOutlivesTransfer`. Tests of groups (`lease`) break when they are real.
    const FAULTS: [Planted; 13] = [
        Planted::AcknowledgedBeforeSync,
        Planted::VoteNotPersisted,
        Planted::FollowerRead,
        Planted::SnapshotWithoutMembership,
        Planted::LogTruncated,
        Planted::RetryDoneAgain,
        Planted::WipedVoterVotes,
        Planted::ExpiryByLocalClock,
        Planted::SlotAnsweredTwice,
        Planted::WrongClockStamps,
        Planted::LeaseOutlivesElections,
        Planted::PromiseUntold,
        Planted::GapsUnseen,
    ];

    /// Runs seeds with one fault until it is caught. In a process of its own: some faults make openraft abort.
    #[test]
    #[ignore = "started by the test below, with a fault"]
    fn one_fault_is_not_caught() {
        let fault = std::env::var("STORGO_FAULT").expect("a fault").parse::<usize>().expect("its number");
        for seed in range("STORGO_SEEDS", 0..1000) {
            println!("seed {seed}");
            plant(Some(FAULTS[fault]));
            if let Some(found) = run(seed).fault {
                panic!("{found}");
            }
        }
    }

    #[test]
    fn every_planted_fault_is_caught() {
        let mut missed = Vec::new();
        for (number, fault) in FAULTS.into_iter().enumerate() {
            let child = Command::new(std::env::current_exe().expect("this test"))
                .args(["planted::one_fault_is_not_caught", "--exact", "--ignored", "--nocapture"])
                .env("STORGO_FAULT", number.to_string())
                .env("RUST_BACKTRACE", "0")
                .stdin(Stdio::null())
                .output()
                .expect("a child");
            let said = String::from_utf8_lossy(&child.stdout).into_owned();
            let seed = said.lines().rev().find(|line| line.starts_with("seed ")).unwrap_or_default().to_owned();
            let why = String::from_utf8_lossy(&child.stderr).into_owned();
            let why: String = why
                .lines()
                .skip_while(|line| !line.contains("panicked"))
                .nth(1)
                .unwrap_or_default()
                .chars()
                .take(160)
                .collect();
            println!("{fault:?}: caught {}, {seed}: {why}", !child.status.success());
            if child.status.success() {
                missed.push(fault);
            }
        }
        assert!(missed.is_empty(), "not caught: {missed:?}");
    }
}
