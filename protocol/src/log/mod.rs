//! The log of a node's Raft groups as it stands on a disk: manifest, segments, frames, records.
//!
//! ```text
//!   manifest     which segments there must be, and whose they are
//!   segment      head (whose, which number, where the one before ends, sealed key) ─► frames
//!   frame        head (place, lengths, checksums) ─► sealed records ─► filling
//!   record       what one group asked to be kept, once it is opened
//! ```
//!
//! A frame is what is written and synced at once, so it is whole or it was never acknowledged; a record is what is
//! read by itself, so each is sealed alone. It must not know files or ciphers: who writes and seals is the store.
//! Byte tables: `protocol/spec/log.md`.

mod frame;
mod manifest;
mod record;
mod segment;

pub use frame::{LogFrame, LogFrameHead, SEALED_RECORD_HEAD_BYTES};
pub use manifest::LogManifest;
pub use record::{LogBody, LogRecord};
pub use segment::LogSegmentHead;

/// Frames begin at multiples of this many bytes, as long as a frame's head: none straddles a disk's sectors.
pub const LOG_ALIGNMENT: usize = 32;
