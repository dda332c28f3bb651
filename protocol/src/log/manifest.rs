//! The manifest of a log: which segments there must be.

use crate::bytes::Reader;
use crate::{DecodeError, LogIncarnation};

const MAGIC: [u8; 4] = *b"SGLI";
const VERSION: u8 = 1;
const COVERED_BYTES: usize = 32;

/// Which segments a log consists of. A log with fewer is damaged; files of other numbers are leftovers.
///
/// # Shape
/// `"SGLI"`, version 1, three zero bytes, incarnation (u64), number of the oldest segment (u64), of the newest (u64),
/// BLAKE3 (32) of all before. A log that has no segment yet has 0 for the newest and 1 for the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogManifest {
    /// Which log it is: another one for each time that its past was given up.
    pub incarnation: LogIncarnation,
    /// The first segment that is needed.
    pub oldest: u64,
    /// The last segment that holds anything.
    pub newest: u64,
}

impl LogManifest {
    /// Bytes of a manifest.
    pub const BYTES: usize = COVERED_BYTES + 32;

    /// The manifest's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, 0, 0, 0]);
        for field in [self.incarnation.as_u64(), self.oldest, self.newest] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        let checksum = blake3::hash(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }

    /// Decodes a manifest that is all of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole manifest whose checksum holds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(MAGIC, VERSION)?;
        if reader.array()? != [0; 3] {
            return Err(DecodeError::field("reserved bytes"));
        }
        let manifest =
            Self { incarnation: LogIncarnation::new(reader.u64()?), oldest: reader.u64()?, newest: reader.u64()? };
        let checksum = reader.array::<32>()?;
        let covered = bytes.get(..COVERED_BYTES).ok_or(DecodeError::Truncated)?;
        if blake3::hash(covered) != checksum {
            return Err(DecodeError::Unverified { what: "log manifest" });
        }
        reader.finish()?;
        if manifest.oldest == 0 || manifest.newest < manifest.oldest - 1 || manifest.newest == u64::MAX {
            return Err(DecodeError::field("segment number"));
        }
        Ok(manifest)
    }
}
