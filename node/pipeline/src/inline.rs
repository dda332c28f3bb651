//! Seals bodies that are small enough to stand in a record.
//!
//! Each body has a key of its own, from the bucket's key and a fresh salt, so nothing shows that two are equal and no
//! nonce is ever used twice. The place of the body is authenticated with it: bucket, object and generation, never the
//! path, so a rename rewrites nothing.

use storgo_protocol::BucketKey;
use storgo_protocol::limits::{INLINE_BYTES_MAX, TAG_BYTES};
use storgo_protocol::meta::{BucketId, ObjectId};

use crate::error::PipelineError;
use crate::once;

/// Whose body it is, under which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InlinePlace {
    /// The bucket.
    pub bucket: BucketId,
    /// The object.
    pub object: ObjectId,
    /// Which of the bucket's keys.
    pub generation: u32,
}

impl InlinePlace {
    /// Seals a body: as many bytes, and a tag. `salt` is fresh and random.
    ///
    /// # Errors
    /// [`PipelineError::TooLarge`] for a body of more than [`INLINE_BYTES_MAX`] bytes.
    pub fn seal(&self, key: &BucketKey, salt: &[u8; 32], body: &[u8]) -> Result<Vec<u8>, PipelineError> {
        if body.len() > INLINE_BYTES_MAX {
            return Err(PipelineError::TooLarge { what: "inline body", max: INLINE_BYTES_MAX as u64 });
        }
        let mut sealed = Vec::with_capacity(body.len() + TAG_BYTES);
        sealed.extend_from_slice(body);
        let tag = once::seal(&key.inline_key(salt), &self.context(), &mut sealed)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens a body.
    ///
    /// # Errors
    /// [`PipelineError::Corrupt`] if it was sealed for another place or key, or was changed.
    pub fn open(&self, key: &BucketKey, salt: &[u8; 32], mut sealed: Vec<u8>) -> Result<Vec<u8>, PipelineError> {
        let opened = once::open(&key.inline_key(salt), &self.context(), &mut sealed)?;
        let bytes = opened.ok_or_else(|| PipelineError::corrupt("inline body", self.object))?.len();
        sealed.truncate(bytes);
        Ok(sealed)
    }

    /// Purpose, bucket (16), object (16), generation (u32).
    fn context(&self) -> Vec<u8> {
        let generation = self.generation.to_le_bytes();
        [b"storgo v1 inline".as_slice(), self.bucket.as_bytes(), self.object.as_bytes(), &generation].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::random_bytes;

    const KEY: [u8; 32] = [5; 32];
    const SALT: [u8; 32] = [6; 32];

    fn place() -> InlinePlace {
        let (bucket, object) = (BucketId::from_bytes([1; 16]), ObjectId::from_bytes([2; 16]));
        InlinePlace { bucket, object, generation: 3 }
    }

    #[test]
    fn bodies_of_every_length_come_back() {
        let key = BucketKey::from_bytes(KEY);
        for bytes in [0, 1, 255, INLINE_BYTES_MAX] {
            let body = random_bytes(1, bytes);
            let sealed = place().seal(&key, &SALT, &body).unwrap();
            assert_eq!(sealed.len(), bytes + TAG_BYTES);
            assert!(bytes < 16 || !sealed.windows(16).any(|window| body.starts_with(window)));
            assert_eq!(place().open(&key, &SALT, sealed).unwrap(), body);
        }
        let refused = place().seal(&key, &SALT, &random_bytes(1, INLINE_BYTES_MAX + 1));
        assert!(matches!(refused, Err(PipelineError::TooLarge { .. })), "{refused:?}");
    }

    #[test]
    fn a_body_opens_at_its_place_alone() {
        let key = BucketKey::from_bytes(KEY);
        let sealed = place().seal(&key, &SALT, b"a body").unwrap();
        let (bucket, object) = (BucketId::from_bytes([9; 16]), ObjectId::from_bytes([9; 16]));
        for other in [
            InlinePlace { bucket, ..place() },
            InlinePlace { object, ..place() },
            InlinePlace { generation: 4, ..place() },
        ] {
            assert!(other.open(&key, &SALT, sealed.clone()).is_err(), "{other:?}");
        }
        assert!(place().open(&key, &[7; 32], sealed.clone()).is_err());
        assert!(place().open(&BucketKey::from_bytes([7; 32]), &SALT, sealed.clone()).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(place().open(&key, &SALT, changed).is_err(), "byte {at}");
        }
        assert!(place().open(&key, &SALT, sealed[..TAG_BYTES - 1].to_vec()).is_err());
    }
}
