//! Seals a packed chunk and names it.
//!
//! The one copy that a stored byte takes is here: from the plaintext into the sealed buffer, where it is encrypted in
//! place and stays until it is a shard on the wire. Nothing is hashed: key and name come from the packed hash. It knows
//! nothing of codes.

use std::fmt;

use storgo_protocol::limits::{PADDING_GRID_BYTES_MIN, PADDING_GRID_DIVISOR, STRIPE_SHARDS_MAX, TAG_BYTES};
use storgo_protocol::{ChunkRef, Cipher, ConvergenceSecret};

use crate::error::PipelineError;
use crate::pack::PackedChunk;
use crate::segment::SegmentCipher;

/// A sealed chunk: the only thing that can be coded.
///
/// # Shape
/// Each segment's ciphertext and tag, in order, then padding up to [`padded_bytes`].
///
/// ```compile_fail
/// // What was only packed has no stripe.
/// fn code(packed: storgo_pipeline::PackedChunk, code: storgo_protocol::Code) {
///     let _ = packed.code(code);
/// }
/// ```
pub struct SealedChunk {
    reference: ChunkRef,
    /// With room behind for the zeros that make the last data shard whole.
    sealed: Vec<u8>,
}

impl PackedChunk {
    /// Seals the chunk under the key that its packed form and the secret give.
    ///
    /// # Errors
    /// [`PipelineError::Internal`] if the cipher refuses, which it does for no chunk within its bounds.
    #[expect(clippy::cast_possible_truncation, reason = "a sealed chunk has at most SEALED_BYTES_MAX")]
    pub fn seal(self, secret: &ConvergenceSecret) -> Result<SealedChunk, PipelineError> {
        let key = secret.chunk_key(Cipher::Aes256Gcm, self.hash());
        let refused = PipelineError::internal("sealing");
        let cipher = SegmentCipher::new(&key, self.parts().len()).map_err(refused)?;
        let unpadded: usize = self.parts().iter().map(|part| part.bytes.len() + TAG_BYTES).sum();
        let total = padded_bytes(unpadded);
        let mut sealed = Vec::with_capacity(total + STRIPE_SHARDS_MAX);
        for (number, part) in self.parts().iter().enumerate() {
            let start = sealed.len();
            sealed.extend_from_slice(&part.bytes);
            let place = sealed.get_mut(start..).unwrap_or_default();
            let tag = cipher.seal(number, part.compressed, place).map_err(PipelineError::internal("sealing"))?;
            sealed.extend_from_slice(&tag);
        }
        sealed.resize(total, 0);
        key.fill_padding(sealed.get_mut(unpadded..).unwrap_or_default());
        let reference = ChunkRef {
            id: key.chunk_id(total as u32, self.hash()),
            key,
            sealed_bytes: total as u32,
            plain_bytes: self.plain_bytes() as u32,
            segments: self.segments(),
        };
        Ok(SealedChunk { reference, sealed })
    }
}

impl SealedChunk {
    /// All that it takes to find, verify and open the chunk. Whoever holds it reads the chunk.
    #[must_use]
    pub const fn reference(&self) -> &ChunkRef {
        &self.reference
    }

    /// The sealed bytes.
    #[must_use]
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    pub(crate) fn into_parts(self) -> (ChunkRef, Vec<u8>) {
        (self.reference, self.sealed)
    }
}

impl fmt::Debug for SealedChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedChunk").field("reference", &self.reference).finish_non_exhaustive()
    }
}

/// The sealed length that `bytes` of segments and tags are padded to: a grid of about a hundredth of the length, so
/// that a length tells little of which known file it is.
#[must_use]
pub fn padded_bytes(bytes: usize) -> usize {
    let power = bytes.checked_ilog2().map_or(0, |log| 1usize << log);
    bytes.next_multiple_of((power / PADDING_GRID_DIVISOR).max(PADDING_GRID_BYTES_MIN))
}

#[cfg(test)]
mod tests;
