//! What the log counts: how long syncs take, and how much one of them serves.

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// What is counted in one log. Clones are the same.
#[derive(Debug, Clone)]
pub struct LogMetrics {
    /// How long a sync of the log takes.
    pub(super) sync_seconds: Histogram,
    /// Records in a frame: so many share one sync, where each frame has one.
    pub(super) frame_records: Histogram,
    /// Bytes of a frame.
    pub(super) frame_bytes: Histogram,
}

impl Default for LogMetrics {
    fn default() -> Self {
        Self {
            sync_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            frame_records: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            frame_bytes: Histogram::new(exponential_buckets(256.0, 4.0, 9)),
        }
    }
}

impl LogMetrics {
    /// Lets a registry show them.
    pub fn register(&self, registry: &mut Registry) {
        let log = registry.sub_registry_with_prefix("log");
        let seconds = self.sync_seconds.clone();
        log.register_with_unit("sync", "How long syncs of the log of groups take", Unit::Seconds, seconds);
        log.register("frame_records", "Records that are written and synced at once", self.frame_records.clone());
        let bytes = self.frame_bytes.clone();
        log.register_with_unit("frame", "What is written and synced at once", Unit::Bytes, bytes);
    }
}
