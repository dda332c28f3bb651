//! What peers say to each other: typed, bounded messages and their frames.
//!
//! ```text
//!   frame = head bytes (u32 LE) · payload bytes (u32 LE) · head (Protobuf) · payload (raw)
//! ```
//!
//! Shards and nodes ride as payload behind a small head, so that bulk bytes are never copied through Protobuf. Decoding
//! checks every length and id; what comes out is safe to act on, though nothing in it is to be believed.

mod card;
mod frame;
mod hello;
mod request;
mod shapes;

#[allow(missing_docs, clippy::pedantic, clippy::large_enum_variant, unreachable_pub, reason = "generated")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/storgo.mesh.v1.rs"));
}

pub use card::PeerCard;
pub use frame::{Frame, FrameLengths};
pub use hello::{Hello, HelloAnswer, Welcome};
pub use request::{Answer, PushedShard, Refusal, RefusalKind, Request};

use crate::DecodeError;

/// The Kademlia protocol of one network: peers of different networks do not meet in a DHT.
#[must_use]
pub fn kad_protocol(network: crate::NetworkId) -> String {
    format!("/storgo/{network}/kad/1")
}

/// The stream protocol of [`Hello`].
pub const HELLO_PROTOCOL: &str = "/storgo/hello/1";

/// The stream protocol of [`Request`] and [`Answer`].
pub const SHARD_PROTOCOL: &str = "/storgo/shard/1";

/// The stream protocol of frames between members of metadata groups; nothing is answered on the stream.
pub const RAFT_PROTOCOL: &str = "/storgo/raft/1";

/// The version of the messages spoken here, and the oldest still understood.
pub const MESSAGE_VERSION: u32 = 1;

fn id32<T>(bytes: &[u8], make: impl Fn([u8; 32]) -> T) -> Result<T, DecodeError> {
    bytes.try_into().map(make).map_err(|_| DecodeError::field("id"))
}

fn bounded_text(text: String, max: usize) -> Result<String, DecodeError> {
    match text.chars().count() {
        count if count > max => Err(DecodeError::TooMany { count, max }),
        _ if text.chars().any(char::is_control) => Err(DecodeError::field("text")),
        _ => Ok(text),
    }
}
