//! What the store is told at its start.
//!
//! It knows paths and numbers; who read them from where is the node's business.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where shards go and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// Directory of the index, under the node's data directory. It holds nothing that the disks do not tell again, but
    /// for the memory of which disk stood where.
    pub index: PathBuf,
    /// Data directories, each on a disk of its own where there are several; made if they are not there. Where a
    /// disk stood and is gone none is made: it may not be mounted. At most
    /// [`DISKS_MAX`](storgo_protocol::limits::DISKS_MAX).
    pub disks: Vec<PathBuf>,
    /// Bytes that the node may use in all, the same share on each disk. Default: what the file systems offer.
    #[serde(default)]
    pub capacity_bytes: Option<u64>,
    /// Bytes that may be kept in one user's name. Default: as much as there is room for.
    #[serde(default)]
    pub quota_per_user_bytes: Option<u64>,
}
