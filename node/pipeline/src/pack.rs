//! Packs a chunk: cuts it into segments and compresses those that gain by it.
//!
//! The way back, one segment at a time, stands here too. What comes out depends on the plaintext alone, so equal chunks
//! get equal keys and are stored once. It knows nothing of keys. Stored segments stay where they are in the plaintext;
//! only compressed ones take new memory.

use std::fmt;

use bytes::Bytes;
use storgo_protocol::PackedSegment;
use storgo_protocol::limits::SEGMENT_BYTES;
use zstd::bulk::{Compressor, Decompressor};

use crate::chunker::RawChunk;
use crate::error::PipelineError;

/// The level of zstd: the lowest that is no slower at opening, since higher ones buy some percent for twice the time.
const LEVEL: i32 = 1;

/// A frame is kept if it saves at least this fraction of its segment; less does not pay for opening it.
const SAVING_DIVISOR: usize = 32;

/// Bytes that are looked at to tell whether a segment is worth compressing.
const PROBE_BYTES: usize = 2048;

/// The probed bytes come in runs of this many, spread evenly over the segment.
const PROBE_RUN_BYTES: usize = 256;

/// A chunk whose segments are packed: what its key is derived from, and what is sealed.
pub struct PackedChunk {
    parts: Vec<Part>,
    plain_bytes: usize,
    hash: blake3::Hash,
}

/// One packed segment: a zstd frame, or a slice of the plaintext.
pub(crate) struct Part {
    pub(crate) bytes: Bytes,
    pub(crate) compressed: bool,
}

impl RawChunk {
    /// Packs the chunk.
    ///
    /// # Errors
    /// [`PipelineError::Internal`] if zstd fails, which means that memory ran out.
    pub fn pack(self) -> Result<PackedChunk, PipelineError> {
        let plain = self.into_plain();
        let mut packer = Packer::default();
        let mut parts = Vec::with_capacity(plain.len().div_ceil(SEGMENT_BYTES));
        for segment in plain.chunks(SEGMENT_BYTES) {
            let frame = if looks_random(segment) { None } else { packer.compress(segment)? };
            parts.push(match frame {
                Some(frame) => Part { bytes: frame, compressed: true },
                None => Part { bytes: plain.slice_ref(segment), compressed: false },
            });
        }
        let hash = packed_hash(parts.iter().map(Part::segment), &content_hash(&parts, &plain));
        Ok(PackedChunk { parts, plain_bytes: plain.len(), hash })
    }
}

impl PackedChunk {
    /// The packed hash: what keys and names derive from.
    #[must_use]
    pub const fn hash(&self) -> &blake3::Hash {
        &self.hash
    }

    /// The table of the segments, in order.
    #[must_use]
    pub fn segments(&self) -> Vec<PackedSegment> {
        self.parts.iter().map(Part::segment).collect()
    }

    /// Plaintext bytes of the chunk.
    #[must_use]
    pub const fn plain_bytes(&self) -> usize {
        self.plain_bytes
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

impl Part {
    #[expect(clippy::cast_possible_truncation, reason = "a segment has at most SEGMENT_BYTES")]
    pub(crate) fn segment(&self) -> PackedSegment {
        PackedSegment { packed_bytes: self.bytes.len() as u32, compressed: self.compressed }
    }
}

impl fmt::Debug for PackedChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedChunk").field("plain_bytes", &self.plain_bytes).finish_non_exhaustive()
    }
}

/// The packed hash of a chunk: the BLAKE3 of segment count (u32), each length and flag (u32), and the BLAKE3 of the packed
/// bytes (`content`).
#[expect(clippy::cast_possible_truncation, reason = "a chunk has at most SEGMENTS_MAX")]
pub(crate) fn packed_hash(
    segments: impl ExactSizeIterator<Item = PackedSegment>,
    content: &blake3::Hash,
) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(segments.len() as u32).to_le_bytes());
    for segment in segments {
        hasher.update(&segment.to_u32().to_le_bytes());
    }
    hasher.update(content.as_bytes()).finalize()
}

fn content_hash(parts: &[Part], plain: &[u8]) -> blake3::Hash {
    if parts.iter().all(|part| !part.compressed) {
        // The parts stand side by side in the plaintext, and one long run fills the hash's lanes best.
        return blake3::hash(plain);
    }
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&part.bytes);
    }
    hasher.finalize()
}

/// What it takes to compress: only chunks with something to compress pay for it.
#[derive(Default)]
struct Packer {
    compressor: Option<Compressor<'static>>,
    scratch: Vec<u8>,
}

impl Packer {
    /// The frame of a segment; `None` if it saves too little.
    fn compress(&mut self, segment: &[u8]) -> Result<Option<Bytes>, PipelineError> {
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(LEVEL).map_err(PipelineError::internal("compression"))?),
        };
        self.scratch.clear();
        self.scratch.reserve(zstd::zstd_safe::compress_bound(segment.len()));
        compressor.compress_to_buffer(segment, &mut self.scratch).map_err(PipelineError::internal("compression"))?;
        let limit = segment.len() - (segment.len() / SAVING_DIVISOR).max(1);
        Ok((self.scratch.len() <= limit).then(|| Bytes::copy_from_slice(&self.scratch)))
    }
}

/// The way back: gives segments their plaintext again.
#[derive(Default)]
pub(crate) struct Unpacker {
    decompressor: Option<Decompressor<'static>>,
}

impl Unpacker {
    /// Fills `plain` from the packed bytes of an authenticated segment; `None` if they give more, fewer or none.
    pub(crate) fn unpack(&mut self, compressed: bool, packed: &[u8], plain: &mut [u8]) -> Option<()> {
        let plain_bytes = plain.len();
        if !compressed {
            return (packed.len() == plain_bytes).then(|| plain.copy_from_slice(packed));
        }
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new().ok()?),
        };
        // zstd writes into this slice alone, so a frame that claims to be longer is refused and nothing allocated.
        (decompressor.decompress_to_buffer(packed, plain).ok()? == plain_bytes).then_some(())
    }
}

/// Whether a sample of the segment has the byte frequencies of random bytes, as what is already compressed or sealed
/// has: then zstd would only cost time. What repeats itself and yet has flat frequencies is missed, and stored as it
/// is.
///
/// The measure is the sum of squared frequencies. For n random bytes it is n + n(n-1)/256 with a deviation of about
/// n/11; a sixteenth above the mean is five deviations away for 2048 bytes, and stands for less than 1 % of compression.
fn looks_random(segment: &[u8]) -> bool {
    if segment.len() < PROBE_BYTES {
        return false;
    }
    let runs = PROBE_BYTES / PROBE_RUN_BYTES;
    let stride = segment.len() / runs;
    let mut counts = [0u32; 256];
    for run in segment.chunks(stride).take(runs) {
        for byte in run.iter().take(PROBE_RUN_BYTES) {
            if let Some(count) = counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
    }
    let total: u32 = counts.iter().sum();
    let squares: u32 = counts.iter().map(|count| count * count).sum();
    let random = total + total * (total - 1) / 256;
    squares < random + random / 16
}

#[cfg(test)]
mod tests;
