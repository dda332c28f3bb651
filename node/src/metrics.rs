//! What a node counts, in one registry: made here, handed to its parts, and shown as text to who asks.
//!
//! A part registers what it counts when it starts; none knows who reads it. There is no other registry.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::text;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use storgo_object::ports::{Clock as _, SystemClock};

/// The registry of a node. Clones are the same. Its lock is held while parts register, and while the text is written.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Mutex<Registry>>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Knows when this program started, and which it is.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("storgo");
        let program = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("node", "The program that runs", program);
        let started: Gauge<u64, std::sync::atomic::AtomicU64> = Gauge::default();
        started.set(SystemClock.now_seconds());
        registry.register_with_unit("node_start_time", "When it started, since 1970", Unit::Seconds, started);
        Self(Arc::new(Mutex::new(registry)))
    }

    /// Lets a part register what it counts.
    pub(crate) fn with<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        register(&mut self.0.lock())
    }

    /// All of it, as text that Prometheus reads.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0.lock())?;
        Ok(text)
    }
}
