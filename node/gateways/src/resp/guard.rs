//! Who may come in: the access keys of the door's bucket, as they were read last.
//!
//! They are read every few seconds, and at once when somebody shows one that is not known, at most once a second. While they
//! cannot be read they hold as they were; when one ends is judged by this machine's clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use storgo_object::ports::Clock;
use storgo_object::{Bucket, ErrorKind, ObjectError, OpenAccessKey};
use storgo_protocol::cluster::AccessKeyId;
use storgo_protocol::limits::RESP_KEYS_PAUSE_MS;
use tokio::time::Instant;

/// Where access keys are read.
pub(super) trait Keyring: Send + Sync + std::fmt::Debug {
    /// All of them, as they are now.
    fn access_keys(&self) -> BoxFuture<'_, Result<Vec<OpenAccessKey>, ObjectError>>;
}

impl Keyring for Bucket {
    fn access_keys(&self) -> BoxFuture<'_, Result<Vec<OpenAccessKey>, ObjectError>> {
        Box::pin(self.access_keys())
    }
}

/// Who came in, and what the key allows that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) id: AccessKeyId,
    pub(super) writes: bool,
}

/// What somebody says who wants to come in.
pub(super) struct Credentials {
    /// The id of a key; none where whoever knows a secret is meant.
    pub(super) name: Option<Bytes>,
    pub(super) secret: Bytes,
}

/// When the keys were read.
#[derive(Debug, Default)]
struct Reads {
    /// When that was begun last.
    begun: Option<Instant>,
    /// When it was begun that gave those that are known.
    known: Option<Instant>,
}

/// Decides who comes in.
#[derive(Debug)]
pub(super) struct Guard {
    keyring: Arc<dyn Keyring>,
    clock: Arc<dyn Clock>,
    /// Held only to take or replace the pointer.
    keys: Mutex<Arc<BTreeMap<AccessKeyId, OpenAccessKey>>>,
    /// Reads of the keys. Held while they are read: who comes meanwhile waits for the same.
    reads: tokio::sync::Mutex<Reads>,
}

impl Guard {
    pub(super) fn new(keyring: Arc<dyn Keyring>, clock: Arc<dyn Clock>) -> Self {
        Self { keyring, clock, keys: Mutex::default(), reads: tokio::sync::Mutex::default() }
    }

    /// Who it is that says this, if anybody.
    pub(super) async fn admit(&self, said: &Credentials) -> Option<User> {
        let known = self.find(said);
        if known.is_some() || self.knows(said) {
            return known;
        }
        self.read().await;
        self.find(said)
    }

    /// Who it is that showed a key before, if that is still welcome.
    pub(super) fn user(&self, id: AccessKeyId) -> Option<User> {
        let now_ms = self.clock.now_ms();
        let keys = self.keys();
        let key = keys.get(&id).filter(|key| !key.terms.is_over(now_ms))?;
        Some(User { id, writes: key.terms.writes })
    }

    /// Whether a user is still welcome.
    pub(super) fn welcomes(&self, user: User) -> bool {
        let now_ms = self.clock.now_ms();
        self.keys().get(&user.id).is_some_and(|key| key.terms.writes == user.writes && !key.terms.is_over(now_ms))
    }

    /// Whether there is a key of this name.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.keys().keys().any(|id| id.as_str().as_bytes() == name)
    }

    /// Reads the keys again, as they are after now; at most once in a while.
    pub(super) async fn read(&self) {
        let came = Instant::now();
        let mut reads = self.reads.lock().await;
        if reads.known.is_some_and(|known| known >= came) {
            return;
        }
        if let Some(begun) = reads.begun {
            tokio::time::sleep_until(begun + Duration::from_millis(RESP_KEYS_PAUSE_MS)).await;
        }
        let begun = Instant::now();
        reads.begun = Some(begun);
        let keys = match self.keyring.access_keys().await {
            Ok(keys) => keys,
            // The bucket is gone, or the door's user was shut out of it.
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return tracing::warn!(%error, "access keys cannot be read: those that were last read hold"),
        };
        reads.known = Some(begun);
        *self.keys.lock() = Arc::new(keys.into_iter().map(|key| (key.terms.id, key)).collect());
    }

    /// Compares with every key, so that how long it takes tells nothing of which there are.
    fn find(&self, said: &Credentials) -> Option<User> {
        let now_ms = self.clock.now_ms();
        let keys = self.keys();
        let mut found = None;
        for key in keys.values() {
            let is_meant = said.name.as_ref().is_none_or(|name| key.terms.id.as_str().as_bytes() == name);
            let is_known = key.secret.is(&said.secret);
            if is_meant && is_known && !key.terms.is_over(now_ms) {
                found = Some(User { id: key.terms.id, writes: key.terms.writes });
            }
        }
        found
    }

    /// Whether to look again would tell nothing new: a key never gets another secret.
    fn knows(&self, said: &Credentials) -> bool {
        said.name.as_ref().is_some_and(|name| self.has(name))
    }

    fn keys(&self) -> Arc<BTreeMap<AccessKeyId, OpenAccessKey>> {
        Arc::clone(&self.keys.lock())
    }
}

#[cfg(test)]
pub(super) mod tests;
