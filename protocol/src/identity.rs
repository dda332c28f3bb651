//! Who signs: the Ed25519 identity of a node, a user or a grant's holder.
//!
//! It knows no files and no randomness: a home or a data directory keeps the seed.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::{DecodeError, PeerId};

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// A signing key; its public half is a [`PeerId`].
#[derive(Clone)]
pub struct Identity(SigningKey);

impl Identity {
    /// The identity with this secret seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The secret seed, to be kept in a file of mode 0600 or in a care ticket.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    #[must_use]
    pub fn id(&self) -> PeerId {
        PeerId::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`, which must start with its purpose so that no signature serves two.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.id())
    }
}

impl PeerId {
    /// Checks a signature of this identity, strictly (small-order keys and malleable signatures are refused).
    ///
    /// # Errors
    /// [`DecodeError::Unverified`] naming `what`.
    pub fn verify(
        &self,
        what: &'static str,
        message: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> Result<(), DecodeError> {
        VerifyingKey::from_bytes(self.as_bytes())
            .and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature)))
            .map_err(|_| DecodeError::Unverified { what })
    }
}
