//! Stands in the place of the crate `base2histogram`, as far as openraft uses it.
//!
//! openraft measures its own batches and stages in some fifteen histograms a group, and shows them to nobody unless it is
//! built with `runtime-stats`, which storgo is not. That crate makes tables for every width that a histogram may have the
//! first time that one is made, 25 MiB in each process, and each histogram takes 2 KiB more. These count their samples and
//! keep nothing else: memory is better spent on records. The decision stands in `docs/adr/0016-openraft-unmeasured.md`.

use std::fmt;
use std::marker::PhantomData;

/// How many samples there were. `T` is what the real one keeps beside each period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    samples: u64,
    beside: PhantomData<T>,
}

impl<T> Histogram<T> {
    /// Of no samples.
    #[must_use]
    pub const fn new() -> Self {
        Self { samples: 0, beside: PhantomData }
    }

    /// Counts a sample.
    pub const fn record(&mut self, _value: u64) {
        self.record_n(0, 1);
    }

    /// Counts some equal samples.
    pub const fn record_n(&mut self, _value: u64, count: u64) {
        self.samples = self.samples.saturating_add(count);
    }

    /// How many there were.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.samples
    }

    /// Their number, and no percentile.
    #[must_use]
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats { samples: self.samples, ..PercentileStats::default() }
    }
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// What the real one tells of a histogram. All but the number of samples is 0 here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the percentile of its name")]
pub struct PercentileStats {
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} samples, not kept", self.samples)
    }
}

/// A picture of histograms: here their names and numbers of samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AsciiChart(String);

impl AsciiChart {
    /// Of none.
    #[must_use]
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// With one more.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the interface is the real one's")]
    pub fn add(self, name: &str, histogram: Histogram) -> Self {
        Self(format!("{}{name}: {}\n", self.0, histogram.percentile_stats()))
    }

    /// The picture.
    #[must_use]
    pub const fn detailed(&self) -> &Self {
        self
    }

    /// The picture, in fewer lines.
    #[must_use]
    pub const fn compact(&self) -> &Self {
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_counted_and_not_kept() {
        let mut histogram = Histogram::<()>::new();
        histogram.record(7);
        histogram.record_n(9, 2);
        assert_eq!(histogram.total(), 3);
        assert_eq!(histogram.percentile_stats(), PercentileStats { samples: 3, ..PercentileStats::default() });
        assert_eq!(AsciiChart::new().add("steps", histogram).to_string(), "steps: 3 samples, not kept\n");
        assert!(size_of::<Histogram>() <= 8, "there is one for each of some fifteen figures of each group");
    }
}
