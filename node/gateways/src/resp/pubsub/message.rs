//! What is published, as doors tell each other, and as clients are told it.

use std::cell::OnceCell;
use std::net::SocketAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use storgo_protocol::PeerId;
use storgo_protocol::limits::{MESSAGE_BYTES_MAX, RESP_CHANNEL_BYTES_MAX};

use super::super::reply::{Protocol, Reply};

/// How clients listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// To a channel.
    Channel,
    /// To all channels that a pattern takes.
    Pattern,
    /// To a channel of a shard, which is one by itself.
    Shard,
}

/// Something that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Message {
    /// [`Kind::Channel`] or [`Kind::Shard`].
    pub(in super::super) kind: Kind,
    pub(in super::super) channel: Bytes,
    pub(in super::super) payload: Bytes,
}

/// The form of messages between doors.
const FORM: u8 = 1;

/// Form, kind, and how long the channel is (u32).
const HEAD_BYTES: usize = 6;

/// What one door says to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Said {
    /// Something was published there.
    Message(Message),
    /// Where clients reach it.
    Door {
        /// Beside which member it is.
        member: PeerId,
        /// Where.
        address: SocketAddr,
    },
}

/// The kind of what says where a door is.
const DOOR: u8 = 2;

impl Said {
    /// The bytes: of a message, or form (1), kind (2), the member (32), and the address as text.
    pub(in super::super) fn encode(&self) -> Bytes {
        match self {
            Self::Message(message) => message.encode(),
            Self::Door { member, address } => {
                [&[FORM, DOOR], member.as_bytes().as_slice(), address.to_string().as_bytes()].concat().into()
            }
        }
    }

    /// Reads what another door says; none if it makes no sense, or only to a newer program.
    pub(in super::super) fn decode(mut bytes: Bytes) -> Option<Self> {
        let (head, _) = bytes.split_first_chunk()?;
        let [FORM, kind] = *head else { return None };
        let rest = bytes.split_off(2);
        match kind {
            0 => Message::decode(Kind::Channel, rest).map(Self::Message),
            1 => Message::decode(Kind::Shard, rest).map(Self::Message),
            DOOR => {
                let (member, address) = rest.split_first_chunk::<32>()?;
                let address = str::from_utf8(address).ok()?.parse().ok()?;
                Some(Self::Door { member: PeerId::from_bytes(*member), address })
            }
            _ => None,
        }
    }
}

impl Message {
    /// Bytes of a channel and what is published there, at most.
    pub(in super::super) const BYTES_MAX: usize = MESSAGE_BYTES_MAX - HEAD_BYTES;

    /// What other doors are told: form (1), kind (0 channel, 1 of a shard), bytes of the channel (u32), channel, payload.
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEAD_BYTES + self.channel.len() + self.payload.len());
        bytes.put_slice(&[FORM, u8::from(self.kind == Kind::Shard)]);
        bytes.put_u32_le(u32::try_from(self.channel.len()).unwrap_or(u32::MAX));
        bytes.put_slice(&self.channel);
        bytes.put_slice(&self.payload);
        bytes.freeze()
    }

    fn decode(kind: Kind, mut bytes: Bytes) -> Option<Self> {
        let (length, _) = bytes.split_first_chunk()?;
        let channel_bytes = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let mut rest = bytes.split_off(size_of::<u32>());
        // What no door sends would take long to match here.
        (channel_bytes <= rest.len().min(RESP_CHANNEL_BYTES_MAX)).then(|| {
            let payload = rest.split_off(channel_bytes);
            Self { kind, channel: rest, payload }
        })
    }

    /// As those are told it who listen to the channel.
    pub(super) fn told(&self) -> Told {
        let word = if self.kind == Kind::Shard { "smessage" } else { "message" };
        Told::new([word.into(), self.channel.clone(), self.payload.clone()].map(Reply::Bulk).into())
    }

    /// As those are told it who listen to a pattern.
    pub(super) fn told_by(&self, pattern: &Bytes) -> Told {
        let parts = ["pmessage".into(), pattern.clone(), self.channel.clone(), self.payload.clone()];
        Told::new(parts.map(Reply::Bulk).into())
    }
}

/// A message to many clients: its bytes are made once for each version of the protocol, and shared.
#[derive(Debug)]
pub(super) struct Told {
    push: Reply,
    two: OnceCell<Bytes>,
    three: OnceCell<Bytes>,
}

impl Told {
    fn new(parts: Vec<Reply>) -> Self {
        Self { push: Reply::Push(parts), two: OnceCell::new(), three: OnceCell::new() }
    }

    pub(super) fn bytes(&self, protocol: Protocol) -> Bytes {
        let made = match protocol {
            Protocol::Two => &self.two,
            Protocol::Three => &self.three,
        };
        let bytes = made.get_or_init(|| {
            let mut out = BytesMut::new();
            self.push.write(protocol, &mut out);
            out.freeze()
        });
        bytes.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: Kind) -> Message {
        Message { kind, channel: Bytes::from_static(b"news"), payload: Bytes::from_static(b"rain\r\n") }
    }

    #[test]
    fn doors_understand_each_other_and_nothing_else() {
        assert_eq!(message(Kind::Channel).encode(), &b"\x01\0\x04\0\0\0newsrain\r\n"[..]);
        for kind in [Kind::Channel, Kind::Shard] {
            let said = Said::Message(message(kind));
            assert_eq!(Said::decode(said.encode()), Some(said.clone()));
            for end in 0..10 {
                assert_eq!(Said::decode(said.encode().slice(..end)), None, "{end}");
            }
        }
        for other in [&b"\x02\0\0\0\0\0"[..], b"\x01\x03\0\0\0\0", b"\x01\0\xff\xff\xff\xff", b"\x01", b""] {
            assert_eq!(Said::decode(Bytes::from_static(other)), None);
        }
        let empty = Said::Message(Message { kind: Kind::Channel, channel: Bytes::new(), payload: Bytes::new() });
        assert_eq!(Said::decode(empty.encode()), Some(empty));
        for address in ["127.0.0.1:6379", "[::1]:1"] {
            let door = Said::Door { member: PeerId::from_bytes([7; 32]), address: address.parse().unwrap() };
            assert_eq!(Said::decode(door.encode()), Some(door.clone()));
            assert_eq!(Said::decode(door.encode().slice(..34)), None);
        }
    }

    #[test]
    fn clients_of_both_versions_share_their_bytes() {
        let told = message(Kind::Shard).told();
        let [two, three] = [Protocol::Two, Protocol::Three].map(|protocol| told.bytes(protocol));
        assert_eq!(two, "*3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$6\r\nrain\r\n\r\n");
        assert_eq!(three, ">3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$6\r\nrain\r\n\r\n");
        assert_eq!(told.bytes(Protocol::Two).as_ptr(), two.as_ptr());
    }
}
