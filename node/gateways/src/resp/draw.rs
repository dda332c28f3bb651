//! Numbers drawn from a seed: a command that is done anew draws the same ones again.

/// What is left to be drawn.
///
/// # Source
/// `SplitMix64`, of Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Debug, Clone)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) const fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A place among so many; 0 if there is none.
    pub(super) fn below(&mut self, total: usize) -> usize {
        let drawn = (u128::from(self.next()) * total as u128) >> 64;
        usize::try_from(drawn).unwrap_or(0)
    }

    /// So many places among all, none twice, in any order; all if there are no more.
    pub(super) fn distinct(&mut self, count: usize, total: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..total).collect();
        let count = count.min(total);
        for place in 0..count {
            let other = place + self.below(total - place);
            places.swap(place, other);
        }
        places.truncate(count);
        places
    }

    /// As many places as a client wants: none twice if it is positive, and each drawn from all if it is negative.
    pub(super) fn places(&mut self, count: i64, total: usize) -> Vec<usize> {
        let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if count >= 0 {
            return self.distinct(wanted, total);
        }
        if total == 0 { Vec::new() } else { (0..wanted).map(|_| self.below(total)).collect() }
    }
}

/// A number of whose bits each depends on all of another's.
pub(super) const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_source() {
        let mut draw = Draw::from_seed(1_234_567);
        let drawn: Vec<_> = (0..3).map(|_| draw.next()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn places_are_drawn_evenly_and_once_each_unless_they_may_repeat() {
        let mut seen = [0_u32; 7];
        for seed in 0..7000 {
            let mut places = Draw::from_seed(mix(seed)).places(3, 7);
            for place in &places {
                seen[*place] += 1;
            }
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), 3);
        }
        assert!(seen.iter().all(|times| (2800..3200).contains(times)), "{seen:?}");
        let mut draw = Draw::from_seed(1);
        assert_eq!((draw.places(9, 7).len(), draw.places(-9, 7).len()), (7, 9));
        assert_eq!((draw.places(9, 0).len(), draw.places(-9, 0).len(), draw.below(0)), (0, 0, 0));
    }
}
