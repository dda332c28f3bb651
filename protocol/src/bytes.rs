//! Reading bytes that somebody else wrote: a cursor that never panics and never allocates what was not there.
//!
//! Every binary format of `format/` is decoded through [`Reader`] and ends with [`Reader::finish`], so a decoder is
//! total over all byte strings and refuses what it does not use up.

use crate::DecodeError;

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
