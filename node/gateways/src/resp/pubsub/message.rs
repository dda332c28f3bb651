//! What is published, as doors tell each other, and as clients are told it.

use std::cell::OnceCell;

use bytes::{BufMut as _, Bytes, BytesMut};
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

/// The form of all that doors say to each other: their first byte.
pub(in super::super) const FORM: u8 = 1;

/// Form, kind, and how long the channel is (u32).
const HEAD_BYTES: usize = 6;

impl Message {
    /// Bytes of a channel and what is published there, at most.
    pub(in super::super) const BYTES_MAX: usize = MESSAGE_BYTES_MAX - HEAD_BYTES;

    /// What other doors are told: form (1), kind (0 channel, 1 of a shard), bytes of the channel (u32), channel, payload.
    pub(in super::super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEAD_BYTES + self.channel.len() + self.payload.len());
        bytes.put_slice(&[FORM, u8::from(self.kind == Kind::Shard)]);
        bytes.put_u32_le(u32::try_from(self.channel.len()).unwrap_or(u32::MAX));
        bytes.put_slice(&self.channel);
        bytes.put_slice(&self.payload);
        bytes.freeze()
    }

    /// Reads what is behind form and kind.
    pub(in super::super) fn decode(kind: Kind, mut bytes: Bytes) -> Option<Self> {
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
    fn clients_of_both_versions_share_their_bytes() {
        let told = message(Kind::Shard).told();
        let [two, three] = [Protocol::Two, Protocol::Three].map(|protocol| told.bytes(protocol));
        assert_eq!(two, "*3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$6\r\nrain\r\n\r\n");
        assert_eq!(three, ">3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$6\r\nrain\r\n\r\n");
        assert_eq!(told.bytes(Protocol::Two).as_ptr(), two.as_ptr());
    }
}
