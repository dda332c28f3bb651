//! `hello`: network, versions and cards, and the peers that the other side knows.

use bytes::Bytes;
use prost::Message as _;

use super::card::{PeerCard, understood};
use super::request::Refusal;
use super::{id32, wire};
use crate::address::PeerAddress;
use crate::fields::decode;
use crate::limits::{FRAME_HEAD_BYTES_MAX, HELLO_PEERS_MAX};
use crate::{DecodeError, NetworkId};

/// Bytes that Protobuf puts before an embedded message of less than 2²¹ bytes: a tag and a length.
const FIELD_BYTES_MAX: usize = 4;

/// The caller's half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The network that the caller is of; `None` for a client that takes it from whom it joins through.
    pub network: Option<NetworkId>,
    /// The oldest message version that the caller understands.
    pub version_min: u32,
    /// The newest.
    pub version_max: u32,
    /// The caller.
    pub card: PeerCard,
}

/// The other half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelloAnswer {
    /// Come in.
    Welcome(Box<Welcome>),
    /// Stay out, and why.
    Refused(Refusal),
}

/// What a welcomed caller learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The network.
    pub network: NetworkId,
    /// The message version to speak.
    pub version: u32,
    /// The answering peer.
    pub card: PeerCard,
    /// Peers it knows; hearsay until they answer for themselves.
    pub peers: Vec<PeerCard>,
    /// The caller's address as seen from there.
    pub observed: Option<PeerAddress>,
}

impl Hello {
    /// The message head.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let network = self.network.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let hello = wire::Hello {
            network: network.into(),
            version_min: self.version_min,
            version_max: self.version_max,
            card: Some(self.card.to_wire()),
        };
        hello.encode_to_vec().into()
    }

    /// Decodes a message head.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a whole hello within its bounds.
    pub fn decode(head: &[u8]) -> Result<Self, DecodeError> {
        let hello: wire::Hello = decode(head)?;
        let network = match &hello.network {
            none if none.is_empty() => None,
            id => Some(id32(id, NetworkId::from_bytes)?),
        };
        Ok(Self {
            network,
            version_min: hello.version_min,
            version_max: hello.version_max,
            card: PeerCard::from_wire(hello.card.ok_or(DecodeError::field("card"))?)?,
        })
    }
}

impl Welcome {
    fn to_wire(&self) -> wire::Welcome {
        let mut answer = wire::Welcome {
            network: self.network.as_bytes().to_vec().into(),
            version: self.version,
            card: Some(self.card.to_wire()),
            peers: Vec::new(),
            observed_address: self.observed.as_ref().map(PeerAddress::encode).unwrap_or_default().into(),
        };
        // Strangers whose cards are as long as they may be must not make the answer too long to be read.
        let mut room = FRAME_HEAD_BYTES_MAX.saturating_sub(answer.encoded_len() + FIELD_BYTES_MAX);
        for peer in self.peers.iter().take(HELLO_PEERS_MAX).map(PeerCard::to_wire) {
            let Some(left) = room.checked_sub(peer.encoded_len() + FIELD_BYTES_MAX) else { break };
            room = left;
            answer.peers.push(peer);
        }
        answer
    }
}

impl HelloAnswer {
    /// The message head. Peers are named as far as they fit it, the first ones first.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let answer = match self {
            Self::Welcome(welcome) => wire::hello_answer::Answer::Welcome(welcome.to_wire()),
            Self::Refused(refusal) => wire::hello_answer::Answer::Refusal(refusal.to_wire()),
        };
        wire::HelloAnswer { answer: Some(answer) }.encode_to_vec().into()
    }

    /// Decodes a message head.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but a whole answer within its bounds.
    pub fn decode(head: &[u8]) -> Result<Self, DecodeError> {
        let answer: wire::HelloAnswer = decode(head)?;
        match answer.answer.ok_or(DecodeError::field("answer"))? {
            wire::hello_answer::Answer::Refusal(refusal) => Ok(Self::Refused(Refusal::from_wire(refusal)?)),
            wire::hello_answer::Answer::Welcome(welcome) => {
                let observed = understood(std::slice::from_ref(&welcome.observed_address))?.pop();
                Ok(Self::Welcome(Box::new(Welcome {
                    network: id32(&welcome.network, NetworkId::from_bytes)?,
                    version: welcome.version,
                    card: PeerCard::from_wire(welcome.card.ok_or(DecodeError::field("card"))?)?,
                    peers: welcome.peers.into_iter().map(PeerCard::from_wire).collect::<Result<_, _>>()?,
                    observed,
                })))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_welcome_that_names_more_peers_than_its_bound_is_refused() {
        let peer = wire::PeerCard { peer: vec![1; 32].into(), ..wire::PeerCard::default() };
        let decoded = |count: usize| {
            let welcome = wire::Welcome {
                network: vec![2; 32].into(),
                version: 1,
                card: Some(peer.clone()),
                peers: vec![peer.clone(); count],
                observed_address: Bytes::new(),
            };
            let answer = Some(wire::hello_answer::Answer::Welcome(welcome));
            HelloAnswer::decode(&wire::HelloAnswer { answer }.encode_to_vec())
        };
        assert!(decoded(HELLO_PEERS_MAX).is_ok());
        assert!(matches!(decoded(HELLO_PEERS_MAX + 1), Err(DecodeError::TooMany { max: HELLO_PEERS_MAX, .. })));
    }
}
