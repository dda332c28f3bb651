//! What happened, as one hash: every frame with its time and way, and every answer.

use std::sync::{Arc, Mutex};

/// Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<blake3::Hasher>>);

impl Trace {
    pub fn note(&self, what: &str, bytes: &[u8]) {
        let now = turmoil::sim_elapsed().unwrap_or_default();
        let mut hasher = self.0.lock().unwrap();
        hasher.update(what.as_bytes());
        hasher.update(&now.as_nanos().to_le_bytes());
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }

    pub fn hash(&self) -> String {
        self.0.lock().unwrap().finalize().to_hex().to_string()
    }
}
