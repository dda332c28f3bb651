//! Packs a chunk: cuts it into segments and compresses those that gain by it.
//!
//! What comes out depends on the plaintext alone, so equal chunks get equal keys and are stored once. It knows nothing
//! of keys. Stored segments stay where they are in the plaintext; only compressed ones take new memory.

use std::fmt;

use bytes::Bytes;
use storgo_protocol::PackedSegment;
use storgo_protocol::limits::SEGMENT_BYTES;
use zstd::bulk::Compressor;

use crate::chunker::RawChunk;
use crate::error::PipelineError;

/// The level of zstd: the lowest that is no slower at opening, since higher ones buy some percent for twice the time.
const LEVEL: i32 = 1;

/// A frame is kept if it saves at least this fraction of its segment; less does not pay for opening it.
const SAVING_DIVISOR: usize = 32;

/// Bytes that are looked at to tell whether a segment is worth compressing.
const PROBE_BYTES: usize = 4096;

/// The probed bytes come in runs of this many, spread evenly over the segment.
const PROBE_RUN_BYTES: usize = 256;

/// A chunk whose segments are packed: what its key is derived from, and what is sealed.
pub struct PackedChunk {
    plain: Bytes,
    /// The frames of the compressed segments, one behind the other.
    frames: Vec<u8>,
    segments: Vec<PackedSegment>,
    hash: blake3::Hash,
}

impl RawChunk {
    /// Packs the chunk.
    ///
    /// # Errors
    /// [`PipelineError::Internal`] if zstd fails, which means that memory ran out.
    pub fn pack(self) -> Result<PackedChunk, PipelineError> {
        let plain = self.into_plain();
        let mut frames = Frames::default();
        let mut segments = Vec::with_capacity(plain.len().div_ceil(SEGMENT_BYTES));
        for segment in plain.chunks(SEGMENT_BYTES) {
            let frame_bytes = if looks_random(segment) { None } else { frames.push(segment)? };
            segments.push(PackedSegment {
                packed_bytes: frame_bytes.unwrap_or(segment.len()) as u32,
                compressed: frame_bytes.is_some(),
            });
        }
        let mut packed = PackedChunk { plain, frames: frames.bytes, segments, hash: blake3::Hash::from_bytes([0; 32]) };
        packed.hash = packed.compute_hash();
        Ok(packed)
    }
}

impl PackedChunk {
    /// The BLAKE3 of segment count (u32), each length and flag (u32), and the packed bytes: what keys derive from.
    #[must_use]
    pub const fn hash(&self) -> &blake3::Hash {
        &self.hash
    }

    /// The segments in order.
    #[must_use]
    pub fn segments(&self) -> &[PackedSegment] {
        &self.segments
    }

    /// Plaintext bytes of the chunk.
    #[must_use]
    pub fn plain_bytes(&self) -> usize {
        self.plain.len()
    }

    /// Each segment with its packed bytes.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (PackedSegment, &[u8])> {
        let mut frames = self.frames.as_slice();
        self.segments.iter().zip(self.plain.chunks(SEGMENT_BYTES)).map(move |(segment, plain)| {
            if !segment.compressed {
                return (*segment, plain);
            }
            let (frame, rest) = frames.split_at_checked(segment.packed_bytes as usize).unwrap_or_default();
            frames = rest;
            (*segment, frame)
        })
    }

    fn compute_hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.segments.len() as u32).to_le_bytes());
        for segment in &self.segments {
            hasher.update(&segment.to_u32().to_le_bytes());
        }
        if self.frames.is_empty() {
            // One long run keeps the hash's lanes fuller than one update for each segment.
            hasher.update(&self.plain);
        } else {
            self.parts().for_each(|(_, bytes)| {
                hasher.update(bytes);
            });
        }
        hasher.finalize()
    }
}

impl fmt::Debug for PackedChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedChunk").field("plain_bytes", &self.plain.len()).field("segments", &self.segments).finish()
    }
}

/// Frames as they are made, and what it takes to make them: only chunks that compress pay for it.
#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
    scratch: Vec<u8>,
    compressor: Option<Compressor<'static>>,
}

impl Frames {
    /// Appends the frame of a segment and returns its length; `None` if it saves too little.
    fn push(&mut self, segment: &[u8]) -> Result<Option<usize>, PipelineError> {
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(LEVEL).map_err(PipelineError::internal("compression"))?),
        };
        self.scratch.clear();
        self.scratch.reserve(zstd::zstd_safe::compress_bound(segment.len()));
        let frame_bytes = compressor
            .compress_to_buffer(segment, &mut self.scratch)
            .map_err(PipelineError::internal("compression"))?;
        if frame_bytes + (segment.len() / SAVING_DIVISOR).max(1) > segment.len() {
            return Ok(None);
        }
        self.bytes.extend_from_slice(&self.scratch);
        Ok(Some(frame_bytes))
    }
}

/// Whether a sample of the segment has the byte frequencies of random bytes, as what is already compressed or sealed
/// has: then zstd would only cost time. What repeats itself and yet has flat frequencies is missed, and stored as it
/// is.
///
/// The measure is the sum of squared frequencies. For n random bytes it is n + n(n-1)/256 with a deviation of about
/// n/11; a sixteenth above the mean is eleven deviations away, and less than 1 % of compression below.
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
    let total = u64::from(counts.iter().sum::<u32>());
    let squares: u64 = counts.iter().map(|count| u64::from(*count) * u64::from(*count)).sum();
    let random = total + total * (total - 1) / 256;
    squares < random + random / 16
}

#[cfg(test)]
mod tests;
