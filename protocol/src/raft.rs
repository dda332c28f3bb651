//! What members of metadata groups say to each other, as `proto/raft.proto` generates it.
//!
//! Bare messages: `storgo-consensus` checks and converts them, since nobody else is to act on them. `read` is the door
//! for bytes from outside: it bounds what a message may take before it is decoded.

#![allow(missing_docs, clippy::pedantic, clippy::large_enum_variant, reason = "generated")]

mod read;

include!(concat!(env!("OUT_DIR"), "/storgo.raft.v1.rs"));
