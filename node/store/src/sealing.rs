//! The key of a node, and what is sealed with it or under it.
//!
//! AES-256-GCM, and keys derived by BLAKE3. It must not know what is sealed, nor where the node's key comes from. No
//! key and nonce meet twice: a key that seals one thing is derived with a fresh salt and has the nonce 0, a key that
//! seals many has a counter for a nonce.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use storgo_protocol::limits::TAG_BYTES;
use zeroize::Zeroizing;

/// The secret under which a node keeps its log and its records. Whoever gives it keeps it elsewhere than on the disk
/// that it protects, or knows that it protects nothing there.
#[derive(Clone)]
pub struct NodeKey(Zeroizing<[u8; 32]>);

impl NodeKey {
    /// Takes 32 secret bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key for one use under one salt.
    pub(crate) fn derive(&self, purpose: &'static str, salt: &[u8; 32]) -> Cipher {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(self.0.as_slice());
        hasher.update(salt);
        Cipher::new(&Zeroizing::new(*hasher.finalize().as_bytes()))
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(..)")
    }
}

/// What was sealed did not open: other bytes, another place, or another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// One key of AES-256-GCM.
#[derive(Debug)]
pub(crate) struct Cipher(Option<LessSafeKey>);

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        // Only a key of another length is refused.
        Self(UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new))
    }

    /// Seals what stands in `out` from `first` on, in place, and puts the tag behind it.
    pub(crate) fn seal(&self, nonce: u64, aad: &[u8], out: &mut Vec<u8>, first: usize) -> Result<(), Refused> {
        let plain = out.get_mut(first..).ok_or(Refused)?;
        let key = self.0.as_ref().ok_or(Refused)?;
        let tag = key.seal_in_place_separate_tag(number(nonce), Aad::from(aad), plain).map_err(|_| Refused)?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens `sealed` in place; what it held is its beginning.
    pub(crate) fn open<'a>(&self, nonce: u64, aad: &[u8], sealed: &'a mut [u8]) -> Result<&'a [u8], Refused> {
        if sealed.len() < TAG_BYTES {
            return Err(Refused);
        }
        let key = self.0.as_ref().ok_or(Refused)?;
        key.open_in_place(number(nonce), Aad::from(aad), sealed).map(|plain| &*plain).map_err(|_| Refused)
    }
}

fn number(nonce: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes.iter_mut().zip(nonce.to_le_bytes()).for_each(|(to, from)| *to = from);
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_at_its_place_alone() {
        let key = NodeKey::from_bytes([7; 32]);
        let cipher = key.derive("test", &[1; 32]);
        let mut sealed = b"head".to_vec();
        sealed.extend_from_slice(b"secret");
        cipher.seal(5, b"place", &mut sealed, 4).unwrap();
        let sealed = sealed.split_off(4);
        assert_eq!(sealed.len(), 6 + TAG_BYTES);
        assert_eq!(cipher.open(5, b"place", &mut sealed.clone()).unwrap(), b"secret");
        assert_eq!(cipher.open(6, b"place", &mut sealed.clone()), Err(Refused));
        assert_eq!(cipher.open(5, b"other", &mut sealed.clone()), Err(Refused));
        for other in [key.derive("test", &[2; 32]), key.derive("another", &[1; 32])] {
            assert_eq!(other.open(5, b"place", &mut sealed.clone()), Err(Refused));
        }
        let stranger = NodeKey::from_bytes([8; 32]).derive("test", &[1; 32]);
        assert_eq!(stranger.open(5, b"place", &mut sealed.clone()), Err(Refused));
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert_eq!(cipher.open(5, b"place", &mut flipped), Err(Refused));
        }
        assert_eq!(cipher.open(5, b"place", &mut []), Err(Refused));
        assert_eq!(format!("{key:?}"), "NodeKey(..)");
    }
}
