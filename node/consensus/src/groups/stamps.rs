//! The stamps that a leader gives: its clock, but never one twice nor an earlier one.

use parking_lot::Mutex;
use storgo_protocol::meta::Stamp;

/// The last stamp that was given. What was stamped by an earlier leader is minded where commands are applied.
#[derive(Debug, Default)]
pub(super) struct Stamps(Mutex<Stamp>);

impl Stamps {
    pub(super) fn next(&self, now_ms: u64) -> Stamp {
        let mut last = self.0.lock();
        *last = Stamp::from_ms(now_ms).max(last.next());
        *last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stands_or_goes_back_gives_later_stamps_still() {
        let stamps = Stamps::default();
        let given = [5, 5, 3, 6, 1].map(|now_ms| stamps.next(now_ms));
        assert!(given.is_sorted_by(|before, after| before < after), "{given:?}");
        assert_eq!(given[3], Stamp::from_ms(6));
    }
}
