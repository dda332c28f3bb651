//! What clients did and were told, with the times between which it happened.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use storgo_protocol::meta::VersionId;

use crate::cluster::START_MS;
use crate::trace::Trace;

pub use crate::operation::{Did, Operation, Told, Value};

/// A version that was acknowledged, and the times between which it was.
#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    version: VersionId,
    began: Duration,
    ended: Duration,
}

/// By how much a stamp may be off the time: half a second by the clock, and what slow answers leave open, twice.
const STAMP_OFF_MS_MAX: u64 = 1200;

/// All operations. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct History {
    operations: Arc<Mutex<Vec<Operation>>>,
    versions: Arc<Mutex<Vec<Acknowledged>>>,
    trace: Trace,
}

impl History {
    pub fn new(trace: Trace) -> Self {
        Self { trace, ..Self::default() }
    }

    pub fn add(&self, operation: Operation) {
        self.trace.note("operation", format!("{operation:?}").as_bytes());
        self.operations.lock().unwrap().push(operation);
    }

    pub fn add_version(&self, version: VersionId, began: Duration, ended: Duration) {
        self.versions.lock().unwrap().push(Acknowledged { version, began, ended });
    }

    pub fn operations(&self) -> Vec<Operation> {
        self.operations.lock().unwrap().clone()
    }

    /// No stamp was given twice by a group, and none by a clock that is far off.
    pub fn wrong_stamp(&self) -> Option<String> {
        let mut versions = self.versions.lock().unwrap().clone();
        versions.sort_by_key(|known| known.version);
        if let Some(twice) = versions.windows(2).find(|pair| pair[0].version == pair[1].version) {
            return Some(format!("a stamp was given twice: {twice:?}"));
        }
        let ms = |time: Duration| START_MS + time.as_millis() as u64;
        let is_off = |known: &&Acknowledged| {
            let stamp = known.version.stamp().ms();
            stamp > ms(known.ended) + STAMP_OFF_MS_MAX || stamp + STAMP_OFF_MS_MAX < ms(known.began)
        };
        let off = versions.iter().find(is_off)?;
        Some(format!(
            "stamped by a clock that is off: {} ms, {off:?}",
            off.version.stamp().ms().cast_signed() - START_MS.cast_signed()
        ))
    }
}
