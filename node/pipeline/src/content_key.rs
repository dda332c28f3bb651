//! Seals content keys into the records of a bucket.
//!
//! Each is sealed under a key that derives from the bucket's key and the content id. The content id commits to the content
//! key, so a key seals one plaintext, always alike: no nonce is used twice, and a record can be copied within its bucket
//! as it stands. What was changed does not open, and what opens to another key does not open the root.

use storgo_protocol::limits::TAG_BYTES;
use storgo_protocol::{BucketKey, ContentId, ContentKey};
use zeroize::Zeroizing;

use crate::error::PipelineError;
use crate::once;

const PURPOSE: &[u8] = b"storgo v1 content key";

/// Seals the content key of `content`: 32 bytes and a tag.
///
/// # Errors
/// [`PipelineError::Internal`] if the cipher refuses.
pub fn seal_content_key(
    bucket: &BucketKey,
    content: &ContentId,
    key: &ContentKey,
) -> Result<[u8; 32 + TAG_BYTES], PipelineError> {
    let mut sealed = [0; 32 + TAG_BYTES];
    let (body, room) = sealed.split_at_mut(32);
    body.copy_from_slice(key.expose());
    let tag = once::seal(&bucket.record_key(content), PURPOSE, body)?;
    room.copy_from_slice(&tag);
    Ok(sealed)
}

/// Opens the content key of `content`.
///
/// # Errors
/// [`PipelineError::Corrupt`] if it was sealed for another object or under another bucket's key, or was changed.
pub fn open_content_key(
    bucket: &BucketKey,
    content: &ContentId,
    sealed: &[u8; 32 + TAG_BYTES],
) -> Result<ContentKey, PipelineError> {
    let corrupt = || PipelineError::corrupt("content key of", content);
    let mut bytes = Zeroizing::new(*sealed);
    let opened: &[u8] = once::open(&bucket.record_key(content), PURPOSE, bytes.as_mut_slice())?.ok_or_else(corrupt)?;
    opened.try_into().map(ContentKey::from_bytes).map_err(|_| corrupt())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: BucketKey = BucketKey::from_bytes([5; 32]);
    const CONTENT: ContentId = ContentId::from_bytes([7; 32]);

    fn sealed() -> [u8; 48] {
        seal_content_key(&BUCKET, &CONTENT, &ContentKey::from_bytes([9; 32])).unwrap()
    }

    #[test]
    fn a_content_key_opens_for_its_object_in_its_bucket_alone() {
        assert_eq!(open_content_key(&BUCKET, &CONTENT, &sealed()).unwrap(), ContentKey::from_bytes([9; 32]));
        assert!(open_content_key(&BucketKey::from_bytes([6; 32]), &CONTENT, &sealed()).is_err());
        assert!(open_content_key(&BUCKET, &ContentId::from_bytes([8; 32]), &sealed()).is_err());
        for at in 0..48 {
            let mut changed = sealed();
            changed[at] ^= 1;
            assert!(open_content_key(&BUCKET, &CONTENT, &changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn sealed_content_keys_are_what_every_version_makes() {
        assert_eq!(blake3::hash(&sealed()).to_string(), GOLDEN, "buckets would lose their objects");
    }

    const GOLDEN: &str = "325ace8416bae383d2478f8a11c32c9b82e199e0c0b66ecf81fa6f7264b921f4";
}
