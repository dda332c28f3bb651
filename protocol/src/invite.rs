//! How a network lets nodes in: its trust root signs an invite, and who holds the invite signs for itself with it.
//!
//! ```text
//!   trust root ── signs ──► terms (key, role, expiry) ── the key signs ──► admission of one peer
//! ```
//!
//! Whoever knows the network's id can check an admission: nobody has to be believed. Values only; byte tables:
//! `protocol/spec/members.md`.

use std::fmt;
use std::str::FromStr;

use crate::address::PeerAddress;
use crate::bytes::Reader;
use crate::identity::{Identity, SIGNATURE_BYTES};
use crate::ticket::{ParseTicketError, decode_addresses, encode_addresses, spell, unspell};
use crate::{DecodeError, NetworkId, PeerId};

const INVITE_MAGIC: [u8; 4] = *b"SGIN";
const ADMISSION_MAGIC: [u8; 4] = *b"SGAD";
const VERSION: u8 = 1;
pub(crate) const INVITE_PREFIX: &str = "storgo-invite:";

/// What an invited node may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InviteRole {
    /// Keep shards.
    Storage,
    /// Keep shards, and seats in metadata groups.
    Metadata,
}

/// What the trust root signed.
///
/// # Shape
/// Trust root (32), key (32), role (u8: 1 storage, 2 metadata), expiry (u64, seconds since 1970; 0 for never), the
/// root's signature (64) over `"storgo v1 invite"` and the fields before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteTerms {
    /// The network's trust root.
    pub root: PeerId,
    /// The public half of the invite's key.
    pub key: PeerId,
    /// What for.
    pub role: InviteRole,
    /// Until when nodes are let in with it, in seconds since 1970; 0 for ever.
    pub expires_seconds: u64,
    signature: [u8; SIGNATURE_BYTES],
}

/// A word that lets nodes into a network until it expires.
///
/// # Shape
/// `"SGIN"`, version 1, terms, seed of the invite's key (32), addresses as in a [`Ticket`](crate::Ticket). Printed as
/// `storgo-invite:` and lower-case base 32 with a checksum.
#[derive(Debug, Clone)]
pub struct Invite {
    /// What the trust root signed.
    pub terms: InviteTerms,
    /// The secret half of the invite's key.
    pub key: Identity,
    /// Where members are.
    pub addresses: Vec<PeerAddress>,
}

/// Shows that a peer was let in by the trust root.
///
/// # Shape
/// `"SGAD"`, version 1, terms, peer (32), signature (64) of the terms' key over `"storgo v1 admission"`, root and peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Under which terms.
    pub terms: InviteTerms,
    /// Who.
    pub peer: PeerId,
    signature: [u8; SIGNATURE_BYTES],
}

impl InviteRole {
    const fn number(self) -> u8 {
        match self {
            Self::Storage => 1,
            Self::Metadata => 2,
        }
    }
}

impl InviteTerms {
    /// Terms for the holder of `key`, signed by the trust root.
    #[must_use]
    pub fn new(root: &Identity, key: PeerId, role: InviteRole, expires_seconds: u64) -> Self {
        let mut terms = Self { root: root.id(), key, role, expires_seconds, signature: [0; SIGNATURE_BYTES] };
        terms.signature = root.sign(&terms.signed());
        terms
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        NetworkId::from_root(self.root)
    }

    fn fields(&self) -> Vec<u8> {
        let expires = self.expires_seconds.to_le_bytes();
        [self.root.as_bytes().as_slice(), self.key.as_bytes(), &[self.role.number()], &expires].concat()
    }

    fn signed(&self) -> Vec<u8> {
        [b"storgo v1 invite".as_slice(), &self.fields()].concat()
    }

