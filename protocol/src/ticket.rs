//! Tickets: one word that lets its holder read an object, or care for it without reading.
//!
//! Both print as a prefix and lower-case base 32 of the binary form with a checksum behind it, so that a word with a
//! letter lost or changed is refused as mistyped, before anything is asked of the network.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;

use crate::address::PeerAddress;
use crate::bytes::{Reader, count_u8};
use crate::grant::RepairGrant;
use crate::identity::Identity;
use crate::invite::INVITE_PREFIX;
use crate::limits::{TICKET_ADDRESSES_MAX, TICKET_CHARS_MAX};
use crate::member::CARD_PREFIX;
use crate::{ContentId, ContentKey, DecodeError, LayoutId, NetworkId, PeerId};

const TICKET_MAGIC: [u8; 4] = *b"SGTK";
const CARE_MAGIC: [u8; 4] = *b"SGCT";
const VERSION: u8 = 1;
const TICKET_PREFIX: &str = "storgo:";
const CARE_PREFIX: &str = "storgo-care:";
const CHECKSUM_BYTES: usize = 4;

/// A word that is no ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTicketError {
    /// It starts with neither ticket prefix.
    #[error(
        "a ticket starts with `{TICKET_PREFIX}`, a care ticket with `{CARE_PREFIX}`, a member card with `{CARD_PREFIX}`, an \
         invite with `{INVITE_PREFIX}`"
    )]
    Prefix,
    /// Its checksum does not match: something was lost or changed on the way.
    #[error("the ticket is damaged (its checksum does not match): copy the whole word again")]
    Checksum,
    /// It is longer than any ticket, or not base 32.
    #[error("the ticket is not written in base 32: copy the whole word again")]
    Spelling,
    /// It was whole, and still does not decode.
    #[error("the ticket cannot be used: {0}")]
    Decode(#[from] DecodeError),
}

/// Lets its holder find and read one object.
///
/// # Shape
/// `"SGTK"`, version 1, network id (32), content id (32), content key (32), owner (32), address count (u8), each a
/// length (u8) and a binary multiaddr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The network that holds the object.
    pub network: NetworkId,
    /// The object.
    pub content: ContentId,
    /// Opens it.
    pub key: ContentKey,
    /// Whose layout records count.
    pub owner: PeerId,
    /// Where to start asking; at most [`TICKET_ADDRESSES_MAX`].
    pub addresses: Vec<PeerAddress>,
}

impl Ticket {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&TICKET_MAGIC);
        out.push(VERSION);
        out.extend_from_slice(self.network.as_bytes());
        out.extend_from_slice(self.content.as_bytes());
        out.extend_from_slice(self.key.expose());
        out.extend_from_slice(self.owner.as_bytes());
        encode_addresses(&self.addresses, &mut out);
        out
    }

    /// Decodes the binary form.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole ticket.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(TICKET_MAGIC, VERSION)?;
        let ticket = Self {
            network: NetworkId::from_bytes(reader.array()?),
            content: ContentId::from_bytes(reader.array()?),
            key: ContentKey::from_bytes(reader.array()?),
            owner: PeerId::from_bytes(reader.array()?),
            addresses: decode_addresses(&mut reader)?,
        };
        reader.finish()?;
        Ok(ticket)
    }
}

/// Lets its holder check, audit and repair one object, and never read it.
///
/// # Shape
/// `"SGCT"`, version 1, network id (32), content id (32), layout id (32), [`RepairGrant`], seed of the grant's key
/// (32), addresses as in a [`Ticket`].
#[derive(Debug, Clone)]
pub struct CareTicket {
    /// The network that holds the object.
    pub network: NetworkId,
    /// The object.
    pub content: ContentId,
    /// The layout to care for.
    pub layout: LayoutId,
    /// The owner's leave.
    pub grant: RepairGrant,
    /// The secret half of the grant's key.
    pub key: Identity,
    /// Where to start asking.
    pub addresses: Vec<PeerAddress>,
}

