//! Members of a bucket: how one is named to those who let it in, and what it is handed.
//!
//! ```text
//!   member ── card: user, X25519 key, signature ──► owner
//!   member ◄── wrapped key: what opens the bucket, for this member alone ── owner
//! ```
//!
//! Values only; who wraps and unwraps is `storgo-pipeline`. Byte tables: `protocol/spec/members.md`.

use std::fmt;
use std::str::FromStr;

use crate::bytes::Reader;
use crate::identity::{Identity, SIGNATURE_BYTES};
use crate::limits::TAG_BYTES;
use crate::ticket::{ParseTicketError, spell, unspell};
use crate::{DecodeError, PeerId};

const CARD_MAGIC: [u8; 4] = *b"SGMC";
const WRAPPED_MAGIC: [u8; 4] = *b"SGWK";
const VERSION: u8 = 1;
pub(crate) const CARD_PREFIX: &str = "storgo-member:";

/// The public half of the X25519 key that stands beside an identity (RFC 7748).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberKey([u8; 32]);

impl MemberKey {
    /// Takes the 32 bytes of a public key; nothing is checked.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What a user shows to be let into buckets: an identity, and the key for what is meant for that identity alone.
///
/// # Shape
/// `"SGMC"`, version 1, user (32), X25519 key (32), the user's signature (64) over `"storgo v1 member card"` and the key.
/// Printed as `storgo-member:` and lower-case base 32 with a checksum, like a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberCard {
    user: PeerId,
    key: MemberKey,
    signature: [u8; SIGNATURE_BYTES],
}

impl MemberCard {
    /// The card of an identity whose X25519 key this is.
    #[must_use]
    pub fn new(identity: &Identity, key: MemberKey) -> Self {
        Self { user: identity.id(), key, signature: identity.sign(&signed(&key)) }
    }

    /// Who it is.
    #[must_use]
    pub const fn user(&self) -> PeerId {
        self.user
    }

    /// The key that only this user can use: the card was signed.
    #[must_use]
    pub const fn key(&self) -> MemberKey {
        self.key
    }

    /// The binary form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [CARD_MAGIC.as_slice(), &[VERSION], self.user.as_bytes(), self.key.as_bytes(), &self.signature].concat()
    }

    /// Decodes the binary form and checks the signature.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole card that its user signed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(CARD_MAGIC, VERSION)?;
        let user = PeerId::from_bytes(reader.array()?);
        let key = MemberKey(reader.array()?);
        let signature = reader.array()?;
        reader.finish()?;
        user.verify("a member card", &signed(&key), &signature)?;
        Ok(Self { user, key, signature })
    }
}

fn signed(key: &MemberKey) -> Vec<u8> {
    [b"storgo v1 member card".as_slice(), key.as_bytes()].concat()
}

impl fmt::Display for MemberCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spell(CARD_PREFIX, self.encode(), f)
    }
}

impl FromStr for MemberCard {
    type Err = ParseTicketError;

    fn from_str(word: &str) -> Result<Self, ParseTicketError> {
        Ok(Self::decode(&unspell(CARD_PREFIX, word)?)?)
    }
}

/// One generation of a bucket's key, wrapped for one member.
///
/// # Shape
/// `"SGWK"`, version 1, generation (u32), the wrapper's ephemeral X25519 key (32), the wrapped key and its tag (48).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which of the bucket's keys.
    pub generation: u32,
    /// Made for this wrapping alone.
    pub ephemeral: MemberKey,
    /// AES-256-GCM: the key, and a tag.
    pub sealed: [u8; 32 + TAG_BYTES],
}

impl WrappedKey {
    /// The binary form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let generation = self.generation.to_le_bytes();
        [WRAPPED_MAGIC.as_slice(), &[VERSION], &generation, self.ephemeral.as_bytes(), &self.sealed].concat()
    }

    /// Decodes the binary form.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole wrapped key.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(WRAPPED_MAGIC, VERSION)?;
        let generation = u32::from_le_bytes(reader.array()?);
        let wrapped = Self { generation, ephemeral: MemberKey(reader.array()?), sealed: reader.array()? };
        reader.finish()?;
        Ok(wrapped)
    }
}
