//! Secrets of content: the convergence secret and the keys derived from it. Key derivation stands here, once.
//!
//! It knows no cipher and no randomness: whoever makes a secret passes its bytes in. Secrets are wiped when dropped
//! and never printed.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{ChunkId, ContentId};

/// Declares a 32-byte secret.
macro_rules! secret32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes 32 secret bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The secret bytes: to seal, to open or to write into a ticket.
            #[must_use]
            pub const fn expose(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret32!(
    /// What equal content must share to be stored once: a home's, a bucket's, or a fresh one for a private object.
    ConvergenceSecret
);
secret32!(
    /// Seals the segments of one chunk.
    ChunkKey
);
secret32!(
    /// What the members of a bucket share, one for each generation: all that stands in the bucket is sealed under keys
    /// that derive from it.
    BucketKey
);
secret32!(
    /// Opens one object: it seals the top of its index, in which all other keys stand.
    ContentKey
);

/// How chunks and roots are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cipher {
    /// AES-256-GCM, 96-bit nonce, 128-bit tag.
    Aes256Gcm = 1,
}

impl Cipher {
    /// The cipher with this number in a format.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Aes256Gcm),
            _ => None,
        }
    }
}

/// The version of the chunk format; part of every derivation, so that formats never share a key.
pub const CHUNK_FORMAT: u8 = 1;

impl ConvergenceSecret {
    /// The key of a chunk whose packed hash is `packed`: segment count, each length and flag, hash of the packed bytes.
    #[must_use]
    pub fn chunk_key(&self, cipher: Cipher, packed: &blake3::Hash) -> ChunkKey {
        ChunkKey(self.derive(b"chunk", cipher, packed))
    }

    /// The key of an object whose packed top index node hashes to `packed`.
    #[must_use]
    pub fn content_key(&self, cipher: Cipher, packed: &blake3::Hash) -> ContentKey {
        ContentKey(self.derive(b"root", cipher, packed))
    }

    /// The seed of the chunker's gear table, so that chunk lengths do not fingerprint known files.
    #[must_use]
    pub fn gear_seed(&self) -> u64 {
        let hash = blake3::keyed_hash(&self.0, b"storgo v1 gear");
        u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap_or(&[0; 8]))
    }

    fn derive(&self, what: &[u8], cipher: Cipher, packed: &blake3::Hash) -> [u8; 32] {
        *blake3::Hasher::new_keyed(&self.0)
            .update(b"storgo v1 key ")
            .update(what)
            .update(&[CHUNK_FORMAT, cipher as u8])
            .update(packed.as_bytes())
            .finalize()
            .as_bytes()
    }
}

impl ChunkKey {
    /// The name of the chunk of `sealed_bytes` that this key seals and whose packed hash is `packed`: the BLAKE3 of
    /// `"storgo v1 chunk"`, format (u8), sealed length (u32), key and packed hash.
    ///
    /// Key and packed form determine every sealed byte, so the name commits to all of them without a hash over them;
    /// who lacks the key learns nothing from it.
    #[must_use]
    pub fn chunk_id(&self, sealed_bytes: u32, packed: &blake3::Hash) -> ChunkId {
        let name = blake3::Hasher::new()
            .update(b"storgo v1 chunk")
            .update(&[CHUNK_FORMAT])
            .update(&sealed_bytes.to_le_bytes())
            .update(&self.0)
            .update(packed.as_bytes())
            .finalize();
        ChunkId::from_bytes(*name.as_bytes())
    }

    /// Fills `padding` with bytes that look random to whoever lacks the key, so that a padded length tells nothing.
    pub fn fill_padding(&self, padding: &mut [u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(b"storgo v1 padding").finalize_xof().fill(padding);
    }
}

impl BucketKey {
    /// The secret under which equal content of this bucket is stored once.
    #[must_use]
    pub fn convergence_secret(&self) -> ConvergenceSecret {
        ConvergenceSecret(*blake3::keyed_hash(&self.0, b"storgo v1 convergence").as_bytes())
    }

    /// The key under which the content key of one object stands in records of this bucket. It seals nothing else, and
    /// seals it always alike: the content id commits to the content key.
    #[must_use]
    pub fn record_key(&self, content: &ContentId) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        Zeroizing::new(*hasher.update(b"storgo v1 content key ").update(content.as_bytes()).finalize().as_bytes())
    }

    /// The key of the one inline body that has this salt.
    #[must_use]
    pub fn inline_key(&self, salt: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        Zeroizing::new(*hasher.update(b"storgo v1 inline ").update(salt).finalize().as_bytes())
    }

    /// The key of the one secret of an access key that has this salt.
    #[must_use]
    pub fn access_key_key(&self, salt: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        Zeroizing::new(*hasher.update(b"storgo v1 access key ").update(salt).finalize().as_bytes())
    }

    /// The key of the one talk that has this salt.
    #[must_use]
    pub fn talk_key(&self, salt: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        Zeroizing::new(*hasher.update(b"storgo v1 talk ").update(salt).finalize().as_bytes())
    }
}

impl ContentKey {
    /// What the root says in clear of its key. AES-GCM commits to no key: two keys could both open one ciphertext,
    /// so a reader compares this before it opens anything.
    #[must_use]
    pub fn commitment(&self) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, b"storgo v1 commit").as_bytes()
    }
}
