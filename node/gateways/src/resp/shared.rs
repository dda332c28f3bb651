//! What all clients of a door share: the keys, what is set and counted, who is here, and how many bytes they may hold.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use storgo_object::Forum;
use storgo_object::ports::{Clock, Random};
use storgo_protocol::limits::{
    RESP_AHEAD_BYTES, RESP_HELD_BYTES_MAX, RESP_STRANGERS_MAX, RESP_UNSENT_BYTES_ALL_MAX, RESP_UNSENT_BYTES_MAX,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::client::{Client, Filter};
use super::cursors::Cursors;
use super::doors::Doors;
use super::errands::{Errands, Voice};
use super::guard::Guard;
use super::keyspace::Keyspace;
use super::notices::Notices;
use super::pubsub::Channels;
use super::settings::{DoorConfig, Settings};
use super::slowlog::SlowLog;
use super::stats::Stats;
use super::values::Values;

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) keyspace: Keyspace,
    /// Who decides whom to let in, unless everybody may.
    pub(super) guard: Option<Guard>,
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Places for who has not said yet who it is.
    strangers: Arc<Semaphore>,
    pub(super) cursors: Cursors,
    pub(super) channels: Arc<Channels>,
    pub(super) doors: Arc<Doors>,
    pub(super) errands: Arc<Errands>,
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
    /// Bytes of answers that were made and not sent yet.
    answer_bytes: Arc<AtomicUsize>,
}

impl Shared {
    /// Of the values, those behind the first may be stale. `commands` are the names of all that are counted.
    pub(super) fn new(
        ([values, glances], clock): ([Arc<dyn Values>; 2], Arc<dyn Clock>),
        guard: Option<Guard>,
        (forum, voice): (Option<Forum>, Option<Arc<dyn Voice>>),
        random: Arc<dyn Random>,
        config: DoorConfig,
        commands: impl Iterator<Item = &'static str>,
    ) -> Self {
        let (channels, settings) = (Arc::new(Channels::new(forum.clone())), Arc::new(Settings::new(&config)));
        let doors = Arc::new(Doors::new(forum.clone()));
        let errands = Arc::new(Errands::new(voice, Arc::clone(&doors), Arc::clone(&random)));
        let notices = Notices::new(Arc::clone(&settings), Arc::clone(&channels));
        Self {
            keyspace: Keyspace::new(values, glances, clock, notices, Arc::clone(&errands)),
            guard,
            strangers: Arc::new(Semaphore::new(RESP_STRANGERS_MAX)),
            cursors: Cursors::default(),
            channels,
            doors,
            errands,
            random,
            settings,
            version: config.version,
            tls: config.tls,
            stats: Stats::new(commands),
            slow: SlowLog::default(),
            started: tokio::time::Instant::now(),
            clients: Mutex::default(),
            last_id: AtomicU64::new(0),
            held_bytes: Arc::default(),
            answer_bytes: Arc::default(),
        }
    }

    /// Bytes of answers that were made and not sent yet.
    pub(super) fn answer_bytes(&self) -> usize {
        self.answer_bytes.load(Ordering::Relaxed)
    }

    /// What a new client owes: nothing.
    pub(super) fn unsent(&self) -> Arc<Unsent> {
        let (all, own, waits) = (Arc::clone(&self.answer_bytes), AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Unsent { all, own, most: self.settings.answer_bytes_max(), waits })
    }

    /// A place among strangers, where who comes is one at first.
    ///
    /// # Errors
    /// [`TryAcquireError`] if there is none.
    pub(super) fn place(&self) -> Result<Option<OwnedSemaphorePermit>, TryAcquireError> {
        let is_one = self.guard.is_some() || self.tls.is_some();
        is_one.then(|| Arc::clone(&self.strangers).try_acquire_owned()).transpose()
    }

