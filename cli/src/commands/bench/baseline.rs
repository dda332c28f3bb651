//! Compares what was measured with what is kept from an earlier run.
//!
//! Only parts of BLAKE3's speed are compared, never speeds: those follow the machine and its neighbours.

use std::path::Path;

use serde::Serialize;

use super::pace::Pace;
use super::report::CodecReport;
use crate::error::{CliError, Exit};

/// How much slower than the baseline a figure may be. Runs of one build, with 17 to 25 processes waiting for two cores,
/// lay within 13 % of their medians, once 20 %; to hash every byte twice more than needed costs a third.
const SLOWER_PERCENT_MAX: f64 = 25.0;

/// One figure beside its baseline.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    pub(super) what: String,
    pub(super) before: f64,
    pub(super) now: f64,
    /// How much more CPU time it takes; negative for less.
    pub(super) slower_percent: f64,
}

/// Reads a baseline: what `storgo bench codec --json` printed.
pub(super) fn read(path: &Path) -> Result<CodecReport, CliError> {
    let reading = |error| CliError::io(format!("reading {}", path.display()), error);
    let text = std::fs::read_to_string(path).map_err(reading)?;
    serde_json::from_str(&text).map_err(|error| {
        let error = CliError::new(Exit::Usage, format!("{} is no baseline: {error}", path.display()));
        error.hint("make one: storgo bench codec --json > FILE")
    })
}

/// Both reports, figure by figure.
pub(super) fn compare(before: &CodecReport, now: &CodecReport) -> Vec<Compared> {
    let both = before.figures().zip(now.figures());
    both.map(|((what, before), (_, now))| Compared::of(what, before, now)).collect()
}

/// What to print.
pub(super) fn text(compared: &[Compared]) -> String {
    let line = |figure: &Compared| {
        let Compared { what, before, now, slower_percent } = figure;
        let mark = if figure.is_worse() { "  too slow" } else { "" };
        format!("{what:<24} {before:>8.3} {now:>8.3} {slower_percent:>+8.1} %{mark}")
    };
    let head = format!("{:<24} {:>8} {:>8} {:>8}", "part of BLAKE3's speed", "before", "now", "CPU time");
    [head].into_iter().chain(compared.iter().map(line)).collect::<Vec<_>>().join("\n")
}

/// # Errors
/// If any figure is worse than the baseline by more than is allowed.
pub(super) fn judge(compared: &[Compared], path: &Path) -> Result<(), CliError> {
    let worse: Vec<&str> =
        compared.iter().filter(|figure| figure.is_worse()).map(|figure| figure.what.as_str()).collect();
    if worse.is_empty() {
        return Ok(());
    }
    let text = format!("more than {SLOWER_PERCENT_MAX:.0} % more CPU time than the baseline: {}", worse.join("; "));
    Err(CliError::new(Exit::Failed, text)
        .hint(format!("if this is meant: storgo bench codec --json > {}", path.display())))
}

impl Compared {
    fn of(what: String, before: Pace, now: Pace) -> Self {
        let slower_percent = (before.of_blake3 / now.of_blake3.max(1e-9) - 1.0) * 100.0;
        Self { what, before: before.of_blake3, now: now.of_blake3, slower_percent }
    }

    fn is_worse(&self) -> bool {
        self.slower_percent > SLOWER_PERCENT_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(before: f64, now: f64) -> Vec<Compared> {
        let pace = |of_blake3| Pace { gb: 1.0, of_blake3 };
        vec![Compared::of("it".into(), pace(0.2), pace(0.2)), Compared::of("that".into(), pace(before), pace(now))]
    }

    #[test]
    fn a_quarter_more_time_is_refused_and_less_is_not() {
        let path = Path::new("baseline.json");
        assert!(judge(&compared(0.2, 0.2), path).is_ok());
        assert!(judge(&compared(0.2, 0.4), path).is_ok(), "faster");
        assert!(judge(&compared(0.2, 0.165), path).is_ok());
        let slow = compared(0.2, 0.155);
        let refusal = judge(&slow, path).unwrap_err();
        assert!(refusal.lines().concat().contains("baseline: that"), "{refusal:?}");
        assert!(text(&slow).ends_with("too slow"), "{}", text(&slow));
    }
}
