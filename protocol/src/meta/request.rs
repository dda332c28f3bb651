//! What a group remembers of a request, so that a retry gets the answer of the first attempt.

use bytes::Bytes;
use prost::Message as _;

use super::{Reply, decode, fixed, wire};
use crate::DecodeError;

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The first half of the BLAKE3 of the command: another command under the same id is a mistake of its client.
    pub command: [u8; 16],
    /// What was answered.
    pub reply: Reply,
}

impl Remembered {
    /// What to compare of a command.
    #[must_use]
    pub fn fingerprint(command: &[u8]) -> [u8; 16] {
        let hash = blake3::hash(command);
        hash.as_bytes().first_chunk().copied().unwrap_or_default()
    }

    /// The record.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        wire::Remembered { command: self.command.to_vec().into(), reply: self.reply.encode() }.encode_to_vec().into()
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a whole record.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let remembered: wire::Remembered = decode(bytes)?;
        Ok(Self { command: fixed(&remembered.command, "command")?, reply: Reply::decode(remembered.reply)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_comes_back() {
        let command = Remembered::fingerprint(b"command");
        assert_ne!(command, Remembered::fingerprint(b"another"));
        let remembered = Remembered { command, reply: Reply::Done { count: 1 } };
        assert_eq!(Remembered::decode(remembered.encode()), Ok(remembered));
        assert!(Remembered::decode(Bytes::new()).is_err());
    }
}
