//! Who may write: grants to one peer, repair grants in care tickets, and the proof that a push carries.

use crate::bytes::Reader;
use crate::identity::{Identity, SIGNATURE_BYTES};
use crate::limits::{GRANT_SECONDS_MAX, GRANT_SKEW_SECONDS_MAX};
use crate::{DecodeError, LayoutId, PeerId};

const GRANT_MAGIC: [u8; 4] = *b"SGGR";
const REPAIR_MAGIC: [u8; 4] = *b"SGRG";
const VERSION: u8 = 1;

/// Leave for one holder to write to one peer.
///
/// # Shape
/// `"SGGR"`, version 1, holder (32), peer (32), owner (32), signer (32), bytes (u64), nonce (16), expiry (u64 seconds
/// since 1970), signature (64) of all before it by the signer. The signer is the owner, or the key of a
/// [`RepairGrant`] of the owner that stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who may write: the peer id of the connection.
    pub holder: PeerId,
    /// The peer that it is written to.
    pub peer: PeerId,
    /// In whose name what is written is kept.
    pub owner: PeerId,
    /// Who signed.
    pub signer: PeerId,
    /// Payload bytes that may be written under it.
    pub bytes: u64,
    /// Tells grants apart that are equal in the rest.
    pub nonce: [u8; 16],
    /// Seconds since 1970 after which it is void.
    pub expiry: u64,
    signature: [u8; SIGNATURE_BYTES],
}

/// What a grant says, before it is signed.
#[derive(Debug, Clone)]
pub struct GrantTerms {
    /// Who may write.
    pub holder: PeerId,
    /// The peer that it is written to.
    pub peer: PeerId,
    /// In whose name.
    pub owner: PeerId,
    /// Payload bytes.
    pub bytes: u64,
    /// Random.
    pub nonce: [u8; 16],
    /// Seconds since 1970.
    pub expiry: u64,
}

impl Grant {
    /// Bytes of an encoded grant.
    pub const BYTES: usize = 5 + 4 * 32 + 8 + 16 + 8 + SIGNATURE_BYTES;

    /// Signs a grant.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "terms are made to be signed, once")]
    pub fn sign(signer: &Identity, terms: GrantTerms) -> Self {
        let GrantTerms { holder, peer, owner, bytes, nonce, expiry } = terms;
        let mut grant =
            Self { holder, peer, owner, signer: signer.id(), bytes, nonce, expiry, signature: [0; SIGNATURE_BYTES] };
        grant.signature = signer.sign(&grant.signed_bytes());
        grant
    }

    /// The grant's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.signed_bytes();
        out.extend_from_slice(&self.signature);
        out
    }

    /// Decodes a grant and checks its signature; whether it holds here and now is [`Grant::covers`].
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole grant that its signer signed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(GRANT_MAGIC, VERSION)?;
        let grant = Self {
            holder: PeerId::from_bytes(reader.array()?),
            peer: PeerId::from_bytes(reader.array()?),
            owner: PeerId::from_bytes(reader.array()?),
            signer: PeerId::from_bytes(reader.array()?),
            bytes: reader.u64()?,
            nonce: reader.array()?,
            expiry: reader.u64()?,
            signature: reader.array()?,
        };
        reader.finish()?;
        grant.signer.verify("grant", &grant.signed_bytes(), &grant.signature)?;
        Ok(grant)
    }

    /// Whether the grant lets `holder` write to `peer` at `now` (seconds since 1970).
    #[must_use]
    pub fn covers(&self, holder: PeerId, peer: PeerId, now: u64) -> bool {
        self.holder == holder
            && self.peer == peer
            && now < self.expiry
            && self.expiry <= now.saturating_add(GRANT_SECONDS_MAX + GRANT_SKEW_SECONDS_MAX)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend_from_slice(&GRANT_MAGIC);
        out.push(VERSION);
        for id in [self.holder, self.peer, self.owner, self.signer] {
            out.extend_from_slice(id.as_bytes());
        }
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.expiry.to_le_bytes());
        out
    }
}

/// An owner's leave to repair one layout, for whoever holds the secret half of `key`.
///
/// # Shape
/// `"SGRG"`, version 1, layout id (32), owner (32), key (32), bytes (u64), expiry (u64 seconds since 1970), signature
/// (64) of all before it by the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairGrant {
    /// What may be repaired: stripes and nodes of this layout.
    pub layout: LayoutId,
    /// In whose name.
    pub owner: PeerId,
    /// The public half of the care ticket's key, which signs the grants.
    pub key: PeerId,
    /// Payload bytes that may be written to each peer under it.
    pub bytes: u64,
    /// Seconds since 1970 after which it is void.
    pub expiry: u64,
    signature: [u8; SIGNATURE_BYTES],
}

impl RepairGrant {
    /// Bytes of an encoded repair grant.
    pub const BYTES: usize = 5 + 3 * 32 + 8 + 8 + SIGNATURE_BYTES;

    /// Signs a repair grant for the holder of `key`.
    #[must_use]
    pub fn sign(owner: &Identity, layout: LayoutId, key: PeerId, bytes: u64, expiry: u64) -> Self {
        let mut grant = Self { layout, owner: owner.id(), key, bytes, expiry, signature: [0; SIGNATURE_BYTES] };
        grant.signature = owner.sign(&grant.signed_bytes());
        grant
    }

    /// The repair grant's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.signed_bytes();
        out.extend_from_slice(&self.signature);
        out
    }

    /// Decodes a repair grant and checks its owner's signature.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole repair grant that its owner signed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let grant = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(grant)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.header(REPAIR_MAGIC, VERSION)?;
        let grant = Self {
            layout: LayoutId::from_bytes(reader.array()?),
            owner: PeerId::from_bytes(reader.array()?),
            key: PeerId::from_bytes(reader.array()?),
            bytes: reader.u64()?,
            expiry: reader.u64()?,
            signature: reader.array()?,
        };
        grant.owner.verify("repair grant", &grant.signed_bytes(), &grant.signature)?;
        Ok(grant)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend_from_slice(&REPAIR_MAGIC);
        out.push(VERSION);
        out.extend_from_slice(self.layout.as_bytes());
        out.extend_from_slice(self.owner.as_bytes());
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.expiry.to_le_bytes());
        out
    }
}

/// What a push shows to be let in: a grant, and the repair grant behind it when the owner did not sign it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Leave to write to this peer.
    pub grant: Grant,
    /// Why the grant's signer may give it, if that is not the owner.
    pub repair: Option<RepairGrant>,
}

impl Authority {
    /// The grant's bytes, with the repair grant's behind them if there is one.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.grant.encode();
        if let Some(repair) = &self.repair {
            out.extend_from_slice(&repair.encode());
        }
        out
    }

    /// Decodes an authority and checks its signatures; whether it holds here and now is [`Authority::is_sound`] and
    /// [`Grant::covers`].
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one or two whole, signed grants.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (grant, repair) = bytes.split_at_checked(Grant::BYTES).ok_or(DecodeError::Truncated)?;
        let repair = if repair.is_empty() { None } else { Some(RepairGrant::decode(repair)?) };
        Ok(Self { grant: Grant::decode(grant)?, repair })
    }

    /// Whether the owner stands behind the grant: it signed it, or it gave the signer a repair grant that still holds.
    #[must_use]
    pub fn is_sound(&self, now: u64) -> bool {
        match &self.repair {
            None => self.grant.signer == self.grant.owner,
            Some(repair) => {
                repair.owner == self.grant.owner
                    && repair.key == self.grant.signer
                    && now < repair.expiry
                    && self.grant.bytes <= repair.bytes
            }
        }
    }
}
