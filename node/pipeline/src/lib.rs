//! The pipeline: what happens to a user's bytes between their file and the network, and back. Pure: no tokio, no clock,
//! no randomness, no files. Secrets and bytes come in as arguments, shards and nodes go out as values.
//!
//! ```text
//!   bytes ─► Chunker ─► RawChunk ─pack─► PackedChunk ─seal─► SealedChunk ─code─► Stripe ─► peers (place)
//!                          ▲                                     │  │
//!                          └── open_chunk ◄── JoinedChunk ◄──────┼──┼── join ◄──────────── peers
//!                                                                │  └─► ChunkRef ─► Extent ─► IndexBuilder ─► seal_root
//!                                                                └────► LayoutEntry ─► LayoutBuilder
//! ```
//!
//! The types make the order. Each step consumes what the one before made, and no other function makes it, so what was
//! not sealed cannot be coded and what was not coded cannot be placed. The way back is as strict: the bytes of a
//! [`JoinedChunk`] are reached only by opening it, which gives none that were not verified.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::needless_for_each,
        reason = "tests count small things"
    )
)]

mod error;

mod gear;

mod chunker;
mod pack;
mod seal;
mod segment;

mod coder;
mod stripe;

mod open;

mod index;
mod root;
mod walk;

mod layout;

mod place;

mod access;
mod content_key;
mod inline;
mod member;
mod once;
mod talk;

mod codec;

#[cfg(test)]
mod samples;

pub use access::{AccessPlace, open_access_key};
pub use chunker::{Chunker, Chunking, RawChunk};
pub use codec::{EncodedChunk, Encoding, decode_chunk, encode_all, encode_chunk};
pub use content_key::{open_content_key, seal_content_key};
pub use error::PipelineError;
pub use index::IndexBuilder;
pub use inline::InlinePlace;
pub use layout::{EncodedLayout, EncodedNode, LayoutBuilder, LayoutStep, layout_height, layout_seek, open_layout_node};
pub use member::{MemberSecret, wrap};
pub use open::{open_chunk, open_segments, sealed_range, segments_of};
pub use pack::PackedChunk;
pub use place::{Candidate, Share, assign, choose, rank};
pub use root::{open_root, seal_root};
pub use seal::{SealedChunk, padded_bytes};
pub use stripe::{JoinedChunk, Stripe, join, rebuild};
pub use talk::TalkPlace;
pub use walk::{IndexPosition, IndexStep, index_seek, index_steps, open_index_node};
