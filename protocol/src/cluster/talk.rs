//! What is said to whoever hears at a member for a bucket: sealed on its way, and what is in it.

use bytes::Bytes;
use prost::Message as _;

use super::wire;
use crate::DecodeError;
use crate::fields::{at_most, decode};
use crate::limits::{MESSAGE_BYTES_MAX, TAG_BYTES, TALK_BYTES_MAX};
use crate::meta::{HearerId, fixed};

/// A [`Talk`] that one hearer of a bucket can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTalk {
    /// For whom it was sealed.
    pub hearer: HearerId,
    /// Under which of the bucket's keys.
    pub generation: u32,
    /// Random, and new for each.
    pub salt: [u8; 32],
    /// The encoded talk, and a tag.
    pub sealed: Bytes,
}

/// What is said at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    /// Who speaks: who hears at the same place under this name.
    pub speaker: HearerId,
    /// Higher than that of all that it said before to this hearer.
    pub number: u64,
    /// What it says, in its order; each at most [`MESSAGE_BYTES_MAX`].
    pub messages: Vec<Bytes>,
}

impl SealedTalk {
    pub(super) fn to_wire(&self) -> wire::SealedTalk {
        wire::SealedTalk {
            hearer: hearer_bytes(self.hearer),
            generation: self.generation,
            salt: self.salt.to_vec().into(),
            sealed: self.sealed.clone(),
        }
    }

    pub(super) fn from_wire(talk: wire::SealedTalk) -> Result<Self, DecodeError> {
        Ok(Self {
            hearer: hearer(&talk.hearer)?,
            generation: talk.generation,
            salt: fixed(&talk.salt, "salt")?,
            sealed: at_most(talk.sealed, TALK_BYTES_MAX + TAG_BYTES)?,
        })
    }
}

impl Talk {
    /// What a message adds to the bytes of a talk, beside its own, at most.
    pub const MESSAGE_HEAD_BYTES: usize = 6;

    /// What a talk has beside its messages, at most.
    pub const HEAD_BYTES: usize = 32;

    /// The talk's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let speaker = hearer_bytes(self.speaker);
        wire::Talk { speaker, number: self.number, messages: self.messages.clone() }.encode_to_vec()
    }

    /// Decodes what was sealed by somebody who has the bucket's key.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole talk within its bounds.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let talk: wire::Talk = decode(at_most(bytes, TALK_BYTES_MAX)?)?;
        let message = |message| at_most(message, MESSAGE_BYTES_MAX);
        Ok(Self {
            speaker: hearer(&talk.speaker)?,
            number: talk.number,
            messages: talk.messages.into_iter().map(message).collect::<Result<_, _>>()?,
        })
    }
}

pub(super) fn hearer(bytes: &[u8]) -> Result<HearerId, DecodeError> {
    fixed(bytes, "hearer").map(HearerId::from_bytes)
}

pub(super) fn hearer_bytes(hearer: HearerId) -> Bytes {
    hearer.as_bytes().to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::TALK_MESSAGES_MAX;

    fn talk(messages: Vec<Bytes>) -> Talk {
        Talk { speaker: HearerId::from_bytes([1; 16]), number: u64::MAX, messages }
    }

    #[test]
    fn a_talk_beyond_its_bounds_is_refused() {
        let read = |messages| Talk::decode(talk(messages).encode().into());
        let many = vec![Bytes::new(); TALK_MESSAGES_MAX];
        assert_eq!(read(many.clone()), Ok(talk(many.clone())));
        assert!(read([many, vec![Bytes::new()]].concat()).is_err());
        let long = Bytes::from(vec![7; MESSAGE_BYTES_MAX]);
        assert_eq!(read(vec![long.clone()]), Ok(talk(vec![long.clone()])));
        assert!(read(vec![Bytes::from(vec![7; MESSAGE_BYTES_MAX + 1])]).is_err());
        let room = TALK_BYTES_MAX - MESSAGE_BYTES_MAX - 2 * Talk::MESSAGE_HEAD_BYTES - Talk::HEAD_BYTES;
        assert!(read(vec![long.clone(), Bytes::from(vec![7; room])]).is_ok());
        assert!(read(vec![long.clone(), long]).is_err());
        assert!(Talk::decode(Bytes::new()).is_err());
    }
}