    fn encode(&self) -> Vec<u8> {
        [self.fields().as_slice(), &self.signature].concat()
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (root, key) = (PeerId::from_bytes(reader.array()?), PeerId::from_bytes(reader.array()?));
        let role = match reader.u8()? {
            1 => InviteRole::Storage,
            2 => InviteRole::Metadata,
            _ => return Err(DecodeError::field("role")),
        };
        let terms = Self { root, key, role, expires_seconds: reader.u64()?, signature: reader.array()? };
        root.verify("an invite", &terms.signed(), &terms.signature)?;
        Ok(terms)
    }
}

impl Invite {
    fn encode(&self) -> Vec<u8> {
        let mut out = [INVITE_MAGIC.as_slice(), &[VERSION], &self.terms.encode(), &self.key.seed()].concat();
        encode_addresses(&self.addresses, &mut out);
        out
    }

    /// Decodes the binary form and checks the root's signature.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole invite whose parts agree.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(INVITE_MAGIC, VERSION)?;
        let terms = InviteTerms::read(&mut reader)?;
        let key = Identity::from_seed(&reader.array()?);
        let addresses = decode_addresses(&mut reader)?;
        reader.finish()?;
        if terms.key != key.id() {
            return Err(DecodeError::field("invite key"));
        }
        Ok(Self { terms, key, addresses })
    }

    /// Lets a peer in.
    #[must_use]
    pub fn admit(&self, peer: PeerId) -> Admission {
        let signature = self.key.sign(&admitted(self.terms.root, peer));
        Admission { terms: self.terms.clone(), peer, signature }
    }
}

impl Admission {
    /// The binary form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let head = [ADMISSION_MAGIC.as_slice(), &[VERSION], &self.terms.encode()].concat();
        [head.as_slice(), self.peer.as_bytes(), &self.signature].concat()
    }

    /// Decodes the binary form and checks both signatures.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole admission.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(ADMISSION_MAGIC, VERSION)?;
        let terms = InviteTerms::read(&mut reader)?;
        let (peer, signature) = (PeerId::from_bytes(reader.array()?), reader.array()?);
        reader.finish()?;
        terms.key.verify("an admission", &admitted(terms.root, peer), &signature)?;
        Ok(Self { terms, peer, signature })
    }
}

fn admitted(root: PeerId, peer: PeerId) -> Vec<u8> {
    [b"storgo v1 admission".as_slice(), root.as_bytes(), peer.as_bytes()].concat()
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spell(INVITE_PREFIX, self.encode(), f)
    }
}

impl FromStr for Invite {
    type Err = ParseTicketError;

    fn from_str(word: &str) -> Result<Self, ParseTicketError> {
        Ok(Self::decode(&unspell(INVITE_PREFIX, word)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite() -> Invite {
        let (root, key) = (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32]));
        let terms = InviteTerms::new(&root, key.id(), InviteRole::Metadata, 1_900_000_000);
        Invite { terms, key, addresses: vec!["/ip4/192.0.2.1/tcp/4820".parse().unwrap()] }
    }

    #[test]
    fn an_invite_admits_a_peer_for_everyone_to_see() {
        let invite: Invite = invite().to_string().parse().unwrap();
        let peer = PeerId::from_bytes([7; 32]);
        let admission = Admission::decode(&invite.admit(peer).encode()).unwrap();
        assert_eq!(admission.peer, peer);
        assert_eq!(admission.terms.network(), NetworkId::from_root(Identity::from_seed(&[1; 32]).id()));
    }

    #[test]
    fn nothing_of_an_invite_or_an_admission_can_be_changed() {
        let whole = invite();
        // Where members are is a hint, and not signed.
        let signed = whole.encode().len() - 1 - 1 - whole.addresses[0].encode().len();
        for (bytes, decode) in [
            (
                whole.encode()[..signed].to_vec(),
                (|bytes| Invite::decode(&[bytes, &[0]].concat()).is_ok()) as fn(&[u8]) -> bool,
            ),
            (whole.admit(PeerId::from_bytes([7; 32])).encode(), |bytes| Admission::decode(bytes).is_ok()),
        ] {
            assert!(decode(&bytes));
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert!(!decode(&changed), "byte {at}");
            }
        }
    }
}
