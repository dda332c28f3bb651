//! Where content says that a chunk ends: FastCDC 2020, scanned in several places at once.
//!
//! The crate `fastcdc` defines the cuts, and a test holds both to the same ones. The gear hash is a chain in which each
//! byte waits for the one before, so one scan leaves most of a CPU idle; but it forgets a byte after 64 more, so a scan
//! can start anywhere 64 bytes early, and several side by side fill the time. Bytes go in pairs: a table that is shifted
//! beforehand saves every other shift, as in the reference.

use std::fmt;

use fastcdc::v2020::{Normalization, get_gear_with_seed, select_masks};

/// Scans side by side: more would not fit the registers.
const LANES: usize = 4;

/// Bytes that each scan takes before they are compared: long against the 64 bytes that it starts early.
const LANE_BYTES: usize = 4096;

/// Bytes after which the gear hash has forgotten a byte: one bit each.
const MEMORY_BYTES: usize = 64;

/// How strongly lengths are drawn towards the average: the paper's choice, and few chunks are cut by length alone.
pub(crate) const NORMALIZATION: Normalization = Normalization::Level2;

/// The gear table of one secret.
pub(crate) struct Gear {
    table: [u64; 256],
    /// The same, each shifted by one: what the first byte of two adds.
    shifted: [u64; 256],
}

impl Gear {
    pub(crate) fn new(seed: u64) -> Self {
        let mut table = [0; 256];
        table.iter_mut().zip(get_gear_with_seed(seed).0.iter()).for_each(|(own, gear)| *own = *gear);
        Self { table, shifted: table.map(|gear| gear << 1) }
    }

    /// The length of the first chunk of `bytes`, which are all that is left or at least twice the average.
    ///
    /// Below three quarters of the average nothing is looked at, so six bytes of ten are never scanned. Measured on
    /// insertions of 0.1 to 1 MB, that costs a fifteenth more new bytes than to begin at a half; on small edits, none.
    pub(crate) fn cut(&self, bytes: &[u8], average: usize) -> usize {
        let least = least_bytes(average);
        let end = bytes.len().min(average * 2);
        if end <= least {
            return end;
        }
        let (strict, loose) = select_masks(average, NORMALIZATION);
        // The reference looks at pairs, and so never at an odd last byte.
        let (center, pairs_end) = (average.min(end) & !1, end & !1);
        let scan = Scan { gear: self, bytes, start: least };
        scan.first(least, center, strict).or_else(|| scan.first(center, pairs_end, loose)).unwrap_or(end)
    }
}

/// A search for cuts whose hash begins at `start`.
struct Scan<'b> {
    gear: &'b Gear,
    bytes: &'b [u8],
    start: usize,
}

impl Scan<'_> {
    /// The first position from `from` to `to` whose hash has no bit of the mask.
    fn first(&self, from: usize, to: usize, mask: u64) -> Option<usize> {
        let mut at = from;
        while at + LANES * LANE_BYTES <= to {
            if self.any_in_lanes(at, mask) {
                return self.first_in_order(at, to, mask);
            }
            at += LANES * LANE_BYTES;
        }
        self.first_in_order(at, to, mask)
    }

    /// Whether any position of the lanes that begin at `at` has no bit of the mask. A hit is rare, and where it is found
    /// is looked up in order afterwards.
    fn any_in_lanes(&self, at: usize, mask: u64) -> bool {
        let lane = |n: usize| self.bytes.get(at + n * LANE_BYTES..).and_then(<[u8]>::first_chunk::<LANE_BYTES>);
        let (Some(a), Some(b), Some(c), Some(d)) = (lane(0), lane(1), lane(2), lane(3)) else { return true };
        let mut hashes: [u64; LANES] = [0, 1, 2, 3].map(|n| self.hash_before(at + n * LANE_BYTES));
        let (a, b, c, d) = (a.as_chunks::<2>().0, b.as_chunks::<2>().0, c.as_chunks::<2>().0, d.as_chunks::<2>().0);
        a.iter().zip(b).zip(c).zip(d).any(|(((a, b), c), d)| {
            [a, b, c, d].into_iter().zip(&mut hashes).any(|(pair, hash)| self.hits(hash, *pair, mask))
        })
    }

    /// Takes two bytes into the hash; whether it had no bit of the mask after either.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a byte is an index into 256 entries")]
    fn hits(&self, hash: &mut u64, [one, two]: [u8; 2], mask: u64) -> bool {
        // Shifted by one more than it should be, until the second byte is in.
        let after_one = (*hash << 2).wrapping_add(self.gear.shifted[usize::from(one)]);
        *hash = after_one.wrapping_add(self.gear.table[usize::from(two)]);
        after_one & (mask << 1) == 0 || *hash & mask == 0
    }

    fn first_in_order(&self, from: usize, to: usize, mask: u64) -> Option<usize> {
        let mut hash = self.hash_before(from);
        let cut = self.bytes.get(from..to)?.iter().position(|byte| {
            hash = self.roll(hash, *byte);
            hash & mask == 0
        })?;
        Some(from + cut)
    }

    /// The hash as a scan from the start would have it when it comes to `at`.
    fn hash_before(&self, at: usize) -> u64 {
        let seen = at.saturating_sub(MEMORY_BYTES).max(self.start)..at;
        self.bytes.get(seen).unwrap_or_default().iter().fold(0, |hash, byte| self.roll(hash, *byte))
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a byte is an index into 256 entries")]
    fn roll(&self, hash: u64, byte: u8) -> u64 {
        (hash << 1).wrapping_add(self.gear.table[usize::from(byte)])
    }
}

impl fmt::Debug for Gear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The table follows from a secret.
        f.debug_struct("Gear").finish_non_exhaustive()
    }
}

/// Bytes of the shortest content-defined chunk that is not the last.
pub(crate) const fn least_bytes(average: usize) -> usize {
    average / 4 * 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{random_bytes, text_bytes};
    use fastcdc::v2020::cut_gear;

    fn reference(seed: u64, bytes: &[u8], average: usize) -> usize {
        let (table, shifted) = get_gear_with_seed(seed);
        let (strict, loose) = select_masks(average, NORMALIZATION);
        let (low, high) = (least_bytes(average), average * 2);
        cut_gear(bytes, low, average, high, strict, loose, strict << 1, loose << 1, &table, &shifted).1
    }

    #[test]
    fn the_cuts_are_those_of_the_reference() {
        let (random, text) = (random_bytes(1, 3 << 20), text_bytes(3 << 20));
        for seed in 0..40 {
            let gear = Gear::new(seed);
            for bytes in [&random, &text] {
                let bytes = &bytes[seed as usize * 1001..];
                for average in [256, 4096, 65_536, 1 << 18, 1 << 20] {
                    let mut rest = &bytes[..bytes.len().min(average * 20 + seed as usize)];
                    while !rest.is_empty() {
                        let cut = gear.cut(rest, average);
                        assert_eq!(cut, reference(seed, rest, average), "seed {seed}, average {average}");
                        rest = &rest[cut..];
                    }
                }
            }
        }
    }

    #[test]
    fn short_rests_are_cut_as_the_reference_cuts_them() {
        let bytes = random_bytes(2, 1100);
        let gear = Gear::new(9);
        for length in 1..bytes.len() {
            assert_eq!(gear.cut(&bytes[..length], 512), reference(9, &bytes[..length], 512), "{length} bytes");
        }
    }
}
