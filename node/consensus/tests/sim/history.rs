//! What clients did and were told, with the times between which it happened.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::trace::Trace;

pub use crate::operation::{Did, Operation, Told, Value};

/// All operations. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<Vec<Operation>>>, Trace);

impl History {
    pub fn new(trace: Trace) -> Self {
        Self(Arc::default(), trace)
    }

    pub fn add(&self, operation: Operation) {
        self.1.note("operation", format!("{operation:?}").as_bytes());
        self.0.lock().unwrap().push(operation);
    }

    pub fn operations(&self) -> Vec<Operation> {
        self.0.lock().unwrap().clone()
    }
}
