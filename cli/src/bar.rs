//! A progress bar for what takes longer than a second: how much, how fast, how long yet.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use storgo_node::object::Progress;
use tokio::time::{MissedTickBehavior, interval_at, sleep_until};

use crate::output::Output;

/// What is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

const REDRAW: Duration = Duration::from_millis(100);

/// Waits for `work`, and draws how far it is if somebody watches and it takes longer than a second.
pub(crate) async fn watch<T>(
    output: Output,
    what: &'static str,
    progress: &Progress,
    work: impl Future<Output = T>,
) -> T {
    if !output.is_watched() {
        return work.await;
    }
    let mut work = std::pin::pin!(work);
    let start = tokio::time::Instant::now();
    tokio::select! {
        done = &mut work => return done,
        () = sleep_until(start + PATIENCE) => {}
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message(what);
    bar.set_elapsed(PATIENCE);
    let mut ticks = interval_at(start + PATIENCE, REDRAW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            done = &mut work => {
                bar.finish_and_clear();
                return done;
            }
            _ = ticks.tick() => draw(&bar, progress),
        }
    }
}

fn draw(bar: &ProgressBar, progress: &Progress) {
    let total = progress.total_bytes();
    if total == 0 {
        bar.set_style(style("{spinner} {msg} {decimal_bytes}  {decimal_bytes_per_sec}  {elapsed}"));
    } else {
        bar.set_style(style(
            "{msg} {wide_bar:.cyan/dim} {decimal_bytes} / {decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left",
        ));
        bar.set_length(total);
    }
    bar.set_position(progress.done_bytes());
    bar.tick();
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        assert!(ProgressStyle::with_template("{msg} {wide_bar:.cyan/dim} {decimal_bytes_per_sec}  {eta} left").is_ok());
    }

    #[tokio::test]
    async fn work_comes_back_with_its_value() {
        let progress = Progress::default();
        assert_eq!(watch(Output { json: true }, "test", &progress, async { 7 }).await, 7);
    }
}