impl CareTicket {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&CARE_MAGIC);
        out.push(VERSION);
        out.extend_from_slice(self.network.as_bytes());
        out.extend_from_slice(self.content.as_bytes());
        out.extend_from_slice(self.layout.as_bytes());
        out.extend_from_slice(&self.grant.encode());
        out.extend_from_slice(&self.key.seed());
        encode_addresses(&self.addresses, &mut out);
        out
    }

    /// Decodes the binary form.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole care ticket whose parts agree.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(CARE_MAGIC, VERSION)?;
        let ticket = Self {
            network: NetworkId::from_bytes(reader.array()?),
            content: ContentId::from_bytes(reader.array()?),
            layout: LayoutId::from_bytes(reader.array()?),
            grant: RepairGrant::read(&mut reader)?,
            key: Identity::from_seed(&reader.array()?),
            addresses: decode_addresses(&mut reader)?,
        };
        reader.finish()?;
        if ticket.grant.layout != ticket.layout || ticket.grant.key != ticket.key.id() {
            return Err(DecodeError::field("repair grant"));
        }
        Ok(ticket)
    }
}

pub(crate) fn encode_addresses(addresses: &[PeerAddress], out: &mut Vec<u8>) {
    let addresses = addresses.get(..TICKET_ADDRESSES_MAX).unwrap_or(addresses);
    out.push(count_u8(addresses.len()));
    for address in addresses {
        let bytes = address.encode();
        out.push(count_u8(bytes.len()));
        out.extend_from_slice(&bytes);
    }
}

pub(crate) fn decode_addresses(reader: &mut Reader<'_>) -> Result<Vec<PeerAddress>, DecodeError> {
    let count = usize::from(reader.u8()?);
    if count > TICKET_ADDRESSES_MAX {
        return Err(DecodeError::TooMany { count, max: TICKET_ADDRESSES_MAX });
    }
    (0..count)
        .map(|_| {
            let bytes = usize::from(reader.u8()?);
            PeerAddress::decode(reader.take(bytes)?)
        })
        .collect()
}

pub(crate) fn spell(prefix: &str, mut bytes: Vec<u8>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let checksum = blake3::hash(&bytes);
    bytes.extend(checksum.as_bytes().iter().take(CHECKSUM_BYTES));
    write!(f, "{prefix}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}

pub(crate) fn unspell(prefix: &str, word: &str) -> Result<Vec<u8>, ParseTicketError> {
    let digits = word.strip_prefix(prefix).ok_or(ParseTicketError::Prefix)?;
    if word.len() > TICKET_CHARS_MAX || digits.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ParseTicketError::Spelling);
    }
    // A lost letter changes the length or the padding bits: whatever does not decode was damaged on the way.
    let mut bytes =
        BASE32_NOPAD.decode(digits.to_ascii_uppercase().as_bytes()).map_err(|_| ParseTicketError::Spelling)?;
    let body = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(ParseTicketError::Checksum)?;
    let checksum = bytes.split_off(body);
    if blake3::hash(&bytes).as_bytes().get(..CHECKSUM_BYTES) != Some(checksum.as_slice()) {
        return Err(ParseTicketError::Checksum);
    }
    Ok(bytes)
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spell(TICKET_PREFIX, self.encode(), f)
    }
}

impl FromStr for Ticket {
    type Err = ParseTicketError;

    fn from_str(word: &str) -> Result<Self, ParseTicketError> {
        Ok(Self::decode(&unspell(TICKET_PREFIX, word)?)?)
    }
}

impl fmt::Display for CareTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spell(CARE_PREFIX, self.encode(), f)
    }
}

impl FromStr for CareTicket {
    type Err = ParseTicketError;

    fn from_str(word: &str) -> Result<Self, ParseTicketError> {
        Ok(Self::decode(&unspell(CARE_PREFIX, word)?)?)
    }
}

/// Either kind of ticket, for commands that take both.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, from a command line")]
pub enum AnyTicket {
    /// Reads, and cares too.
    Read(Ticket),
    /// Only cares.
    Care(CareTicket),
}

impl FromStr for AnyTicket {
    type Err = ParseTicketError;

    fn from_str(word: &str) -> Result<Self, ParseTicketError> {
        if word.starts_with(CARE_PREFIX) { word.parse().map(Self::Care) } else { word.parse().map(Self::Read) }
    }
}
