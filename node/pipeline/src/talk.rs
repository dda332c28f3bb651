//! Seals what is said to one hearer of a bucket.
//!
//! Each talk has a key of its own, as an inline body has, and whose it is is authenticated with it: what was said to one
//! hearer opens for no other, is never taken for a body, nor a body for it.

use storgo_protocol::BucketKey;
use storgo_protocol::meta::{BucketId, HearerId};

use crate::error::PipelineError;
use crate::once;

/// For whom it is, under which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TalkPlace {
    /// The bucket.
    pub bucket: BucketId,
    /// Who hears it.
    pub hearer: HearerId,
    /// Which of the bucket's keys.
    pub generation: u32,
}

impl TalkPlace {
    /// Seals an encoded talk: as many bytes, and a tag. `salt` is fresh and random.
    ///
    /// # Errors
    /// [`PipelineError`] if the cipher is broken.
    pub fn seal(&self, key: &BucketKey, salt: &[u8; 32], mut talk: Vec<u8>) -> Result<Vec<u8>, PipelineError> {
        let tag = once::seal(&key.talk_key(salt), &self.context(), &mut talk)?;
        talk.extend_from_slice(&tag);
        Ok(talk)
    }

    /// Opens a talk.
    ///
    /// # Errors
    /// [`PipelineError::Corrupt`] if it was sealed for another hearer or key, or was changed.
    pub fn open(&self, key: &BucketKey, salt: &[u8; 32], mut sealed: Vec<u8>) -> Result<Vec<u8>, PipelineError> {
        let opened = once::open(&key.talk_key(salt), &self.context(), &mut sealed)?;
        let bytes = opened.ok_or_else(|| PipelineError::corrupt("talk", self.hearer))?.len();
        sealed.truncate(bytes);
        Ok(sealed)
    }

    /// Purpose, bucket (16), hearer (16), generation (u32).
    fn context(&self) -> Vec<u8> {
        let generation = self.generation.to_le_bytes();
        [b"storgo v1 talk".as_slice(), self.bucket.as_bytes(), self.hearer.as_bytes(), &generation].concat()
    }
}

#[cfg(test)]
mod tests {
    use storgo_protocol::meta::ObjectId;

    use super::*;
    use crate::InlinePlace;

    const SALT: [u8; 32] = [6; 32];

    #[test]
    fn a_talk_opens_for_its_hearer_alone() {
        let (bucket, hearer) = (BucketId::from_bytes([1; 16]), HearerId::from_bytes([2; 16]));
        let (key, place) = (BucketKey::from_bytes([5; 32]), TalkPlace { bucket, hearer, generation: 3 });
        let sealed = place.seal(&key, &SALT, b"a talk".to_vec()).unwrap();
        assert_eq!(place.open(&key, &SALT, sealed.clone()).unwrap(), b"a talk");
        for other in [
            TalkPlace { bucket: BucketId::from_bytes([9; 16]), ..place },
            TalkPlace { hearer: HearerId::from_bytes([9; 16]), ..place },
            TalkPlace { generation: 4, ..place },
        ] {
            assert!(other.open(&key, &SALT, sealed.clone()).is_err(), "{other:?}");
        }
        assert!(place.open(&key, &[7; 32], sealed.clone()).is_err());
        assert!(place.open(&BucketKey::from_bytes([7; 32]), &SALT, sealed.clone()).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(place.open(&key, &SALT, changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_talk_is_no_body_and_a_body_no_talk() {
        let (bucket, key) = (BucketId::from_bytes([1; 16]), BucketKey::from_bytes([5; 32]));
        let talk = TalkPlace { bucket, hearer: HearerId::from_bytes([2; 16]), generation: 3 };
        let body = InlinePlace { bucket, object: ObjectId::from_bytes([2; 16]), generation: 3 };
        let said = talk.seal(&key, &SALT, b"said".to_vec()).unwrap();
        assert!(body.open(&key, &SALT, said).is_err());
        assert!(talk.open(&key, &SALT, body.seal(&key, &SALT, b"stored").unwrap()).is_err());
    }
}
