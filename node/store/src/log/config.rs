//! What a log is told at its start.

use std::time::Duration;

use storgo_protocol::limits::{LOG_CACHE_BYTES, LOG_SEGMENT_BYTES};

use super::metrics::LogMetrics;
use crate::NodeKey;

/// How a log is kept.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Bytes of a segment before the next is begun. At most
    /// [`LOG_SEGMENT_BYTES_MAX`](storgo_protocol::limits::LOG_SEGMENT_BYTES_MAX); default [`LOG_SEGMENT_BYTES`].
    pub segment_bytes: u64,
    /// When what was written is synced. Default: before it is answered.
    pub sync: SyncPolicy,
    /// Payload bytes of recent entries in memory. Default: [`LOG_CACHE_BYTES`].
    pub cache_bytes: usize,
    /// What the keys of segments are sealed with.
    pub key: NodeKey,
    /// Where it counts what it does.
    pub metrics: LogMetrics,
}

impl LogConfig {
    /// The defaults, under this key.
    #[must_use]
    pub fn new(key: NodeKey) -> Self {
        Self {
            segment_bytes: LOG_SEGMENT_BYTES,
            sync: SyncPolicy::EveryBatch,
            cache_bytes: LOG_CACHE_BYTES,
            key,
            metrics: LogMetrics::default(),
        }
    }
}

/// When what was written to the log becomes durable.
///
/// Raft rests on logs and votes that last. With anything but [`SyncPolicy::EveryBatch`] a node that loses power may
/// forget what it voted and what it acknowledged: two leaders of one term, and acknowledged writes that are gone, can
/// follow from one outage that takes a majority. It survives the end of the process alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncPolicy {
    /// Before anybody is answered: all who wait share one sync. What it costs is the disk's time for a sync, once for
    /// each batch.
    #[default]
    EveryBatch,
    /// Answers come at once, syncs so much later at most. Saves the wait; an outage costs what was answered meanwhile.
    Interval(Duration),
    /// Only where a segment ends and at the stop. For tests of speed and for data that nobody misses.
    Never,
}
