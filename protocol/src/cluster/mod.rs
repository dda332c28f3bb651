//! What group 0 keeps of a network (members, groups, slots, buckets), and what its members are asked and answer.
//!
//! ```text
//!   client ── ask ──► member of a group ── told ──► client          rows of group 0 ─► cluster map, buckets
//! ```
//!
//! Values only: who may ask what, and what is done, stands in `storgo-consensus`. Decoders are bounded and total.

mod access;
mod ask;
mod bucket;
mod happened;
mod map;
mod rows;
mod shapes;
mod talk;
mod told;

#[allow(missing_docs, clippy::pedantic, clippy::large_enum_variant, unreachable_pub, reason = "generated")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/storgo.cluster.v1.rs"));
}

pub use access::{ACCESS_SEALED_BYTES, AccessKey, AccessKeyId, AccessSecret, AccessTerms};
pub use ask::{Ask, Introduction, Level, Listing, MoveSide, Steer};
pub use bucket::{Bucket, FormerWriter, MemberKeys, ReadPreference, Replication, is_bucket_name};
pub use happened::{EventPlace, Happened, Since};
pub use map::ClusterMap;
pub use rows::{GroupRow, MemberRow, MemberState, NetworkRow, RowKey, SlotMove, SlotRange, SlotTable};
pub use talk::{SealedTalk, Talk};
pub use told::{BucketRow, Failed, FailedKind, Found, GroupStatus, Listed, Told};

use bytes::Bytes;

use crate::meta::fixed;
use crate::{DecodeError, PeerId};

fn peer(bytes: &[u8]) -> Result<PeerId, DecodeError> {
    fixed(bytes, "peer").map(PeerId::from_bytes)
}

fn peer_bytes(peer: PeerId) -> Bytes {
    peer.as_bytes().to_vec().into()
}

#[cfg(test)]
mod tests;
