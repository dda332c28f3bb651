//! The door: who comes in, how many at once, and what all of them share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use storgo_object::Bucket;
use storgo_object::ports::{Clock, Random};
use storgo_protocol::limits::{
    RESP_CLIENTS_MAX, RESP_HELD_BYTES_MAX, RESP_REFUSAL_SECONDS_MAX, RESP_REQUEST_BYTES_MAX,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{Client, Filter};
use super::commands;
use super::cursors::Cursors;
use super::keyspace::Keyspace;
use super::session::Session;
use super::settings::Settings;
use super::slowlog::SlowLog;
use super::stats::Stats;

/// How a door is kept.
#[derive(Debug, Clone)]
pub struct DoorConfig {
    /// Clients at once.
    pub clients_max: usize,
    /// Bytes of a client's requests that are not whole yet, or wait for the end of their transaction.
    pub query_bytes_max: usize,
    /// After how long without a request a client is sent away; `None` for never.
    pub idle: Option<Duration>,
    /// The program's version, as clients are told.
    pub version: String,
}

impl Default for DoorConfig {
    fn default() -> Self {
        Self {
            clients_max: RESP_CLIENTS_MAX,
            query_bytes_max: RESP_REQUEST_BYTES_MAX,
            idle: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// A door to a bucket, for whoever speaks Redis's protocol. Whoever comes in may do what the bucket's user may.
#[derive(Debug, Clone)]
pub struct Door(Arc<Shared>);

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
    pub(super) fn new(keyspace: Keyspace, random: Arc<dyn Random>, config: DoorConfig) -> Self {
        Self {
            keyspace,
            cursors: Cursors::default(),
            random,
            settings: Arc::new(Settings::new(&config)),
            version: config.version,
            stats: Stats::new(commands::names()),
            slow: SlowLog::default(),
            started: tokio::time::Instant::now(),
            clients: Mutex::default(),
            last_id: AtomicU64::new(0),
            held_bytes: Arc::default(),
        }
    }

    /// Clients that are here to stay, and are meant.
    pub(super) fn clients(&self, filter: &Filter) -> Vec<Arc<Client>> {
        let clients = self.clients.lock();
        clients.values().filter(|client| !client.is_leaving() && filter.holds(client)).cloned().collect()
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

impl Door {
    /// A door to a bucket's values.
    #[must_use]
    pub fn new(bucket: Bucket, clock: Arc<dyn Clock>, random: Arc<dyn Random>, config: DoorConfig) -> Self {
        Self(Arc::new(Shared::new(Keyspace::new(Arc::new(bucket), clock), random, config)))
    }

    /// Serves whoever connects, until it is to stop; who was answered in part gets the rest.
    ///
    /// # Errors
    /// [`std::io::Error`] if nobody can be listened for any more.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        let sessions = TaskTracker::new();
        let served = loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break Ok(()),
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => self.admit(stream, from, &sessions, &stop),
                Err(error) if is_of_one_client(&error) => tracing::debug!(%error, "a client did not come in"),
                // Too many files are open, perhaps: others close theirs.
                Err(error) => {
                    tracing::warn!(%error, "clients cannot come in");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        stop.cancel();
        sessions.close();
        sessions.wait().await;
        served
    }

    fn admit(&self, mut stream: TcpStream, from: SocketAddr, sessions: &TaskTracker, stop: &CancellationToken) {
        let shared = &self.0;
        if shared.clients.lock().len() >= shared.settings.clients_max() {
            shared.stats.refused.fetch_add(1, Ordering::Relaxed);
            sessions.spawn(async move {
                let said = stream.write_all(b"-ERR max number of clients reached\r\n");
                // Whether it hears that is its own affair.
                drop(tokio::time::timeout(Duration::from_secs(RESP_REFUSAL_SECONDS_MAX), said).await);
            });
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a client's connection cannot be made prompt");
        }
        let to = match stream.local_addr() {
            Ok(to) => to,
            Err(error) => return tracing::debug!(%error, "a client was lost"),
        };
        shared.stats.came.fetch_add(1, Ordering::Relaxed);
        let id = shared.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let client = Arc::new(Client::new(id, from, to, stop.child_token()));
        shared.clients.lock().insert(id, Arc::clone(&client));
        let session = Session::new(Arc::clone(shared), client);
        sessions.spawn(session.run(stream));
    }
}

fn is_of_one_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::super::values::fake::Memory;
    use super::*;

    #[derive(Debug)]
    struct Fixed;

    impl Clock for Fixed {
        fn now_seconds(&self) -> u64 {
            1_000_000
        }
    }

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    /// Opens a door to values in memory; where it is, and what closes it.
    async fn open() -> (SocketAddr, CancellationToken) {
        let keyspace = Keyspace::new(Arc::new(Memory::default()), Arc::new(Fixed));
        let door = Door(Arc::new(Shared::new(keyspace, Arc::new(Fixed), DoorConfig::default())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let until = stop.clone();
        tokio::spawn(async move { door.serve(listener, until).await });
        (address, stop)
    }

    /// Sends something, and hears as many bytes as are expected.
    async fn talk(stream: &mut TcpStream, said: &str, expected: &str) {
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = vec![0; expected.len()];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), expected, "{said}");
    }

    async fn is_over(stream: &mut TcpStream) -> bool {
        matches!(stream.read(&mut [0]).await, Ok(0) | Err(_))
    }

    #[tokio::test]
    async fn who_is_sent_away_has_what_was_answered_and_no_more() {
        let (address, _stop) = open().await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = TcpStream::connect(address).await.unwrap();
            talk(&mut client, "PING\r\n", "+PONG\r\n").await;
            clients.push(client);
        }
        let [one, two, three] = &mut clients[..] else { panic!() };
        let laddr = format!("CLIENT KILL LADDR {address} ID 2\r\n");
        talk(one, &laddr, ":1\r\n").await;
        assert!(is_over(two).await);
        talk(one, &format!("CLIENT KILL {}\r\n", three.local_addr().unwrap()), "+OK\r\n").await;
        assert!(is_over(three).await);
        talk(one, "CLIENT KILL TYPE normal\r\nCLIENT KILL ID 1 SKIPME no\r\n", ":0\r\n:1\r\n").await;
        assert!(is_over(one).await);
    }

    #[tokio::test]
    async fn a_pipeline_is_answered_as_far_as_its_client_wants() {
        let (address, _stop) = open().await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let said = "SET k 1\r\nCLIENT REPLY OFF\r\nINCR k\r\nnonsense\r\nCLIENT REPLY ON\r\nGET k\r\n\
                    CLIENT REPLY SKIP\r\nINCR k\r\nGET k\r\n";
        talk(&mut client, said, "+OK\r\n+OK\r\n$1\r\n2\r\n$1\r\n3\r\n").await;
    }

    #[tokio::test]
    async fn what_is_set_holds_from_then_on() {
        let (address, _stop) = open().await;
        let mut client = TcpStream::connect(address).await.unwrap();
        talk(&mut client, "CONFIG SET maxclients 1\r\n", "+OK\r\n").await;
        let mut other = TcpStream::connect(address).await.unwrap();
        talk(&mut other, "", "-ERR max number of clients reached\r\n").await;
        talk(&mut client, "CONFIG SET maxclients 2 client-query-buffer-limit 1mb\r\n", "+OK\r\n").await;
        let mut other = TcpStream::connect(address).await.unwrap();
        let long = format!("*2\r\n$4\r\nECHO\r\n$3000000\r\n{}", "a".repeat(1024 * 1024 + 1));
        talk(&mut other, &long, "-ERR Protocol error: the request is too long\r\n").await;
        assert!(is_over(&mut other).await);
        // Whoever says nothing for a second goes.
        talk(&mut client, "CONFIG SET timeout 1\r\n", "+OK\r\n").await;
        assert!(is_over(&mut client).await);
    }

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
