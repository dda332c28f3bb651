//! The cipher of a chunk's segments: its key, nonces and associated data, once for sealing and opening.
//!
//! The bulk goes through `ring`, which picks its instructions at run time; `aes-gcm` is the reference that a test
//! holds it to.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use storgo_protocol::limits::TAG_BYTES;
use storgo_protocol::{CHUNK_FORMAT, ChunkKey};

/// Seals and opens the segments of one chunk.
pub(crate) struct SegmentCipher {
    key: LessSafeKey,
    count: u32,
}

/// What ring says of everything that fails: no key of this length, a segment too long, or a tag that does not match.
#[derive(Debug, thiserror::Error)]
#[error("the cipher refuses")]
pub(crate) struct Refused;

impl SegmentCipher {
    /// The cipher of a chunk of `count` segments.
    pub(crate) fn new(key: &ChunkKey, count: usize) -> Result<Self, Refused> {
        let key = UnboundKey::new(&AES_256_GCM, key.expose()).map_err(|_| Refused)?;
        Ok(Self { key: LessSafeKey::new(key), count: u32::try_from(count).map_err(|_| Refused)? })
    }

    /// Seals a segment in place and returns its tag.
    pub(crate) fn seal(&self, number: usize, compressed: bool, packed: &mut [u8]) -> Result<[u8; TAG_BYTES], Refused> {
        let (nonce, aad) = self.nonce_and_aad(number, compressed)?;
        let tag = self.key.seal_in_place_separate_tag(nonce, aad, packed).map_err(|_| Refused)?;
        tag.as_ref().try_into().map_err(|_| Refused)
    }

    /// Opens a sealed segment that stands at `sealed_at` of `buffer`, to its end, and leaves the packed bytes at the
    /// buffer's start. On refusal the buffer's contents are void.
    pub(crate) fn open<'b>(
        &self,
        number: usize,
        compressed: bool,
        buffer: &'b mut [u8],
        sealed_at: usize,
    ) -> Result<&'b mut [u8], Refused> {
        let (nonce, aad) = self.nonce_and_aad(number, compressed)?;
        self.key.open_within(nonce, aad, buffer, sealed_at..).map_err(|_| Refused)
    }

    fn nonce_and_aad(&self, number: usize, compressed: bool) -> Result<(Nonce, Aad<[u8; 10]>), Refused> {
        let number = u32::try_from(number).map_err(|_| Refused)?;
        Ok((Nonce::assume_unique_for_key(nonce(number)), Aad::from(associated_data(number, self.count, compressed))))
    }
}

/// The segment's number, 96 bits, big-endian. A key seals one packed chunk only, so no nonce comes twice.
pub(crate) fn nonce(number: u32) -> [u8; 12] {
    let [a, b, c, d] = number.to_be_bytes();
    [0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
}

/// Format (u8), segment number (u32), segment count (u32), compressed (u8): segments can be neither moved nor cut off.
#[expect(clippy::many_single_char_names, reason = "the bytes of two numbers")]
pub(crate) fn associated_data(number: u32, count: u32, compressed: bool) -> [u8; 10] {
    let ([a, b, c, d], [e, f, g, h]) = (number.to_le_bytes(), count.to_le_bytes());
    [CHUNK_FORMAT, a, b, c, d, e, f, g, h, u8::from(compressed)]
}

#[cfg(test)]
mod tests;
