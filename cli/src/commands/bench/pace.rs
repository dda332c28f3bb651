//! How fast something goes per CPU second, beside two known quantities of the same moment.
//!
//! A shared machine is not equally fast from one second to the next, and no two machines are alike. What it costs to
//! hash and to copy bytes just before and just after a run tells how fast the machine was during it; the ratio says
//! what the absolute figure cannot: whether the code got slower. It knows nothing of what is timed.

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::amounts::as_f64;
use crate::error::CliError;

/// Runs of which each figure is the median.
pub(super) const RUNS: usize = 5;

/// Bytes that are hashed again and again: they stay in a core's own cache, so the hash alone is measured.
const HASHED_BYTES: usize = 128 << 10;

/// Bytes that are copied again and again: as many as the pipeline copies at once.
const COPIED_BYTES: usize = 1 << 20;

/// Bytes of each before and after each run: some milliseconds, against some hundred of a run.
const CALIBRATION_BYTES: usize = 32 << 20;

/// The median speed of some runs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Pace {
    /// GB (10⁹ bytes) per CPU second.
    pub(super) gb: f64,
    /// As a part of BLAKE3's speed at that time: 0.2 is a fifth.
    pub(super) of_blake3: f64,
}

/// How fast this machine hashes and copies, in GB per CPU second on one core.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Calibration {
    pub(super) blake3: f64,
    pub(super) memcpy: f64,
}

/// Times runs, and remembers what was seen of the machine.
#[derive(Debug)]
pub(super) struct Pacer {
    source: Vec<u8>,
    target: Vec<u8>,
    seen: Vec<Calibration>,
}

impl Pacer {
    pub(super) fn new() -> Self {
        Self { source: vec![7; COPIED_BYTES], target: vec![0; COPIED_BYTES], seen: Vec::new() }
    }

    /// The median pace of [`RUNS`] runs, each of which goes through `bytes` bytes. Nothing else may run in this process
    /// meanwhile.
    pub(super) fn pace(
        &mut self,
        bytes: usize,
        mut run: impl FnMut() -> Result<(), CliError>,
    ) -> Result<Pace, CliError> {
        let (mut speeds, mut ratios) = (Vec::new(), Vec::new());
        let mut before = self.calibrate();
        for _ in 0..RUNS {
            let start = cpu_seconds();
            run()?;
            let speed = gb_per_second(bytes, cpu_seconds() - start);
            let after = self.calibrate();
            speeds.push(speed);
            // The seconds are averaged, so the speeds are by their harmonic mean.
            ratios.push(speed * (1.0 / before.blake3 + 1.0 / after.blake3) / 2.0);
            before = after;
        }
        Ok(Pace { gb: median(speeds), of_blake3: median(ratios) })
    }

    /// The medians of what was seen of the machine so far.
    pub(super) fn calibration(&self) -> Calibration {
        Calibration {
            blake3: median(self.seen.iter().map(|seen| seen.blake3).collect()),
            memcpy: median(self.seen.iter().map(|seen| seen.memcpy).collect()),
        }
    }

    fn calibrate(&mut self) -> Calibration {
        let hashed = self.source.get(..HASHED_BYTES).unwrap_or_default();
        let blake3 = repeat(HASHED_BYTES, || {
            black_box(blake3::hash(black_box(hashed)));
        });
        let memcpy = repeat(COPIED_BYTES, || black_box(&mut self.target).copy_from_slice(black_box(&self.source)));
        let seen = Calibration { blake3, memcpy };
        self.seen.push(seen);
        seen
    }
}

/// GB per CPU second of doing `bytes` bytes over and over.
fn repeat(bytes: usize, mut run: impl FnMut()) -> f64 {
    let start = cpu_seconds();
    (0..CALIBRATION_BYTES / bytes).for_each(|_| run());
    gb_per_second(CALIBRATION_BYTES, cpu_seconds() - start)
}

fn gb_per_second(bytes: usize, seconds: f64) -> f64 {
    as_f64(bytes as u64) / 1e9 / seconds.max(1e-9)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// CPU seconds of this process so far.
#[expect(clippy::cast_precision_loss, reason = "seconds of one process")]
pub(super) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    // How fast is for the gate to judge, in a process of its own; tests beside this one take CPU time too.
    #[test]
    fn a_pace_is_told_beside_what_the_machine_did() {
        let mut pacer = Pacer::new();
        let input = vec![1; 8 << 20];
        let mut runs = 0;
        let hash = || {
            black_box(blake3::hash(black_box(&input)));
            runs += 1;
            Ok(())
        };
        let pace = pacer.pace(input.len(), hash).unwrap();
        assert_eq!(runs, RUNS);
        assert!(pace.gb > 0.0 && pace.of_blake3 > 0.0 && pace.of_blake3.is_finite(), "{pace:?}");
        let Calibration { blake3, memcpy } = pacer.calibration();
        assert!(blake3 > 0.0 && memcpy > 0.0);
    }
}
