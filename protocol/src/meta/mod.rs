//! What metadata groups keep and are told: version records, bucket configurations, commands, replies and events.
//!
//! ```text
//!   bucket, key ─► slot ─► group          command ─ stamped by the leader ─► proposal ─ log ─► apply ─► records, reply
//! ```
//!
//! Values only: what a command does stands in `storgo-consensus`. Decoders are bounded and total. What is signed or
//! hashed is never encoded a second time, and fields that this program does not know survive a decode and an encode:
//! a record may have been written by a newer one.

mod body;
mod bucket;
mod command;
mod event;
pub(crate) mod ids;
mod reply;
mod request;
mod row;
mod shapes;
mod slot;
pub(crate) mod unknown;
mod version;

#[allow(missing_docs, clippy::pedantic, clippy::large_enum_variant, unreachable_pub, reason = "generated")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/storgo.meta.v1.rs"));
}

pub use body::{Body, InlineBody, ObjectBody};
pub use bucket::{BucketConfig, BucketMember, KeyRule};
pub use command::{Absence, Action, Batch, Command, Condition, Delete, Part, PartChange, Proposal, Put, Ship, SlotTo};
pub use event::{EventKind, StorageEvent};
pub use ids::{BucketId, HearerId, ObjectId, RequestId, Stamp, VersionId};
pub use reply::{Refused, RefusedKind, Reply};
pub use request::Remembered;
pub use row::{Row, RowChange};
pub use slot::{Slot, SlotState};
pub use version::{Lock, Tag, Version, is_over};

use crate::DecodeError;
use crate::fields::{at_most, decode};

/// The feature level of this program: the highest that a command of it may need.
pub const FEATURE_LEVEL: u32 = 1;

/// A field of exactly `N` bytes.
pub(crate) fn fixed<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], DecodeError> {
    bytes.try_into().map_err(|_| DecodeError::field(field))
}

/// A field of `N` bytes, or none.
pub(crate) fn fixed_or_none<const N: usize>(bytes: &[u8], field: &'static str) -> Result<Option<[u8; N]>, DecodeError> {
    if bytes.is_empty() { Ok(None) } else { fixed(bytes, field).map(Some) }
}
