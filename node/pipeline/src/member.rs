//! Bucket keys in the hands of members: wrapped for one of them, and unwrapped by that one.
//!
//! The construction is that of ECIES with an ephemeral key (RFC 9180 has the argument): X25519, HKDF-SHA256 over the
//! shared secret with everything that was agreed on as context, AES-256-GCM. Who wraps needs no secret; the record that
//! carries the wrapped key is signed by who may let members in. No randomness here: it comes in as an argument.

use std::fmt;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Tag};
use hkdf::Hkdf;
use sha2::Sha256;
use storgo_protocol::limits::TAG_BYTES;
use storgo_protocol::meta::BucketId;
use storgo_protocol::{BucketKey, Identity, MemberCard, MemberKey, WrappedKey};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::error::PipelineError;

/// A wrapping key is derived for one message, and so is used with this nonce once.
const NONCE: [u8; 12] = [0; 12];

/// The secret half of a member's key. It is derived from the identity's seed, so a home keeps one secret, not two.
pub struct MemberSecret(StaticSecret);

impl MemberSecret {
    /// The key beside this identity.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        Self::from_bytes(blake3::derive_key("storgo v1 member key", &*Zeroizing::new(identity.seed())))
    }

    fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(StaticSecret::from(bytes))
    }

    /// The public half.
    #[must_use]
    pub fn key(&self) -> MemberKey {
        MemberKey::from_bytes(PublicKey::from(&self.0).to_bytes())
    }

    /// What is shown to those who let members in.
    #[must_use]
    pub fn card(identity: &Identity) -> MemberCard {
        MemberCard::new(identity, Self::of(identity).key())
    }

    /// The key that was wrapped for this member.
    ///
    /// # Errors
    /// [`PipelineError::NotWrapped`] if it was wrapped for another member, bucket or generation, or was changed.
    pub fn unwrap(&self, bucket: BucketId, wrapped: &WrappedKey) -> Result<BucketKey, PipelineError> {
        let (sealed, tag) = wrapped.sealed.split_at(32);
        let mut key = Zeroizing::new(<[u8; 32]>::try_from(sealed).map_err(|_| PipelineError::NotWrapped)?);
        let tag = Tag::try_from(tag).map_err(|_| PipelineError::NotWrapped)?;
        let context = context(bucket, wrapped.generation, &wrapped.ephemeral, &self.key());
        cipher(&self.0, &wrapped.ephemeral, &context)?
            .decrypt_inout_detached(&NONCE.into(), &context, key.as_mut_slice().into(), &tag)
            .map_err(|_| PipelineError::NotWrapped)?;
        Ok(BucketKey::from_bytes(*key))
    }
}

/// Wraps a generation of a bucket's key for one member. `ephemeral` is 32 random bytes that serve nothing else.
///
/// # Errors
/// [`PipelineError::NotWrapped`] for a member key that makes no secret (RFC 7748, section 6.1).
pub fn wrap(
    key: &BucketKey,
    bucket: BucketId,
    generation: u32,
    member: &MemberKey,
    ephemeral: [u8; 32],
) -> Result<WrappedKey, PipelineError> {
    let ephemeral = MemberSecret::from_bytes(ephemeral);
    let public = ephemeral.key();
    let context = context(bucket, generation, &public, member);
    let mut sealed = [0; 32 + TAG_BYTES];
    let (body, tag) = sealed.split_at_mut(32);
    body.copy_from_slice(key.expose());
    let made = cipher(&ephemeral.0, member, &context)?
        .encrypt_inout_detached(&NONCE.into(), &context, body.into())
        .map_err(|_| PipelineError::internal("wrapping")("the cipher refuses a key"))?;
    tag.copy_from_slice(&made);
    Ok(WrappedKey { generation, ephemeral: public, sealed })
}

fn cipher(secret: &StaticSecret, public: &MemberKey, context: &[u8]) -> Result<Aes256Gcm, PipelineError> {
    let shared = secret.diffie_hellman(&PublicKey::from(*public.as_bytes()));
    if !shared.was_contributory() {
        return Err(PipelineError::NotWrapped);
    }
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, shared.as_bytes())
        .expand(context, key.as_mut_slice())
        .map_err(|_| PipelineError::internal("wrapping")("HKDF refuses 32 bytes"))?;
    Ok(Aes256Gcm::new((&*key).into()))
}

/// Purpose, bucket (16), generation (u32), ephemeral and member key (32 each).
fn context(bucket: BucketId, generation: u32, ephemeral: &MemberKey, member: &MemberKey) -> Vec<u8> {
    let purpose = b"storgo v1 wrapped bucket key".as_slice();
    [purpose, bucket.as_bytes(), &generation.to_le_bytes(), ephemeral.as_bytes(), member.as_bytes()].concat()
}

impl fmt::Debug for MemberSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: BucketId = BucketId::from_bytes([3; 16]);

    fn identity(seed: u8) -> Identity {
        Identity::from_seed(&[seed; 32])
    }

    fn wrapped(member: &Identity) -> WrappedKey {
        wrap(&BucketKey::from_bytes([5; 32]), BUCKET, 7, &MemberSecret::of(member).key(), [9; 32]).unwrap()
    }

    #[test]
    fn only_the_member_unwraps() {
        let key = MemberSecret::of(&identity(1)).unwrap(BUCKET, &wrapped(&identity(1))).unwrap();
        assert_eq!(key.expose(), &[5; 32]);
        let other = MemberSecret::of(&identity(2)).unwrap(BUCKET, &wrapped(&identity(1)));
        assert!(matches!(other, Err(PipelineError::NotWrapped)), "{other:?}");
    }

    #[test]
    fn nothing_of_a_wrapped_key_can_be_changed() {
        let (member, whole) = (MemberSecret::of(&identity(1)), wrapped(&identity(1)));
        assert!(member.unwrap(BucketId::from_bytes([4; 16]), &whole).is_err());
        let bytes = whole.encode();
        assert_eq!(WrappedKey::decode(&bytes), Ok(whole));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let opened = WrappedKey::decode(&changed).map(|wrapped| member.unwrap(BUCKET, &wrapped).is_ok());
            assert!(!matches!(opened, Ok(true)), "byte {at}");
        }
    }

    #[test]
    fn a_key_that_makes_no_secret_is_refused() {
        for point in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            let refused = wrap(&BucketKey::from_bytes([5; 32]), BUCKET, 1, &MemberKey::from_bytes(point), [9; 32]);
            assert!(matches!(refused, Err(PipelineError::NotWrapped)), "{refused:?}");
        }
    }

    #[test]
    fn wrapped_keys_are_what_every_version_makes() {
        let hash = blake3::hash(&wrapped(&identity(1)).encode()).to_string();
        assert_eq!(hash, GOLDEN, "members would lose their buckets");
    }

    const GOLDEN: &str = "e694a050f8b7351a180fb8509c6404bb1eec51e277359387c5cc49d0d1a0e1b3";
}
