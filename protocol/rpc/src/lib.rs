//! What one asks about a node, over gRPC on a Unix socket in its data directory: typed values, a client, the server's
//! glue, and where the socket is.
//!
//! ```text
//!   storgo node status ─► Client ─► socket ─► serve ─► NodeApi (implemented by storgo-node)
//! ```
//!
//! It knows nothing of a node's insides: [`NodeApi`] is all that a node shows. Answers are checked where they come in,
//! so a client holds ids and addresses, never their spelling.

mod socket;
mod status;

mod dht;
mod peers;

mod error;

mod client;
mod server;

#[cfg(test)]
mod tests;

#[allow(missing_docs, clippy::pedantic, unreachable_pub, reason = "generated")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/storgo.node.v1.rs"));
}

pub use client::Client;
pub use dht::{DhtEntry, DhtPeer};
pub use error::{ApiError, RpcError};
pub use peers::{CardRow, PathKind, PeerRow, PeerState};
pub use server::{NodeApi, serve};
pub use socket::{Socket, SocketError, locate};
pub use status::{DiskRow, NodeStatus};
