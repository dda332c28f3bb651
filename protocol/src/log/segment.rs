//! The head of a segment: whose it is, where it stands, and the key to what follows.

use crate::bytes::Reader;
use crate::limits::TAG_BYTES;
use crate::{DecodeError, LogIncarnation};

const MAGIC: [u8; 4] = *b"SGLG";
const VERSION: u8 = 1;

/// The head of a segment.
///
/// # Shape
/// `"SGLG"`, version 1, three zero bytes, incarnation (u64), number (u64), bytes of the segment before (u64), salt (32),
/// sealed key (48), CRC-32 (u32) of all before, zeros up to [`LogSegmentHead::BYTES`]. The key is sealed with the first
/// [`LogSegmentHead::BOUND_BYTES`] as additional data, so a head opens at its own place only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSegmentHead {
    /// Which log it belongs to.
    pub incarnation: LogIncarnation,
    /// Its place among the segments; the first is 1.
    pub number: u64,
    /// Where the segment before ends: what stands behind that in its file was never acknowledged. 0 for the first.
    pub previous_bytes: u64,
    /// From which, with the node's key, the key that seals the segment's key is made.
    pub salt: [u8; 32],
    /// The key of the segment's records, sealed.
    pub sealed_key: [u8; 32 + TAG_BYTES],
}

impl LogSegmentHead {
    /// Bytes of a head; the first frame follows.
    pub const BYTES: usize = 128;

    /// Bytes that the seal of the key binds.
    pub const BOUND_BYTES: usize = 32;

    const CRC_FIRST: usize = 112;

    /// What the seal of the key binds.
    #[must_use]
    pub fn bound(&self) -> [u8; Self::BOUND_BYTES] {
        let mut out = [0; Self::BOUND_BYTES];
        let fields = [self.incarnation.as_u64(), self.number, self.previous_bytes].map(u64::to_le_bytes);
        let bytes = MAGIC.iter().chain(&[VERSION, 0, 0, 0]).chain(fields.as_flattened());
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        out
    }

    /// The head's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend_from_slice(&self.bound());
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.sealed_key);
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out.resize(Self::BYTES, 0);
        out
    }

    /// Decodes a head that is all of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole head whose checksum holds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(MAGIC, VERSION)?;
        if reader.array()? != [0; 3] {
            return Err(DecodeError::field("reserved bytes"));
        }
        let head = Self {
            incarnation: LogIncarnation::new(reader.u64()?),
            number: reader.u64()?,
            previous_bytes: reader.u64()?,
            salt: reader.array()?,
            sealed_key: reader.array()?,
        };
        let crc = reader.u32()?;
        let covered = bytes.get(..Self::CRC_FIRST).ok_or(DecodeError::Truncated)?;
        if crc32fast::hash(covered) != crc {
            return Err(DecodeError::Unverified { what: "log segment head" });
        }
        if reader.array()? != [0; Self::BYTES - Self::CRC_FIRST - 4] {
            return Err(DecodeError::field("reserved bytes"));
        }
        reader.finish()?;
        Ok(head)
    }
}
