//! The peer-to-peer network: libp2p behind a handle. The only crate that knows libp2p.
//!
//! ```text
//!                                         ╭═══ data connection ═══╮
//!   Peers::ask ──► connect ──► pool ──► frame ═══ shard stream ═══► inbound ──► Serve
//!                     │                                                │ published
//!                     ▼ commands                                       ▼
//!   Mesh::send_frame ──► lane ═══ raft stream ═══► inbound ──► FrameInbox
//!
//!                 event loop ◄──► swarm: tcp, quic, kad, …         publisher ──► DHT
//!                     │ links
//!                     ▼
//!                 peer table ◄── hello (who admits whom, who is told of) ◄── upkeep
//! ```
//!
//! One task owns the swarm and only routes. What peers are to one another stands in the peer table, which is pure.
//! Everything that waits for a peer runs in a task of its own with a bound from `limits.rs` and a deadline. It must
//! never know what a shard is good for, where it is kept, or what a request means.

mod config;
mod error;
mod names;

mod mesh;
mod start;
mod upkeep;

mod connect;
mod hello;
mod peers;

mod ask;
mod data;
mod frame_io;
mod frames;
mod gate;
mod inbound;
mod pool;

mod dht;
mod provider_store;
mod publisher;

mod nat;
mod relaying;
mod scoped;

mod behaviour;
mod command;
mod core;
mod dial_error;
mod event_loop;
mod links;

pub use config::{MeshConfig, MeshSetup, Role};
pub use dht::{DhtPeer, RoutingEntry};
pub use error::MeshError;
pub use frames::FrameInbox;
pub use mesh::Mesh;
pub use nat::Reach;
pub use peers::{PathKind, PeerRow, PeerState};
