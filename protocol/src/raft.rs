//! What members of metadata groups say to each other, as `proto/raft.proto` generates it.
//!
//! Bare messages: `storgo-consensus` checks and converts them, since nobody else is to act on them. A frame is bounded by
//! [`RAFT_FRAME_BYTES_MAX`](crate::limits::RAFT_FRAME_BYTES_MAX) before it is decoded.

#![allow(missing_docs, clippy::pedantic, clippy::large_enum_variant, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/storgo.raft.v1.rs"));
