//! What all clients of a door share: the keys, what is set and counted, who is here, and how many bytes they may hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use storgo_object::ports::Random;
use storgo_protocol::limits::RESP_HELD_BYTES_MAX;

use super::client::{Client, Filter};
use super::cursors::Cursors;
use super::keyspace::Keyspace;
use super::settings::{DoorConfig, Settings};
use super::slowlog::SlowLog;
use super::stats::Stats;

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) keyspace: Keyspace,
    pub(super) cursors: Cursors,
    pub(super) random: Arc<dyn Random>,
    /// The program's version.
    pub(super) version: String,
    pub(super) settings: Arc<Settings>,
    pub(super) stats: Stats,
    pub(super) slow: SlowLog,
    pub(super) started: tokio::time::Instant,
    pub(super) clients: Mutex<BTreeMap<u64, Arc<Client>>>,
    /// The id of the last client.
    last_id: AtomicU64,
    /// Bytes of requests that are not whole yet.
    pub(super) held_bytes: Arc<AtomicUsize>,
}

impl Shared {
    /// `commands` are the names of all that are counted.
    pub(super) fn new(
        keyspace: Keyspace,
        random: Arc<dyn Random>,
        config: DoorConfig,
        commands: impl Iterator<Item = &'static str>,
    ) -> Self {
        Self {
            keyspace,
            cursors: Cursors::default(),
            random,
            settings: Arc::new(Settings::new(&config)),
            version: config.version,
            stats: Stats::new(commands),
            slow: SlowLog::default(),
            started: tokio::time::Instant::now(),
            clients: Mutex::default(),
            last_id: AtomicU64::new(0),
            held_bytes: Arc::default(),
        }
    }

    /// The id of the next client.
    pub(super) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Clients that are here to stay, and are meant.
    pub(super) fn clients(&self, filter: &Filter) -> Vec<Arc<Client>> {
        let clients = self.clients.lock();
        clients.values().filter(|client| !client.is_leaving() && filter.holds(client)).cloned().collect()
    }
}

/// What clients of a door with values in memory share, for tests. It is always the same time there.
#[cfg(test)]
impl Shared {
    pub(super) fn of_test(values: Arc<super::values::fake::Memory>) -> Arc<Self> {
        let keyspace = Keyspace::new(values, Arc::new(Fixed));
        Arc::new(Self::new(keyspace, Arc::new(Fixed), DoorConfig::default(), super::commands::names()))
    }
}

#[cfg(test)]
#[derive(Debug)]
struct Fixed;

#[cfg(test)]
impl storgo_object::ports::Clock for Fixed {
    fn now_seconds(&self) -> u64 {
        1_000_000
    }
}

#[cfg(test)]
impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// What one session holds of the bytes that all may hold.
#[derive(Debug)]
pub(super) struct Share {
    all: Arc<AtomicUsize>,
    bytes: usize,
    settings: Arc<Settings>,
}

/// Why a request is not waited for any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooMuch {
    /// It is longer than any may be.
    OfOne,
    /// All together take more than there is.
    OfAll,
}

impl Share {
    pub(super) const fn of(all: Arc<AtomicUsize>, settings: Arc<Settings>) -> Self {
        Self { all, bytes: 0, settings }
    }

    /// Takes so many in all, or says why not.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), TooMuch> {
        if bytes > self.settings.query_bytes_max() {
            return Err(TooMuch::OfOne);
        }
        let before = self.all.load(Ordering::Relaxed);
        if bytes > self.bytes && before.saturating_add(bytes - self.bytes) > RESP_HELD_BYTES_MAX {
            return Err(TooMuch::OfAll);
        }
        self.all.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
        Ok(())
    }

    /// Keeps no more than so many.
    pub(super) fn keep(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.all.fetch_sub(less, Ordering::Relaxed);
        self.bytes -= less;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use storgo_protocol::limits::RESP_REQUEST_BYTES_MAX;

    use super::*;

    #[test]
    fn requests_that_are_not_whole_take_no_more_than_their_share() {
        let all = Arc::default();
        let settings = Arc::new(Settings::new(&DoorConfig::default()));
        let [mut one, mut other] = [(); 2].map(|()| Share::of(Arc::clone(&all), Arc::clone(&settings)));
        assert_eq!(one.hold(RESP_REQUEST_BYTES_MAX + 1), Err(TooMuch::OfOne));
        assert_eq!(one.hold(RESP_REQUEST_BYTES_MAX), Ok(()));
        let rest = RESP_HELD_BYTES_MAX - RESP_REQUEST_BYTES_MAX;
        assert_eq!((other.hold(rest), other.hold(rest + 1)), (Ok(()), Err(TooMuch::OfAll)));
        one.keep(10);
        assert_eq!(other.hold(rest + 1), Ok(()));
        other.keep(rest + 2);
        assert_eq!(all.load(Ordering::Relaxed), 10 + rest + 1);
        drop((one, other));
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
