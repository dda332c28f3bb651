//! What doors of a bucket say to each other, through the forum that carries it sealed.

use std::net::SocketAddr;

use bytes::Bytes;
use storgo_protocol::PeerId;
use storgo_protocol::limits::REDIS_KEY_BYTES_MAX;

use super::errand::{Answers, Errand};
use super::pubsub::{FORM, Kind, Message};

/// What one door says to others, or to one of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// Something was published there.
    Message(Message),
    /// Where clients reach it.
    Door {
        /// Beside which member it is.
        member: PeerId,
        /// Where.
        address: SocketAddr,
    },
    /// It has a key nearest, and others are faster there: they are to have it changed by errands.
    Late(Bytes),
    /// It wants something done to a key.
    Errand(Errand),
    /// What came of an errand.
    Done(Answers),
}

/// Kinds of what is said: the second byte.
const CHANNEL: u8 = 0;
const SHARD: u8 = 1;
const DOOR: u8 = 2;
const ERRAND: u8 = 3;
const DONE: u8 = 4;
const LATE: u8 = 5;

impl Said {
    /// Form (1), kind (1), and what each has.
    pub(super) fn encode(&self) -> Bytes {
        let (kind, rest) = match self {
            Self::Message(message) => return message.encode(),
            Self::Door { member, address } => {
                (DOOR, [member.as_bytes().as_slice(), address.to_string().as_bytes()].concat().into())
            }
            Self::Late(key) => (LATE, key.clone()),
            Self::Errand(errand) => (ERRAND, errand.encode()),
            Self::Done(answers) => (DONE, answers.encode()),
        };
        [&[FORM, kind], rest.as_ref()].concat().into()
    }

    /// Reads what another door says; none if it makes no sense, or only to a newer program.
    pub(super) fn decode(mut bytes: Bytes) -> Option<Self> {
        let (head, _) = bytes.split_first_chunk()?;
        let [FORM, kind] = *head else { return None };
        let rest = bytes.split_off(2);
        match kind {
            CHANNEL => Message::decode(Kind::Channel, rest).map(Self::Message),
            SHARD => Message::decode(Kind::Shard, rest).map(Self::Message),
            DOOR => {
                let (member, address) = rest.split_first_chunk::<32>()?;
                let address = str::from_utf8(address).ok()?.parse().ok()?;
                Some(Self::Door { member: PeerId::from_bytes(*member), address })
            }
            LATE => (rest.len() <= REDIS_KEY_BYTES_MAX).then_some(Self::Late(rest)),
            ERRAND => Errand::decode(rest).map(Self::Errand),
            DONE => Answers::decode(rest).map(Self::Done),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_understand_each_other_and_nothing_else() {
        let message =
            |kind| Message { kind, channel: Bytes::from_static(b"news"), payload: Bytes::from_static(b"rain\r\n") };
        assert_eq!(Said::Message(message(Kind::Channel)).encode(), &b"\x01\0\x04\0\0\0newsrain\r\n"[..]);
        for kind in [Kind::Channel, Kind::Shard] {
            let said = Said::Message(message(kind));
            assert_eq!(Said::decode(said.encode()), Some(said.clone()));
            for end in 0..10 {
                assert_eq!(Said::decode(said.encode().slice(..end)), None, "{end}");
            }
        }
        for other in [&b"\x02\0\0\0\0\0"[..], b"\x01\x06\0\0\0\0", b"\x01\0\xff\xff\xff\xff", b"\x01", b""] {
            assert_eq!(Said::decode(Bytes::from_static(other)), None);
        }
        let empty = Said::Message(Message { kind: Kind::Channel, channel: Bytes::new(), payload: Bytes::new() });
        assert_eq!(Said::decode(empty.encode()), Some(empty));
        let late = Said::Late(Bytes::from_static(b"key"));
        assert_eq!(Said::decode(late.encode()), Some(late));
        let long = [b"\x01\x05".as_slice(), &vec![0; REDIS_KEY_BYTES_MAX + 1]].concat();
        assert_eq!(Said::decode(long.into()), None);
        for address in ["127.0.0.1:6379", "[::1]:1"] {
            let door = Said::Door { member: PeerId::from_bytes([7; 32]), address: address.parse().unwrap() };
            assert_eq!(Said::decode(door.encode()), Some(door.clone()));
            assert_eq!(Said::decode(door.encode().slice(..34)), None);
        }
    }
}
