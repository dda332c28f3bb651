//! What the records are told at their start.

use storgo_protocol::limits::{RECORDS_CACHE_BYTES, RECORDS_FRESH_BYTES};

use crate::NodeKey;

/// How the records are kept.
#[derive(Debug, Clone)]
pub struct RecordsConfig {
    /// Bytes of pages in memory. Default: [`RECORDS_CACHE_BYTES`].
    pub cache_bytes: usize,
    /// Bytes of commits after which they are written without being asked to. Default: [`RECORDS_FRESH_BYTES`].
    pub fresh_bytes: usize,
    /// Whether there must be records already: whoever has a log that was purged has lost something if there are none.
    /// Default: no.
    pub must_exist: bool,
    /// What values are sealed with.
    pub key: NodeKey,
}

impl RecordsConfig {
    /// The defaults, under this key.
    #[must_use]
    pub const fn new(key: NodeKey) -> Self {
        Self { cache_bytes: RECORDS_CACHE_BYTES, fresh_bytes: RECORDS_FRESH_BYTES, must_exist: false, key }
    }
}
