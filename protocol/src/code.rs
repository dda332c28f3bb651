//! Redundancy: the policy a user names, the code it means, and the sets of shards it makes.

use std::fmt;
use std::str::FromStr;

use crate::limits::STRIPE_SHARDS_MAX;
use crate::{DecodeError, StripeId};

/// Reed–Solomon over GF(2⁸) (polynomial 0x11d), systematic, the Vandermonde matrix of `reed-solomon-erasure`.
const CODE_REED_SOLOMON: u8 = 1;

/// A code of `data` + `parity` shards, any `data` of which give the chunk back. One data shard means plain copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    data: u8,
    parity: u8,
}

impl Code {
    /// A code of this many shards; `None` without data shards or beyond [`STRIPE_SHARDS_MAX`].
    #[must_use]
    pub const fn new(data: u8, parity: u8) -> Option<Self> {
        if data == 0 || data as usize + parity as usize > STRIPE_SHARDS_MAX {
            return None;
        }
        Some(Self { data, parity })
    }

    /// Shards that are enough to rebuild (k).
    #[must_use]
    pub const fn data(self) -> usize {
        self.data as usize
    }

    /// Shards that may be lost (m).
    #[must_use]
    pub const fn parity(self) -> usize {
        self.parity as usize
    }

    /// All shards of a stripe (k+m).
    #[must_use]
    pub const fn total(self) -> usize {
        self.data as usize + self.parity as usize
    }

    /// Copies of each node of an object under this code: as many losses are survived as for its chunks.
    #[must_use]
    pub const fn node_copies(self) -> usize {
        self.parity as usize + 1
    }

    /// Payload bytes of each shard of a chunk of `sealed_bytes`.
    #[must_use]
    pub const fn shard_bytes(self, sealed_bytes: usize) -> usize {
        sealed_bytes.div_ceil(self.data as usize)
    }

    /// The number that names the kind of code in a format.
    #[must_use]
    pub const fn id(self) -> u8 {
        CODE_REED_SOLOMON
    }

    /// Bytes of the parameters.
    pub const PARAMETER_BYTES: u8 = 2;

    /// The code's parameters as they stand in a format, opaque to whoever does not know the code.
    #[must_use]
    pub const fn parameters(self) -> [u8; Self::PARAMETER_BYTES as usize] {
        [self.data, self.parity]
    }

    /// The code with this number and these parameters.
    ///
    /// # Errors
    /// [`DecodeError::Field`] for a code that is not known here or parameters that it cannot have.
    pub fn from_parameters(id: u8, parameters: &[u8]) -> Result<Self, DecodeError> {
        match (id, parameters) {
            (CODE_REED_SOLOMON, &[data, parity]) => {
                Self::new(data, parity).ok_or(DecodeError::field("code parameters"))
            }
            (CODE_REED_SOLOMON, _) => Err(DecodeError::field("code parameters")),
            _ => Err(DecodeError::field("code id")),
        }
    }
}

/// `erasure:K+M` or `replicate:N`, as people write it.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.data {
            1 => write!(f, "replicate:{}", self.total()),
            _ => write!(f, "erasure:{}+{}", self.data, self.parity),
        }
    }
}

/// A text that names no redundancy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected replicate:N or erasure:K+M with K ≥ 1 and at most {STRIPE_SHARDS_MAX} shards in all, such as erasure:4+2"
)]
pub struct ParseCodeError;

impl FromStr for Code {
    type Err = ParseCodeError;

    fn from_str(text: &str) -> Result<Self, ParseCodeError> {
        // Rust's own parser would take a sign, and `erasure:4++2` with it.
        let number = |digits: &str| {
            let plain = Some(digits).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
            plain.and_then(|digits| digits.parse::<u8>().ok()).ok_or(ParseCodeError)
        };
        let (data, parity) = match text.split_once(':') {
            Some(("replicate", copies)) => (1, number(copies)?.checked_sub(1).ok_or(ParseCodeError)?),
            Some(("erasure", shape)) => {
                let (data, parity) = shape.split_once('+').ok_or(ParseCodeError)?;
                (number(data)?, number(parity)?)
            }
            _ => return Err(ParseCodeError),
        };
        Self::new(data, parity).ok_or(ParseCodeError)
    }
}

/// The place of a shard in its stripe: data first, then parity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ShardIndex(u8);

impl ShardIndex {
    /// The index, if a stripe can have it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the bound is far below 256")]
    pub const fn new(index: usize) -> Option<Self> {
        if index < STRIPE_SHARDS_MAX { Some(Self(index as u8)) } else { None }
    }

    /// The index as a number, for looking into a stripe.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }

    /// The index as it stands in formats.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self.0
    }
}

impl fmt::Display for ShardIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a shard is found: its stripe and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardAddress {
    /// The coding that the shard belongs to.
    pub stripe: StripeId,
    /// Its place in the stripe.
    pub index: ShardIndex,
}

impl fmt::Display for ShardAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stripe, self.index)
    }
}

/// A set of shards of one stripe, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ShardSet(u32);

impl ShardSet {
    /// No shard.
    pub const EMPTY: Self = Self(0);

    /// The first `count` shards of a stripe.
    #[must_use]
    pub const fn first(count: usize) -> Self {
        if count >= STRIPE_SHARDS_MAX { Self(u32::MAX) } else { Self((1 << count) - 1) }
    }

    /// The set with these bits, bit 0 for shard 0.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits, bit 0 for shard 0.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether the shard is in the set.
    #[must_use]
    pub const fn contains(self, index: ShardIndex) -> bool {
        self.0 & (1 << index.0) != 0
    }

    /// Adds a shard.
    pub const fn insert(&mut self, index: ShardIndex) {
        self.0 |= 1 << index.0;
    }

    /// Takes a shard out.
    pub const fn remove(&mut self, index: ShardIndex) {
        self.0 &= !(1 << index.0);
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// How many shards are in the set.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The shards in ascending order.
    pub fn iter(self) -> impl Iterator<Item = ShardIndex> {
        (0..STRIPE_SHARDS_MAX).filter_map(ShardIndex::new).filter(move |index| self.contains(*index))
    }
}

/// What is in any of the sets.
impl FromIterator<Self> for ShardSet {
    fn from_iter<I: IntoIterator<Item = Self>>(sets: I) -> Self {
        sets.into_iter().fold(Self::EMPTY, Self::union)
    }
}

impl FromIterator<ShardIndex> for ShardSet {
    fn from_iter<I: IntoIterator<Item = ShardIndex>>(shards: I) -> Self {
        let mut set = Self::EMPTY;
        shards.into_iter().for_each(|index| set.insert(index));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redundancy_parses_what_it_prints() {
        for text in ["erasure:4+2", "erasure:8+4", "replicate:3", "replicate:1", "erasure:2+0"] {
            assert_eq!(text.parse::<Code>().map(|c| c.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "4+2",
            "erasure:0+2",
            "erasure:30+3",
            "replicate:0",
            "replicate:33",
            "erasure:4",
            "erasure:-1+2",
            "erasure:4++2",
            "replicate:+3",
        ] {
            assert_eq!(text.parse::<Code>(), Err(ParseCodeError), "{text}");
        }
    }

    #[test]
    fn a_shard_set_is_a_set() {
        let mut set = ShardSet::first(4);
        assert_eq!(set.len(), 4);
        let three = ShardIndex::new(3).unwrap();
        set.remove(three);
        assert!(!set.contains(three));
        assert_eq!(set.iter().map(ShardIndex::get).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(ShardSet::first(32).len(), 32);
        assert_eq!(ShardSet::first(6).without(set).len(), 3);
    }
}