    /// Lets a client in, if there is room for one more.
    pub(super) fn enter(&self, from: SocketAddr, to: SocketAddr, stop: CancellationToken) -> Option<Arc<Client>> {
        let mut clients = self.clients.lock();
        if clients.len() >= self.settings.clients_max() {
            self.stats.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let client = Arc::new(Client::new(self.next_id(), from, to, self.channels.outbox(), stop));
        clients.insert(client.id, Arc::clone(&client));
        self.stats.came.fetch_add(1, Ordering::Relaxed);
        Some(client)
    }

    /// A client is gone: it listens to nothing any more.
    pub(super) fn leave(&self, client: &Client) {
        self.channels.leave(client);
        self.clients.lock().remove(&client.id);
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
    pub(super) fn of_test(values: Arc<super::values::fake::Memory>, config: DoorConfig) -> Arc<Self> {
        Arc::new(Self::guarded(values, None, config))
    }

    /// The same, with somebody who decides whom to let in.
    pub(super) fn guarded(values: Arc<super::values::fake::Memory>, guard: Option<Guard>, config: DoorConfig) -> Self {
        let values: Arc<dyn Values> = values;
        Self::made([Arc::clone(&values), values], guard, None, config)
    }

    /// The same; those behind the first are what is glanced at.
    pub(super) fn of_two(values: [Arc<super::values::fake::Memory>; 2], config: DoorConfig) -> Arc<Self> {
        Arc::new(Self::made(values.map(|values| -> Arc<dyn Values> { values }), None, None, config))
    }

    /// The same, which says to others what it has done by them.
    pub(super) fn speaking(values: Arc<super::values::fake::Memory>, voice: Arc<dyn Voice>) -> Arc<Self> {
        let values: Arc<dyn Values> = values;
        Arc::new(Self::made([Arc::clone(&values), values], None, Some(voice), DoorConfig::default()))
    }

    fn made(
        values: [Arc<dyn Values>; 2],
        guard: Option<Guard>,
        voice: Option<Arc<dyn Voice>>,
        config: DoorConfig,
    ) -> Self {
        Self::new((values, Arc::new(Fixed)), guard, (None, voice), Arc::new(Fixed), config, super::commands::names())
    }
}

#[cfg(test)]
#[derive(Debug)]
struct Fixed;

#[cfg(test)]
impl Clock for Fixed {
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

/// Answers of one client that were made and not sent yet. Where they are many, what it asked for next is not done before they
/// are sent: so nobody makes a door hold more than it can, and nobody is refused for asking much at once.
#[derive(Debug)]
pub(super) struct Unsent {
    /// Bytes of those of all clients.
    all: Arc<AtomicUsize>,
    own: AtomicUsize,
    /// Bytes of its own from which on what it asked for waits.
    most: usize,
    /// Whether something waits. From then on all does that was asked for behind it, so that what concerns one key is done in
    /// order.
    waits: AtomicBool,
}

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    /// When what was asked for before it is answered.
    Later,
    /// There is no room for its answer.
    Never,
}

impl Unsent {
    /// Whether something is done whose answer may be long. It `is_next` if all that was asked for before it is answered.
    pub(super) fn turn(&self, is_next: bool, is_long: bool) -> Turn {
        let (own, all) = (self.own.load(Ordering::Relaxed), self.all.load(Ordering::Relaxed));
        let is_full = is_long && all > RESP_UNSENT_BYTES_ALL_MAX;
        if is_next {
            return if is_full || own > RESP_UNSENT_BYTES_MAX { Turn::Never } else { Turn::Now };
        }
        if is_full || own > self.most {
            self.waits.store(true, Ordering::Relaxed);
        }
        if self.waits.load(Ordering::Relaxed) { Turn::Later } else { Turn::Now }
    }

    /// Whether it has more than is made ahead.
    pub(super) fn is_ahead(&self) -> bool {
        self.own.load(Ordering::Relaxed) > RESP_AHEAD_BYTES
    }

    /// Nothing that was asked for is being done any more: what waits may be, one after the other.
    pub(super) fn go_on(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }

    /// An answer was made.
    pub(super) fn add(&self, bytes: usize) {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }

    /// An answer counts as made until what is returned goes.
    pub(super) fn count(&self, bytes: usize) -> Counted<'_> {
        self.add(bytes);
        Counted { unsent: self, bytes }
    }

    /// An answer that was made is on its way.
    pub(super) fn sent(&self, bytes: usize) {
        self.own.fetch_sub(bytes, Ordering::Relaxed);
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that count as made.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    unsent: &'a Unsent,
    bytes: usize,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.unsent.sent(self.bytes);
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own.load(Ordering::Relaxed), Ordering::Relaxed);
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

    #[test]
    fn who_has_much_that_is_not_sent_waits_and_what_does_not_fit_the_door_is_refused() {
        let shared = Shared::of_test(Arc::default(), DoorConfig { answer_bytes_max: 10, ..DoorConfig::default() });
        let [one, other] = [(); 2].map(|()| shared.unsent());
        one.add(10);
        assert_eq!(one.turn(false, true), Turn::Now);
        one.add(1);
        assert_eq!((one.turn(false, false), one.turn(true, true)), (Turn::Later, Turn::Now));
        // What is behind something that waits does, too, until all stands still.
        one.sent(11);
        assert_eq!(one.turn(false, false), Turn::Later);
        one.go_on();
        assert_eq!(one.turn(false, false), Turn::Now);
        // One request of which much is made, as of many keys.
        one.add(RESP_UNSENT_BYTES_MAX);
        assert_eq!(one.turn(true, false), Turn::Now);
        one.add(1);
        assert_eq!((one.turn(true, false), other.turn(false, true)), (Turn::Never, Turn::Now));
        one.add(RESP_UNSENT_BYTES_ALL_MAX - RESP_UNSENT_BYTES_MAX);
        // Others have what is short.
        assert_eq!(
            (other.turn(false, false), other.turn(true, false), other.turn(true, true)),
            (Turn::Now, Turn::Now, Turn::Never)
        );
        assert_eq!((other.turn(false, true), other.turn(false, false)), (Turn::Later, Turn::Later));
        drop(one);
        assert_eq!(shared.answer_bytes.load(Ordering::Relaxed), 0);
    }
}
