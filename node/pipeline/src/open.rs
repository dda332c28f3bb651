//! Opens sealed chunks: whole, or a run of segments.
//!
//! Everything is authenticated before it is decompressed, and decompressed into exactly the bytes that the reference
//! promises. A tag shows that whoever made a segment had the chunk's key; the name shows, for a whole chunk, that it is
//! the very chunk that was put, so that not even others who may read it can pass off another. Segments are opened in
//! place; a chunk of stored ones takes no second buffer.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use storgo_protocol::limits::{SEGMENT_BYTES, TAG_BYTES};
use storgo_protocol::{ChunkRef, PackedSegment};

use crate::error::PipelineError;
use crate::pack::{Unpacker, packed_hash};
use crate::segment::SegmentCipher;
use crate::stripe::JoinedChunk;

/// Opens a whole chunk. Every byte that was joined is verified: segments by their tags, all of them together by the
/// chunk's name, and the padding by the key.
///
/// # Errors
/// [`PipelineError::CorruptShards`] if shards that were joined are not the stripe's; [`PipelineError::Corrupt`] if they
/// are, and yet the chunk is another or its segments are not what the reference says.
pub fn open_chunk(reference: &ChunkRef, mut chunk: JoinedChunk<'_>) -> Result<Bytes, PipelineError> {
    if chunk.id() != reference.id {
        return Err(PipelineError::corrupt("chunk", reference.id));
    }
    let sealed = std::mem::take(chunk.sealed_mut());
    open_sealed(reference, sealed).ok_or_else(|| chunk.blame())
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
    let run = Run::new(reference, segments).ok_or_else(corrupt)?;
    run.open(sealed, |_| {}).and_then(|packed| run.unpack(packed)).ok_or_else(corrupt)
}

/// Opens all of a sealed chunk; `None` if it is not what the reference says.
fn open_sealed(reference: &ChunkRef, mut sealed: BytesMut) -> Option<Bytes> {
    let all = 0..reference.segments.len();
    let range = sealed_range(reference, all.clone())?;
    if sealed.len() != reference.sealed_bytes as usize || range.end > sealed.len() {
        return None;
    }
    let padding = sealed.split_off(range.end);
    let mut expected = vec![0; padding.len()];
    reference.key.fill_padding(&mut expected);
    let run = Run::new(reference, all)?;
    let mut content = blake3::Hasher::new();
    let packed = run.open(sealed, |packed| {
        content.update(packed);
    })?;
    let hash = packed_hash(reference.segments.iter().copied(), &content.finalize());
    if padding != expected || reference.key.chunk_id(reference.sealed_bytes, &hash) != reference.id {
        return None;
    }
    let plain = run.unpack(packed)?;
    (plain.len() == reference.plain_bytes as usize).then_some(plain)
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

impl<'r> Run<'r> {
    fn new(reference: &'r ChunkRef, segments: Range<usize>) -> Option<Self> {
        let cipher = SegmentCipher::new(&reference.key, reference.segments.len()).ok()?;
        Some(Self { reference, cipher, segments })
    }

    fn parts(&self) -> impl Iterator<Item = (usize, PackedSegment)> {
        let segments = self.reference.segments.iter().copied().enumerate();
        segments.skip(self.segments.start).take(self.segments.len())
    }

    /// Decrypts the segments, each to where the one before ends, and shows each to `follow` while the caches still hold
    /// it.
    fn open(&self, mut sealed: BytesMut, mut follow: impl FnMut(&[u8])) -> Option<BytesMut> {
        let (mut packed_at, mut sealed_at) = (0, 0);
        for (number, segment) in self.parts() {
            let end = sealed_at + segment.packed_bytes as usize + TAG_BYTES;
            let buffer = sealed.get_mut(packed_at..end)?;
            let packed = self.cipher.open(number, segment.compressed, buffer, sealed_at - packed_at).ok()?;
            follow(packed);
            packed_at += packed.len();
            sealed_at = end;
        }
        sealed.truncate(packed_at);
        Some(sealed)
    }

    /// Gives decrypted segments their plaintext; those that are stored have it already.
    fn unpack(&self, packed: BytesMut) -> Option<Bytes> {
        if self.parts().all(|(_, segment)| !segment.compressed) {
            let whole = |(number, segment): (usize, PackedSegment)| {
                segment.packed_bytes as usize == self.reference.segment_plain_bytes(number)
            };
            return self.parts().all(whole).then(|| packed.freeze());
        }
        let total = self.parts().map(|(number, _)| self.reference.segment_plain_bytes(number)).sum();
        let mut output = BytesMut::zeroed(total);
        let mut unpacker = Unpacker::default();
        let (mut plain_at, mut packed_at) = (0, 0);
        for (number, segment) in self.parts() {
            let packed_end = packed_at + segment.packed_bytes as usize;
            let plain_end = plain_at + self.reference.segment_plain_bytes(number);
            let place = output.get_mut(plain_at..plain_end)?;
            unpacker.unpack(segment.compressed, packed.get(packed_at..packed_end)?, place)?;
            (plain_at, packed_at) = (plain_end, packed_end);
        }
        Some(output.freeze())
    }
}

#[cfg(test)]
mod tests;
