//! A storgo node, wired; and the client that runs the engine in the caller's own process.
//!
//! ```text
//!   Node ── DataDir (identity, lock) ── Store ◄── ShardService ◄── Mesh ◄═══ peers
//!     └──── socket (NodeApi) ◄── storgo node status, peer ls, dht …
//!
//!   Client ── Home (user, peer book) ── Engine ──► Mesh ═══► peers
//!     ├────── PartialFile (a download that can be interrupted)
//!     └────── put_tree, get_tree (directories)
//! ```
//!
//! Everything is put together here and nothing is decided: what it means to put or get stands in the object crate.
//! Configuration and the file system's places come from the caller; nothing here reads the environment.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::cast_possible_truncation,
        reason = "tests write their own files, and count in small numbers"
    )
)]

mod config;
mod error;

mod node;
mod supervise;

mod clock;
mod membership;
mod metadata;
mod metrics;

mod acquaintances;
mod api;
mod data_dir;
mod descriptors;
mod listen;
mod redis;
mod tls;

mod client;
mod home;
mod peer_book;

mod download;

mod tree;

mod private_file;
mod seed;

pub use client::{Client, ClientOptions};
pub use config::{DiskConfig, MetadataConfig, NodeConfig};
pub use data_dir::LOCK_NAME;
pub use download::{Existing, PartialFile, Wanted};
pub use error::NodeError;
pub use home::Home;
pub use membership::init_network;
pub use node::{Node, Ready};
pub use peer_book::PeerBook;
pub use redis::RedisConfig;
pub use storgo_consensus::{Founding, MetadataClient};
pub use storgo_mesh::PathKind;
pub use tls::TlsConfig;
pub use tree::{PackReport, Remarks, TreeGetReport, TreePutReport, get_tree, put_tree, restore_attributes};

/// The engine and what it reports, for those who use a [`Client`].
pub use storgo_object as object;
/// The pure pipeline, for those who time it.
pub use storgo_pipeline as pipeline;

/// Program and version, as peers are told.
pub const AGENT: &str = concat!("storgo/", env!("CARGO_PKG_VERSION"));
