//! A progress bar for what takes longer than a second: how much, how fast, how long yet.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use storgo_node::object::Progress;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::amounts;
use crate::output::Output;
use crate::speed::Speed;

/// What is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

const REDRAW: Duration = Duration::from_millis(100);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Counts bytes.
    Put,
    /// Counts bytes.
    Get,
    /// Counts stripes.
    Repair,
}

/// Waits for `work`, and draws how far it is if somebody watches and it takes longer than a second.
pub(crate) async fn watch<T>(output: Output, what: Work, progress: &Progress, work: impl Future<Output = T>) -> T {
    if !output.is_watched() {
        return work.await;
    }
    let mut work = std::pin::pin!(work);
    let start = Instant::now();
    tokio::select! {
        done = &mut work => return done,
        () = sleep_until(start + PATIENCE) => {}
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message(what.name());
    bar.set_style(style(TEMPLATE));
    let mut speed = Speed::default();
    let mut ticks = interval_at(start + PATIENCE, REDRAW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            done = &mut work => {
                bar.finish_and_clear();
                return done;
            }
            _ = ticks.tick() => {
                let (done, total) = (progress.done_bytes(), progress.total_bytes());
                bar.set_length(total.max(1));
                bar.set_position(done);
                if what.has_begun(progress) {
                    speed.note(Instant::now(), done);
                }
                bar.set_prefix(what.words(done, total, speed.measured(), start.elapsed()));
            }
        }
    }
}

const TEMPLATE: &str = "{msg} {wide_bar:.cyan/dim} {prefix}";

impl Work {
    const fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Repair => "repair",
        }
    }

    /// Whether anything was done in this run: what a get finds done already does not go over the network.
    fn has_begun(self, progress: &Progress) -> bool {
        match self {
            Self::Get => progress.moved_bytes() > 0,
            Self::Put | Self::Repair => progress.done_bytes() > 0,
        }
    }

    /// How much of how much, how fast (so much in such a time), and how long yet; a total of 0 is not known.
    fn words(self, done: u64, total: u64, speed: Option<(u64, Duration)>, waited: Duration) -> String {
        let amount = |count| match self {
            Self::Put | Self::Get => amounts::bytes(count),
            Self::Repair => amounts::count(count, "stripe"),
        };
        let rate = |(count, took): (u64, Duration)| match self {
            Self::Put | Self::Get => amounts::rate(count, took),
            Self::Repair => format!("{:.0}/s", amounts::as_f64(count) / took.as_secs_f64().max(1e-9)),
        };
        let rate = speed.map(|speed| format!("  {}", rate(speed))).unwrap_or_default();
        if total == 0 {
            return format!("{}{rate}  {}", amount(done), amounts::time(waited));
        }
        let left = speed.and_then(|(count, took)| {
            let parts = amounts::as_f64(total.saturating_sub(done)) / amounts::as_f64(count);
            // Nothing in a while is for ever, which is no time.
            Duration::try_from_secs_f64(took.as_secs_f64() * parts).ok()
        });
        let left = left.map(|left| format!("  {} left", amounts::time(left))).unwrap_or_default();
        format!("{} of {}{rate}{left}", amount(done), amount(total))
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_how_much_how_fast_and_how_long_yet() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
        let took = Duration::from_secs(2);
        let at = |count| Some((count, took));
        assert_eq!(
            Work::Put.words(10_000_000, 40_000_000, at(10_000_000), took),
            "10.0 MB of 40.0 MB  5 MB/s  6.0 s left"
        );
        assert_eq!(
            Work::Get.words(30_000_000, 40_000_000, at(2_000_000), took),
            "30.0 MB of 40.0 MB  1 MB/s  10.0 s left"
        );
        assert_eq!(Work::Get.words(0, 40_000_000, None, took), "0 B of 40.0 MB");
        assert_eq!(Work::Get.words(7, 40_000_000, at(0), took), "7 B of 40.0 MB  0 MB/s");
        assert_eq!(Work::Put.words(10_000_000, 0, at(10_000_000), took), "10.0 MB  5 MB/s  2.0 s");
        assert_eq!(Work::Repair.words(128, 256, at(128), took), "128 stripes of 256 stripes  64/s  2.0 s left");
    }

    #[tokio::test]
    async fn work_comes_back_with_its_value() {
        let progress = Progress::default();
        assert_eq!(watch(Output { json: true }, Work::Get, &progress, async { 7 }).await, 7);
    }
}
