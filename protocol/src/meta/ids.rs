//! The names of metadata: buckets, objects, versions, requests; and the stamps that order versions.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use crate::limits::REQUEST_WINDOW_MS;
use crate::{DecodeError, GroupId, ParseIdError};

/// Declares one 16-byte id type that prints as 32 lower-case hexadecimal digits.
macro_rules! id16 {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Takes 16 bytes for this id; nothing is checked.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The id's bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let refuse = || ParseIdError { kind: $kind, reason: "expected 32 lower-case hexadecimal digits" };
                let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| refuse())?;
                Ok(Self(bytes.try_into().map_err(|_| refuse())?))
            }
        }
    };
}

id16!(
    /// A bucket, whatever it is called. Random; never used again when a bucket of the same name is made anew.
    BucketId, "bucket id"
);

id16!(
    /// What a key names, made at random by the creator of its first version; kept by overwrite and rename, new for a
    /// copy.
    ObjectId, "object id"
);

id16!(
    /// One version of one key: the stamp that its group gave it (big-endian), and the group (big-endian). Made when the
    /// write is applied, and used once in a network.
    VersionId, "version id"
);

id16!(
    /// One intention of one client, kept by all its retries: milliseconds since 1970 when it was formed (six bytes,
    /// big-endian), and ten random bytes.
    RequestId, "request id"
);

id16!(
    /// Who hears what is said in a bucket at one place, from when it begins to until it ends. Random.
    HearerId, "hearer id"
);

impl VersionId {
    /// The version stamped so by this group.
    #[must_use]
    pub fn new(stamp: Stamp, group: GroupId) -> Self {
        let number = (u128::from(stamp.as_u64()) << 64) | u128::from(group.as_u64());
        Self(number.to_be_bytes())
    }

    /// When it was written, in the order of its group.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp::from_u64(self.0.first_chunk().copied().map_or(0, u64::from_be_bytes))
    }

    /// The group that stamped it.
    #[must_use]
    pub fn group(&self) -> GroupId {
        GroupId::new(self.0.last_chunk().copied().map_or(0, u64::from_be_bytes))
    }
}

impl RequestId {
    /// A request formed at this time.
    #[must_use]
    pub fn new(formed_ms: u64, random: [u8; 10]) -> Self {
        let [_, _, time @ ..] = formed_ms.min((1 << 48) - 1).to_be_bytes();
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(time.into_iter().chain(random)) {
            *to = from;
        }
        Self(bytes)
    }

    /// When it was formed, by its client's clock.
    #[must_use]
    pub fn formed_ms(&self) -> u64 {
        self.0.first_chunk().copied().map_or(0, u64::from_be_bytes) >> 16
    }

    /// Whether a group whose clock shows `now_ms` may still act on it: not so old that its first attempt may have been
    /// forgotten, and not so far ahead that it would be remembered for long.
    #[must_use]
    pub fn is_current(&self, now_ms: u64) -> bool {
        self.formed_ms().abs_diff(now_ms) <= REQUEST_WINDOW_MS
    }
}

/// A hybrid logical time: 48 bits of milliseconds since 1970, and 16 bits that count within one. A group gives each
/// once, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp(u64);

impl Stamp {
    /// Before all others.
    pub const ZERO: Self = Self(0);

    /// The first stamp of this millisecond.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms << 16)
    }

    /// Takes the number as it is written.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number as it is written.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0 >> 16
    }

    /// The one right behind.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

pub(crate) fn version(bytes: &[u8]) -> Result<VersionId, DecodeError> {
    super::fixed(bytes, "version").map(VersionId)
}

pub(crate) fn version_or_none(bytes: &[u8]) -> Result<Option<VersionId>, DecodeError> {
    Ok(super::fixed_or_none(bytes, "version")?.map(VersionId))
}

pub(crate) fn version_bytes(id: Option<VersionId>) -> bytes::Bytes {
    id.map(|id| id.0.to_vec()).unwrap_or_default().into()
}

pub(crate) fn bucket(bytes: &[u8]) -> Result<BucketId, DecodeError> {
    super::fixed(bytes, "bucket").map(BucketId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_a_group_sort_as_they_were_stamped() {
        let group = GroupId::new(7);
        let [early, late] = [Stamp::from_ms(5).next(), Stamp::from_ms(6)].map(|stamp| VersionId::new(stamp, group));
        assert!(early < late);
        assert_eq!((late.stamp(), late.group()), (Stamp::from_ms(6), group));
        assert_eq!(late.to_string().parse(), Ok(late));
    }

    #[test]
    fn a_request_knows_when_it_was_formed_and_ends_with_its_window() {
        let request = RequestId::new(1_000_000, [9; 10]);
        assert_eq!(request.formed_ms(), 1_000_000);
        assert!(request.is_current(1_000_000 + REQUEST_WINDOW_MS) && request.is_current(1_000_000 - REQUEST_WINDOW_MS));
        assert!(!request.is_current(1_000_001 + REQUEST_WINDOW_MS));
        assert!(!request.is_current(999_999 - REQUEST_WINDOW_MS));
    }
}
