//! Seals the secrets of access keys into the row of a bucket.
//!
//! Each is sealed under a key of its own, from the bucket's key and a fresh salt, so no nonce is used twice, and bound to all
//! that stands of the access key in clear: one that was changed to allow more, or for longer, does not open.

use storgo_protocol::BucketKey;
use storgo_protocol::cluster::{ACCESS_SEALED_BYTES, AccessKey, AccessSecret, AccessTerms};
use storgo_protocol::meta::BucketId;
use zeroize::Zeroizing;

use crate::error::PipelineError;
use crate::once;

const SALT_BYTES: usize = 32;

/// Where an access key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessPlace {
    /// The bucket.
    pub bucket: BucketId,
    /// Which of the bucket's keys.
    pub generation: u32,
}

impl AccessPlace {
    /// Seals the secret of an access key. `salt` is fresh and random.
    ///
    /// # Errors
    /// [`PipelineError::Internal`] if the cipher refuses.
    pub fn seal(
        &self,
        key: &BucketKey,
        salt: &[u8; SALT_BYTES],
        terms: AccessTerms,
        secret: &AccessSecret,
    ) -> Result<AccessKey, PipelineError> {
        let mut sealed = [0; ACCESS_SEALED_BYTES];
        let (salt_room, rest) = sealed.split_at_mut(SALT_BYTES);
        let (body, tag_room) = rest.split_at_mut(secret.expose().len());
        salt_room.copy_from_slice(salt);
        body.copy_from_slice(secret.expose());
        let tag = once::seal(&key.access_key_key(salt), &terms.context(self.bucket, self.generation), body)?;
        tag_room.copy_from_slice(&tag);
        Ok(AccessKey { terms, key_generation: self.generation, sealed })
    }
}

/// Opens the secret of an access key of a bucket.
///
/// # Errors
/// [`PipelineError::Corrupt`] if it was sealed for another bucket, key or generation, or if anything of it was changed.
pub fn open_access_key(key: &BucketKey, bucket: BucketId, access: &AccessKey) -> Result<AccessSecret, PipelineError> {
    let corrupt = || PipelineError::corrupt("access key", access.terms.id);
    let (salt, sealed) = access.sealed.split_first_chunk::<SALT_BYTES>().ok_or_else(corrupt)?;
    let mut secret = Zeroizing::new(sealed.to_vec());
    let context = access.terms.context(bucket, access.key_generation);
    let opened: &[u8] = once::open(&key.access_key_key(salt), &context, &mut secret)?.ok_or_else(corrupt)?;
    opened.try_into().map(AccessSecret::from_bytes).map_err(|_| corrupt())
}

#[cfg(test)]
mod tests {
    use storgo_protocol::cluster::AccessKeyId;

    use super::*;

    const BUCKET: BucketId = BucketId::from_bytes([1; 16]);
    const KEY: BucketKey = BucketKey::from_bytes([5; 32]);

    fn terms() -> AccessTerms {
        let (id, note) = (AccessKeyId::draw([3; 20]), "backup".to_owned());
        AccessTerms { id, writes: false, created_ms: 7, expires_ms: 9, note }
    }

    fn sealed() -> AccessKey {
        let place = AccessPlace { bucket: BUCKET, generation: 2 };
        place.seal(&KEY, &[6; 32], terms(), &AccessSecret::draw(&[8; 25])).unwrap()
    }

    #[test]
    fn a_secret_opens_for_the_key_that_it_was_made_for_and_no_other() {
        let secret = open_access_key(&KEY, BUCKET, &sealed()).unwrap();
        assert_eq!(secret.expose(), AccessSecret::draw(&[8; 25]).expose());
        assert!(open_access_key(&BucketKey::from_bytes([4; 32]), BUCKET, &sealed()).is_err());
        assert!(open_access_key(&KEY, BucketId::from_bytes([2; 16]), &sealed()).is_err());
        let changed = [
            AccessTerms { id: AccessKeyId::draw([4; 20]), ..terms() },
            AccessTerms { writes: true, ..terms() },
            AccessTerms { created_ms: 8, ..terms() },
            AccessTerms { expires_ms: 0, ..terms() },
            AccessTerms { note: String::new(), ..terms() },
        ];
        for terms in changed {
            let widened = AccessKey { terms, ..sealed() };
            assert!(open_access_key(&KEY, BUCKET, &widened).is_err(), "{:?}", widened.terms);
        }
        assert!(open_access_key(&KEY, BUCKET, &AccessKey { key_generation: 3, ..sealed() }).is_err());
        for at in 0..ACCESS_SEALED_BYTES {
            let mut changed = sealed();
            changed.sealed[at] ^= 1;
            assert!(open_access_key(&KEY, BUCKET, &changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn sealed_secrets_are_what_every_version_makes() {
        assert_eq!(blake3::hash(&sealed().sealed).to_string(), GOLDEN, "access keys would open nothing any more");
    }

    const GOLDEN: &str = "fa50290ba13e490ca7ff1cfbbb6a25d3ba2a328d68a5c9aa9023da6f4d11f6b4";
}
