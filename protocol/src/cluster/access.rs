//! Access keys of a bucket: what a program shows at a door, which knows passwords and signatures, not identities.
//!
//! A key has an id that everybody may see and a secret, which stands in the bucket's row sealed under the bucket's key.
//! How it is sealed stands in `storgo-pipeline`; what it is bound to stands here.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use data_encoding::BASE32_NOPAD;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::wire;
use crate::DecodeError;
use crate::ids::ParseIdError;
use crate::limits::{ACCESS_NOTE_BYTES_MAX, TAG_BYTES};
use crate::meta::{BucketId, fixed, is_over};

/// Characters of an id.
const ID_CHARS: usize = 20;

/// Characters of a secret: 200 random bits.
const SECRET_CHARS: usize = 40;

/// Bytes of a secret in a row: a salt, the secret and a tag.
pub const ACCESS_SEALED_BYTES: usize = 32 + SECRET_CHARS + TAG_BYTES;

/// The name of an access key: 20 capital letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKeyId([u8; ID_CHARS]);

impl AccessKeyId {
    /// An id from bytes that were drawn.
    #[must_use]
    pub fn draw(random: [u8; ID_CHARS]) -> Self {
        // Five bits of each byte: letters and digits of base 32, each as likely as the others.
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        Self(random.map(|byte| LETTERS.get(usize::from(byte & 31)).copied().unwrap_or(b'A')))
    }

    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for AccessKeyId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let refuse = ParseIdError { kind: "key id", reason: "expected 20 capital letters and digits" };
        let id = <[u8; ID_CHARS]>::try_from(text.as_bytes()).map_err(|_| refuse.clone())?;
        let is_known = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if id.iter().all(is_known) { Ok(Self(id)) } else { Err(refuse) }
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessKeyId({self})")
    }
}

/// The secret of an access key: 40 letters and digits. It is wiped when dropped and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AccessSecret([u8; SECRET_CHARS]);

impl AccessSecret {
    /// A secret from bytes that were drawn.
    #[must_use]
    pub fn draw(random: &[u8; 25]) -> Self {
        let mut secret = [0; SECRET_CHARS];
        BASE32_NOPAD.encode_mut(random, &mut secret);
        secret.make_ascii_lowercase();
        Self(secret)
    }

    /// Takes the bytes of a secret.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SECRET_CHARS]) -> Self {
        Self(bytes)
    }

    /// The secret itself: to seal it, to check what was signed with it, or to tell its owner, once.
    #[must_use]
    pub const fn expose(&self) -> &[u8; SECRET_CHARS] {
        &self.0
    }

    /// Whether somebody who says this knows the secret. How long that takes tells nothing of it but its length, which is
    /// everybody's: hashes are compared, and all of their bytes.
    #[must_use]
    pub fn is(&self, said: &[u8]) -> bool {
        said.len() == SECRET_CHARS && blake3::hash(&self.0) == blake3::hash(said)
    }
}

impl fmt::Debug for AccessSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessSecret(…)")
    }
}

/// What stands of an access key in clear, and is bound to its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessTerms {
    /// Its name.
    pub id: AccessKeyId,
    /// Whether it allows writing, beside reading.
    pub writes: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// From when on it opens nothing; 0 for never.
    pub expires_ms: u64,
    /// What its owner calls it, in at most [`ACCESS_NOTE_BYTES_MAX`] bytes without control characters.
    pub note: String,
}

impl AccessTerms {
    /// Whether it opens nothing any more.
    #[must_use]
    pub const fn is_over(&self, now_ms: u64) -> bool {
        is_over(self.expires_ms, now_ms)
    }

    /// Whether a note is one that can be kept.
    #[must_use]
    pub fn is_note(note: &str) -> bool {
        note.len() <= ACCESS_NOTE_BYTES_MAX && !note.chars().any(char::is_control)
    }

