//! A message as it stands on a stream.

use bytes::Bytes;

use crate::DecodeError;
use crate::bytes::{Reader, count_u32};
use crate::limits::{FRAME_HEAD_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX};

/// A message: a Protobuf head, and bulk bytes behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The Protobuf message.
    pub head: Bytes,
    /// What it carries, in pieces that stand one behind the other, so that none has to be copied to join them. Mostly
    /// none; one of what was received.
    pub payload: Vec<Bytes>,
}

/// The eight bytes before a frame: the lengths of its parts, checked before anything is allocated for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLengths {
    /// Bytes of the head, at most [`FRAME_HEAD_BYTES_MAX`].
    pub head: usize,
    /// Bytes of the payload, at most [`FRAME_PAYLOAD_BYTES_MAX`].
    pub payload: usize,
}

impl FrameLengths {
    /// Bytes of the encoded lengths.
    pub const BYTES: usize = 8;

    /// Decodes the lengths.
    ///
    /// # Errors
    /// [`DecodeError::TooMany`] for a part beyond its bound.
    pub fn decode(bytes: [u8; Self::BYTES]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&bytes);
        let mut part = |max| match reader.u32()? as usize {
            count if count > max => Err(DecodeError::TooMany { count, max }),
            count => Ok(count),
        };
        Ok(Self { head: part(FRAME_HEAD_BYTES_MAX)?, payload: part(FRAME_PAYLOAD_BYTES_MAX)? })
    }
}

impl Frame {
    /// A frame whose payload is in one piece, or empty.
    #[must_use]
    pub fn new(head: Bytes, payload: Bytes) -> Self {
        Self { head, payload: if payload.is_empty() { Vec::new() } else { vec![payload] } }
    }

    /// Bytes of the payload.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.payload.iter().map(Bytes::len).sum()
    }

    /// Head and payload. A payload in several pieces, which no frame has that was received, is copied into one.
    #[must_use]
    pub fn into_parts(self) -> (Bytes, Bytes) {
        let payload = match self.payload.as_slice() {
            [] => Bytes::new(),
            [piece] => piece.clone(),
            pieces => pieces.concat().into(),
        };
        (self.head, payload)
    }

    /// The lengths to send before the frame.
    #[must_use]
    pub fn lengths(&self) -> [u8; FrameLengths::BYTES] {
        let [head, payload] = [self.head.len(), self.payload_bytes()].map(|bytes| u32::from_le_bytes(count_u32(bytes)));
        (u64::from(head) | u64::from(payload) << 32).to_le_bytes()
    }
}
