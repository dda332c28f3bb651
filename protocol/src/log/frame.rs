//! A frame: the records that were written and synced together.

use std::ops::Range;

use super::LOG_ALIGNMENT;
use crate::DecodeError;
use crate::bytes::Reader;
use crate::limits::{LOG_FRAME_BYTES_MAX, TAG_BYTES};

const MAGIC: [u8; 4] = *b"SGLF";
const FILL: u8 = 0xff;

/// Bytes before each sealed record: its length.
pub const SEALED_RECORD_HEAD_BYTES: usize = 4;

/// The head of a frame.
///
/// # Shape
/// `"SGLF"`, offset of the frame in its segment (u32), bytes of the body (u32), records in it (u32), CRC-32 (u32) of
/// the body, eight zero bytes, CRC-32 (u32) of the 28 bytes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFrameHead {
    /// Where the frame begins in its segment.
    pub offset: u32,
    /// Bytes behind the head, up to the next frame.
    pub body_bytes: u32,
    /// Records in the body.
    pub records: u32,
    /// The checksum of the body.
    pub body_crc: u32,
}

impl LogFrameHead {
    /// Bytes of a head.
    pub const BYTES: usize = LOG_ALIGNMENT;

    const CRC_FIRST: usize = Self::BYTES - 4;

    /// Bytes of the whole frame.
    #[must_use]
    pub const fn frame_bytes(&self) -> u64 {
        Self::BYTES as u64 + self.body_bytes as u64
    }

    /// The head's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        let fields = [self.offset, self.body_bytes, self.records, self.body_crc].map(u32::to_le_bytes);
        let bytes = MAGIC.iter().chain(fields.as_flattened());
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        if let Some((covered, crc)) = out.split_last_chunk_mut::<4>() {
            *crc = crc32fast::hash(covered).to_le_bytes();
        }
        out
    }

    /// Decodes a head that is all of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole head whose checksum holds, of a frame within its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.array::<4>()? != MAGIC {
            return Err(DecodeError::Magic { expected: MAGIC });
        }
        let head =
            Self { offset: reader.u32()?, body_bytes: reader.u32()?, records: reader.u32()?, body_crc: reader.u32()? };
        if reader.array()? != [0; 8] {
            return Err(DecodeError::field("reserved bytes"));
        }
        let crc = reader.u32()?;
        reader.finish()?;
        if crc32fast::hash(bytes.get(..Self::CRC_FIRST).ok_or(DecodeError::Truncated)?) != crc {
            return Err(DecodeError::Unverified { what: "log frame head" });
        }
        let (body_bytes, aligned) = (head.body_bytes as usize, LOG_ALIGNMENT);
        if body_bytes > LOG_FRAME_BYTES_MAX {
            return Err(DecodeError::TooMany { count: body_bytes, max: LOG_FRAME_BYTES_MAX });
        }
        if !body_bytes.is_multiple_of(aligned) || !(head.offset as usize).is_multiple_of(aligned) {
            return Err(DecodeError::field("frame place"));
        }
        Ok(head)
    }
}

/// A whole frame, and where its sealed records stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFrame {
    /// The frame's head.
    pub head: LogFrameHead,
    /// The sealed records, counted from the frame's first byte, in order.
    pub records: Vec<Range<usize>>,
}

impl LogFrame {
    /// Bytes of the frame with sealed records of these lengths.
    #[must_use]
    pub fn bytes_of(sealed: impl IntoIterator<Item = usize>) -> usize {
        let records: usize = sealed.into_iter().map(|bytes| SEALED_RECORD_HEAD_BYTES + bytes).sum();
        LogFrameHead::BYTES + filled(records)
    }

    /// Makes a frame of what stands in `out` behind room for a head: each sealed record behind its length (u32). Fills
    /// it up and writes the head.
    ///
    /// # Errors
    /// [`DecodeError::TooMany`] for a body beyond its bound.
    pub fn finish(out: &mut Vec<u8>, offset: u32, records: u32) -> Result<LogFrameHead, DecodeError> {
        let unfilled = out.len().saturating_sub(LogFrameHead::BYTES);
        let body = filled(unfilled);
        if body > LOG_FRAME_BYTES_MAX {
            return Err(DecodeError::TooMany { count: body, max: LOG_FRAME_BYTES_MAX });
        }
        out.resize(LogFrameHead::BYTES + body, FILL);
        let (room, body) = out.split_at_mut_checked(LogFrameHead::BYTES).ok_or(DecodeError::Truncated)?;
        let body_bytes = u32::try_from(body.len()).map_err(|_| DecodeError::field("frame bytes"))?;
        let head = LogFrameHead { offset, body_bytes, records, body_crc: crc32fast::hash(body) };
        room.copy_from_slice(&head.encode());
        Ok(head)
    }

    /// Decodes a frame that is all of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole frame whose checksums hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (head, body) = bytes.split_at_checked(LogFrameHead::BYTES).ok_or(DecodeError::Truncated)?;
        let head = LogFrameHead::decode(head)?;
        match body.len().cmp(&(head.body_bytes as usize)) {
            std::cmp::Ordering::Less => return Err(DecodeError::Truncated),
            std::cmp::Ordering::Greater => {
                return Err(DecodeError::Trailing { bytes: body.len() - head.body_bytes as usize });
            }
            std::cmp::Ordering::Equal => {}
        }
        if crc32fast::hash(body) != head.body_crc {
            return Err(DecodeError::Unverified { what: "log frame" });
        }
        let count = head.records as usize;
        if count.saturating_mul(SEALED_RECORD_HEAD_BYTES + TAG_BYTES) > body.len() {
            return Err(DecodeError::Truncated);
        }
        let (mut records, mut at) = (Vec::with_capacity(count), LogFrameHead::BYTES);
        for _ in 0..count {
            let first = at + SEALED_RECORD_HEAD_BYTES;
            let length = bytes.get(at..first).and_then(|length| length.first_chunk()).ok_or(DecodeError::Truncated)?;
            let length = u32::from_le_bytes(*length) as usize;
            if length < TAG_BYTES || length > bytes.len() - first {
                return Err(DecodeError::Truncated);
            }
            at = first + length;
            records.push(first..at);
        }
        let fill = bytes.get(at..).unwrap_or_default();
        if bytes.len() != LogFrameHead::BYTES + filled(at - LogFrameHead::BYTES) || fill.iter().any(|&b| b != FILL) {
            return Err(DecodeError::field("filling"));
        }
        Ok(Self { head, records })
    }
}

/// The length up to which a body is filled: at least one byte, so that its last sector is never all zeros.
const fn filled(bytes: usize) -> usize {
    (bytes + 1).next_multiple_of(LOG_ALIGNMENT)
}