    /// What the secret is bound to: whoever changes any of it has a secret that does not open.
    #[must_use]
    pub fn context(&self, bucket: BucketId, key_generation: u32) -> Vec<u8> {
        [
            b"storgo v1 access key".as_slice(),
            bucket.as_bytes(),
            &key_generation.to_le_bytes(),
            &self.id.0,
            &[self.allows()],
            &self.created_ms.to_le_bytes(),
            &self.expires_ms.to_le_bytes(),
            self.note.as_bytes(),
        ]
        .concat()
    }

    const fn allows(&self) -> u8 {
        if self.writes { 2 } else { 1 }
    }
}

/// An access key as it stands in the row of its bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// What it is called, and what it allows until when.
    pub terms: AccessTerms,
    /// The bucket's key under which its secret is sealed.
    pub key_generation: u32,
    /// A salt (32), the secret and a tag.
    pub sealed: [u8; ACCESS_SEALED_BYTES],
}

impl AccessKey {
    pub(super) fn to_wire(&self) -> wire::AccessKey {
        let terms = &self.terms;
        wire::AccessKey {
            id: terms.id.to_string(),
            sealed: Bytes::copy_from_slice(&self.sealed),
            key_generation: self.key_generation,
            allows: terms.allows().into(),
            created_ms: terms.created_ms,
            expires_ms: terms.expires_ms,
            note: terms.note.clone(),
        }
    }

    fn from_wire(key: &wire::AccessKey) -> Result<Self, DecodeError> {
        let terms = AccessTerms {
            id: key.id.parse().map_err(|_| DecodeError::field("access key id"))?,
            writes: match key.allows {
                1 => false,
                2 => true,
                _ => return Err(DecodeError::field("what an access key allows")),
            },
            created_ms: key.created_ms,
            expires_ms: key.expires_ms,
            note: key.note.clone(),
        };
        if !AccessTerms::is_note(&terms.note) {
            return Err(DecodeError::field("note of an access key"));
        }
        let sealed = fixed(&key.sealed, "sealed access key")?;
        Ok(Self { terms, key_generation: key.key_generation, sealed })
    }
}

/// The access keys of a bucket whose newest key is of this generation.
pub(super) fn all(keys: &[wire::AccessKey], newest: u32) -> Result<Vec<AccessKey>, DecodeError> {
    let keys = keys.iter().map(AccessKey::from_wire).collect::<Result<Vec<_>, _>>()?;
    let is_known = |key: &AccessKey| (1..=newest).contains(&key.key_generation);
    let ascending = keys.is_sorted_by(|before, after| before.terms.id < after.terms.id);
    if ascending && keys.iter().all(is_known) { Ok(keys) } else { Err(DecodeError::field("access keys")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_twenty_capital_letters_and_digits_and_secrets_are_never_shown() {
        let id = AccessKeyId::draw(std::array::from_fn(|at| u8::try_from(13 * at).unwrap_or(0)));
        assert_eq!((id.to_string().parse(), id.as_str().len()), (Ok(id), ID_CHARS));
        for nonsense in
            ["", "ABCDEFGHIJKLMNOPQRS", "ABCDEFGHIJKLMNOPQRSTU", "aBCDEFGHIJKLMNOPQRST", "ÄBCDEFGHIJKLMNOPQRS"]
        {
            assert!(nonsense.parse::<AccessKeyId>().is_err(), "{nonsense}");
        }
        let secret = AccessSecret::draw(&[7; 25]);
        let said = String::from_utf8(secret.expose().to_vec()).unwrap();
        assert!(said.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{said}");
        assert!(!format!("{secret:?}").contains(&said));
        assert!(secret.is(said.as_bytes()) && !secret.is(b"") && !secret.is(&said.as_bytes()[1..]));
        assert!(!secret.is(said.to_uppercase().as_bytes()));
    }

    #[test]
    fn a_key_is_over_from_its_last_moment_on() {
        let id = AccessKeyId::draw([1; 20]);
        let of = |expires_ms| AccessTerms { id, writes: true, created_ms: 1, expires_ms, note: String::new() };
        assert!(!of(0).is_over(u64::MAX) && !of(9).is_over(8) && of(9).is_over(9));
    }
}
