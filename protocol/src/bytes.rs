//! Reading bytes that somebody else wrote: a cursor that never panics and never allocates what was not there. And the
//! lengths that encoders write for it.
//!
//! Every binary format of this crate is decoded through [`Reader`] and ends with [`Reader::finish`], so a decoder is
//! total over all byte strings and refuses what it does not use up.

use crate::DecodeError;

/// A length as it stands in one byte. Every list has a bound below 255, so one too long becomes what decoders refuse.
pub(crate) fn count_u8(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

/// A length as it stands in two bytes, as [`count_u8`].
pub(crate) fn count_u16(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes()
}

/// A length as it stands in four bytes, as [`count_u8`].
pub(crate) fn count_u32(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}

/// A cursor over outside bytes. All integers are little-endian.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Checks a format's four magic bytes and its version.
    pub(crate) fn header(&mut self, magic: [u8; 4], version: u8) -> Result<(), DecodeError> {
        if self.array::<4>()? != magic {
            return Err(DecodeError::Magic { expected: magic });
        }
        match self.u8()? {
            v if v == version => Ok(()),
            found => Err(DecodeError::Version { found, known: version }),
        }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A 16-bit count of at most `max` items of at least `item_bytes` each that must still follow.
    pub(crate) fn count(&mut self, max: usize, item_bytes: usize) -> Result<usize, DecodeError> {
        let count = usize::from(self.u16()?);
        if count > max {
            return Err(DecodeError::TooMany { count, max });
        }
        if count.saturating_mul(item_bytes) > self.rest.len() {
            return Err(DecodeError::Truncated);
        }
        Ok(count)
    }

    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }
}
