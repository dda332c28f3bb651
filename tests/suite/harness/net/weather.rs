//! What a wire does to frames: pure chance over a seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::frame;

/// How a wire is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Weather {
    /// How long a frame takes.
    pub delay: Duration,
    /// By how much more or less, evenly spread; frames may overtake one another.
    pub jitter: Duration,
    /// Share of frames that are lost, 0 to 1.
    pub loss: f64,
    /// Share of frames in which one bit of the payload is flipped, and how.
    pub corruption: Option<(f64, Corruption)>,
    /// Whether nothing passes.
    pub cut: bool,
}

/// Whether the kernel can notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corruption {
    /// The checksum is left: the kernel drops the packet.
    Seen,
    /// The checksum is mended: the flipped bit reaches the process.
    Unseen,
}

/// What becomes of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Lost,
    Arrives { after: Duration, corrupted: bool },
}

/// The dice.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Decides over a frame, and falsifies it if need be.
    pub fn fate(&mut self, weather: &Weather, bytes: &mut [u8]) -> Fate {
        if weather.cut || (weather.loss > 0.0 && self.0.random_bool(weather.loss)) {
            return Fate::Lost;
        }
        let mut after = weather.delay;
        if !weather.jitter.is_zero() {
            after =
                (weather.delay + weather.jitter.mul_f64(2.0 * self.0.random::<f64>())).saturating_sub(weather.jitter);
        }
        let corrupted = match weather.corruption {
            Some((share, how)) if self.0.random_bool(share) => {
                frame::corrupt(bytes, self.0.random_range(0..1 << 20), how == Corruption::Unseen)
            }
            _ => false,
        };
        Fate::Arrives { after, corrupted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_lost_and_the_rest_is_late_within_its_bounds() {
        let [delay, jitter] = [100, 50].map(Duration::from_millis);
        let weather = Weather { delay, jitter, loss: 0.2, ..Weather::default() };
        let mut dice = Dice::new(7);
        let fates: Vec<_> = (0..10_000).map(|_| dice.fate(&weather, &mut [])).collect();
        let lost = fates.iter().filter(|fate| **fate == Fate::Lost).count();
        assert!((1_800..2_200).contains(&lost), "{lost}");
        for fate in fates {
            if let Fate::Arrives { after, .. } = fate {
                assert!((Duration::from_millis(50)..=Duration::from_millis(150)).contains(&after), "{after:?}");
            }
        }
        assert_eq!(dice.fate(&Weather { cut: true, ..Weather::default() }, &mut []), Fate::Lost);
    }
}
