//! What storgo's peers, disks and users agree on: ids, limits, formats, tickets and messages.
//!
//! ```text
//!   ticket ──► root ──► index ──► extent ──► chunk          (who holds the content key reads)
//!                │                             │
//!              layout ──► entry ─────────► stripe ──► shard (who holds none repairs)
//! ```
//!
//! Everything here is a value: no tokio, no files, no sockets, no clock, no randomness. Each format stands in one file
//! with its encoder, its bounded decoder (total over all byte strings) and its byte table; `protocol/spec/` has the
//! same tables for people who write another implementation.

pub mod cluster;
pub mod limits;
pub mod message;
pub mod meta;
pub mod raft;

mod bytes;
mod error;
mod fields;
mod ids;

mod code;
mod keys;
mod stripe;

mod shard_file;
pub mod slice;

mod index;
mod layout;
mod root;
mod top;

pub mod log;
mod snapshot_page;

pub mod tree;

mod address;
mod grant;
mod identity;
mod invite;
mod member;
mod ticket;

pub use address::{PeerAddress, Scope};
pub use code::{Code, ParseCodeError, ShardAddress, ShardIndex, ShardSet};
pub use error::DecodeError;
pub use grant::{Authority, Grant, GrantTerms, RepairGrant};
pub use identity::{Identity, SIGNATURE_BYTES};
pub use ids::{
    ChunkId, ContentId, GroupId, LayoutId, LogIncarnation, NetworkId, NodeId, ParseIdError, PeerId, ShardId, StripeId,
};
pub use index::{ChunkRef, Extent, IndexChild, IndexNode, PackedSegment};
pub use invite::{Admission, Invite, InviteRole, InviteTerms};
pub use keys::{BucketKey, CHUNK_FORMAT, ChunkKey, Cipher, ContentKey, ConvergenceSecret};
pub use layout::{LayoutChild, LayoutEntry, LayoutItems, LayoutNode, LayoutRecord, LayoutTop};
pub use member::{MemberCard, MemberKey, WrappedKey};
pub use root::Root;
pub use shard_file::ShardFileHead;
pub use snapshot_page::{SnapshotPage, SnapshotRow, SnapshotStart};
pub use stripe::StripeHeader;
pub use ticket::{AnyTicket, CareTicket, ParseTicketError, Ticket};
pub use top::{IndexTop, ObjectKind};
