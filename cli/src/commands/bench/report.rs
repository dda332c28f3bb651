//! What `storgo bench codec` found, for people and for `--json`, which is also the form of a baseline.

use serde::{Deserialize, Serialize};

use super::pace::{Calibration, Pace};
use crate::amounts;

/// What was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CodecReport {
    pub(super) cpu: String,
    pub(super) input_bytes: usize,
    pub(super) redundancy: String,
    pub(super) runs: usize,
    pub(super) calibration: Calibration,
    pub(super) random: Figures,
    pub(super) text: Figures,
    /// How much smaller zstd makes the text.
    pub(super) text_ratio: f64,
    pub(super) sum: Sum,
}

/// Figures of one kind of bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) put_fastcdc: Pace,
    pub(super) put_fixed: Pace,
    pub(super) open: Pace,
    pub(super) open_two_lost: Pace,
}

/// Text, against zstd and all that random bytes cost added up: GB per CPU second.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sum {
    pub(super) zstd_alone: f64,
    pub(super) expected_fastcdc: f64,
    /// How much slower text is than that; negative when it is faster.
    pub(super) slower_percent: f64,
}

impl Sum {
    pub(super) fn of(zstd_alone: f64, random: &Figures, text: &Figures) -> Self {
        let expected = 1.0 / (1.0 / zstd_alone + 1.0 / random.put_fastcdc.gb);
        let slower_percent = (expected / text.put_fastcdc.gb - 1.0) * 100.0;
        Self { zstd_alone, expected_fastcdc: expected, slower_percent }
    }
}

impl Figures {
    fn all(&self) -> [Pace; 4] {
        [self.put_fastcdc, self.put_fixed, self.open, self.open_two_lost]
    }
}

impl CodecReport {
    /// All figures, named.
    pub(super) fn figures(&self) -> impl Iterator<Item = (String, Pace)> {
        let kinds = [("random", &self.random), ("text", &self.text)];
        kinds.into_iter().flat_map(|(kind, figures)| {
            COLUMNS.into_iter().zip(figures.all()).map(move |(column, pace)| (format!("{kind}: {column}"), pace))
        })
    }

    pub(super) fn text(&self) -> String {
        let line = |what: &str, cells: [String; 4]| {
            cells.iter().fold(format!("{what:<16}"), |line, cell| format!("{line} {cell:>12}"))
        };
        let speeds = |figures: &Figures| figures.all().map(|pace| format!("{:.2}", pace.gb));
        let ratios = |figures: &Figures| figures.all().map(|pace| format!("{:.3}", pace.of_blake3));
        let Sum { zstd_alone, expected_fastcdc, slower_percent } = self.sum;
        [
            self.cpu.clone(),
            format!(
                "{}, {}, median of {}; GB per CPU second",
                amounts::bytes(self.input_bytes as u64),
                self.redundancy,
                self.runs
            ),
            format!("this machine, now: BLAKE3 {:.2}, memcpy {:.1}", self.calibration.blake3, self.calibration.memcpy),
            String::new(),
            line("", COLUMNS.map(str::to_owned)),
            line("random", speeds(&self.random)),
            line("text", speeds(&self.text)),
            line("random / BLAKE3", ratios(&self.random)),
            line("text / BLAKE3", ratios(&self.text)),
            String::new(),
            format!(
                "zstd alone on text: {zstd_alone:.2} ({:.1} times smaller); with the cost of random bytes: \
                 {expected_fastcdc:.2}; put is {:.0} % {} than that",
                self.text_ratio,
                slower_percent.abs(),
                if slower_percent > 0.0 { "slower" } else { "faster" },
            ),
        ]
        .join("\n")
    }
}

const COLUMNS: [&str; 4] = ["put FastCDC", "put fixed", "open", "open, 2 lost"];
