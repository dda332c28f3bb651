//! Opens sealed chunks: whole, or a run of segments.
//!
//! Everything is authenticated before it is decompressed, and decompressed into exactly the bytes that the reference
//! promises. Stored segments are opened in place; a chunk of nothing else takes no second buffer.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use storgo_protocol::limits::{SEGMENT_BYTES, TAG_BYTES};
use storgo_protocol::{ChunkRef, PackedSegment};

use crate::error::PipelineError;
use crate::pack::Unpacker;
use crate::segment::SegmentCipher;
use crate::stripe::VerifiedChunk;

/// Opens a whole chunk.
///
/// # Errors
/// [`PipelineError::Corrupt`] if the chunk is another, or its segments are not what the reference says.
pub fn open_chunk(reference: &ChunkRef, chunk: VerifiedChunk) -> Result<Bytes, PipelineError> {
    let corrupt = || PipelineError::corrupt("chunk", reference.id);
    let all = 0..reference.segments.len();
    let range = sealed_range(reference, all.clone()).ok_or_else(corrupt)?;
    let id = chunk.id();
    let mut sealed = chunk.into_sealed();
    if id != reference.id || sealed.len() != reference.sealed_bytes as usize || range.end > sealed.len() {
        return Err(corrupt());
    }
    sealed.truncate(range.end);
    let plain = open_segments(reference, all, sealed)?;
    if plain.len() == reference.plain_bytes as usize { Ok(plain) } else { Err(corrupt()) }
}

/// Opens a run of segments, given exactly their sealed bytes ([`sealed_range`]). They need no other check: a tag
/// vouches for each, and for its place in the chunk.
///
/// # Errors
/// [`PipelineError::Corrupt`] if the bytes are not those of these segments.
pub fn open_segments(reference: &ChunkRef, segments: Range<usize>, sealed: BytesMut) -> Result<Bytes, PipelineError> {
    let corrupt = || PipelineError::corrupt("chunk", reference.id);
    let expected = sealed_range(reference, segments.clone()).ok_or_else(corrupt)?;
    if expected.len() != sealed.len() {
        return Err(corrupt());
    }
    let cipher = SegmentCipher::new(&reference.key, reference.segments.len()).map_err(|_| corrupt())?;
    let run = Run { reference, cipher, segments };
    if run.parts().any(|(_, segment)| segment.compressed) { run.unpack(sealed) } else { run.open_in_place(sealed) }
        .ok_or_else(corrupt)
}

/// Where in the sealed chunk these segments stand; `None` if the chunk has no such segments.
#[must_use]
pub fn sealed_range(reference: &ChunkRef, segments: Range<usize>) -> Option<Range<usize>> {
    let sealed_bytes = |run: &[PackedSegment]| -> usize {
        run.iter().map(|segment| (segment.packed_bytes as usize).saturating_add(TAG_BYTES)).sum()
    };
    let start = sealed_bytes(reference.segments.get(..segments.start)?);
    Some(start..start + sealed_bytes(reference.segments.get(segments)?))
}

/// The segments that hold these bytes of a chunk's plaintext.
#[must_use]
pub fn segments_of(plain: Range<usize>) -> Range<usize> {
    if plain.is_empty() {
        return 0..0;
    }
    plain.start / SEGMENT_BYTES..plain.end.div_ceil(SEGMENT_BYTES)
}

/// Segments being opened. `None` from its methods means that they are not what the reference says.
struct Run<'r> {
    reference: &'r ChunkRef,
    cipher: SegmentCipher,
    segments: Range<usize>,
}

impl Run<'_> {
    fn parts(&self) -> impl Iterator<Item = (usize, PackedSegment)> {
        let segments = self.reference.segments.iter().copied().enumerate();
        segments.skip(self.segments.start).take(self.segments.len())
    }

    /// Opens stored segments, each to where the plaintext of the one before ends.
    fn open_in_place(&self, mut sealed: BytesMut) -> Option<Bytes> {
        let (mut plain_at, mut sealed_at) = (0, 0);
        for (number, segment) in self.parts() {
            let end = sealed_at + segment.packed_bytes as usize + TAG_BYTES;
            let buffer = sealed.get_mut(plain_at..end)?;
            let plain = self.cipher.open(number, false, buffer, sealed_at - plain_at).ok()?;
            if plain.len() != self.reference.segment_plain_bytes(number) {
                return None;
            }
            plain_at += plain.len();
            sealed_at = end;
        }
        sealed.truncate(plain_at);
        Some(sealed.freeze())
    }

    /// Opens segments some of which are compressed, into a buffer of their own.
    fn unpack(&self, mut sealed: BytesMut) -> Option<Bytes> {
        let total = self.parts().map(|(number, _)| self.reference.segment_plain_bytes(number)).sum();
        let mut output = BytesMut::zeroed(total);
        let mut unpacker = Unpacker::default();
        let (mut plain_at, mut sealed_at) = (0, 0);
        for (number, segment) in self.parts() {
            let end = sealed_at + segment.packed_bytes as usize + TAG_BYTES;
            let packed = self.cipher.open(number, segment.compressed, sealed.get_mut(sealed_at..end)?, 0).ok()?;
            let plain_end = plain_at + self.reference.segment_plain_bytes(number);
            unpacker.unpack(segment.compressed, packed, output.get_mut(plain_at..plain_end)?)?;
            (plain_at, sealed_at) = (plain_end, end);
        }
        Some(output.freeze())
    }
}

#[cfg(test)]
mod tests;
