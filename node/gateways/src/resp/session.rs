//! One client: its requests are begun in the order in which they come, many at once, and answered in that order.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use storgo_protocol::limits::{
    RESP_ARGS_MAX, RESP_FLUSH_BYTES, RESP_INLINE_BYTES_MAX, RESP_PIPELINED_MAX, RESP_READ_BYTES,
    RESP_REFUSAL_SECONDS_MAX, RESP_WRITE_SECONDS_MAX, VALUE_BYTES_MAX,
};
use storgo_protocol::meta::VersionId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::commands::{self, Begun, Transaction};
use super::cursors::Cursors;
use super::door::{Share, Shared, TooMuch};
use super::keyspace::{Keyspace, refusal};
use super::reply::{Protocol, Reply};
use super::request::{Bounds, RequestParser};

/// A client, as others see it.
#[derive(Debug)]
pub(super) struct Client {
    id: u64,
    from: SocketAddr,
    since: Instant,
    name: Mutex<Bytes>,
    /// Cancelled when it is to go.
    stop: CancellationToken,
}

impl Client {
    pub(super) fn new(id: u64, from: SocketAddr, stop: CancellationToken) -> Self {
        Self { id, from, since: Instant::now(), name: Mutex::default(), stop }
    }

    fn line(&self) -> String {
        let name = String::from_utf8_lossy(&self.name.lock()).into_owned();
        format!("id={} addr={} name={name} age={} db=0\n", self.id, self.from, self.since.elapsed().as_secs())
    }
}

/// What commands see of the connection that they come from.
#[derive(Debug)]
pub(super) struct State {
    shared: Arc<Shared>,
    client: Arc<Client>,
    protocol: Protocol,
    /// Commands that wait for EXEC.
    transaction: Option<Transaction>,
    /// What the next transaction rests on.
    watched: Watched,
}

/// Watched keys, and their versions when they were seen; none for those that were not there.
pub(super) type Watched = Arc<Mutex<BTreeMap<Bytes, Option<VersionId>>>>;

impl State {
    pub(super) const fn transaction(&mut self) -> &mut Option<Transaction> {
        &mut self.transaction
    }

    pub(super) fn watched(&self) -> Watched {
        Arc::clone(&self.watched)
    }

    pub(super) fn keyspace(&self) -> &Keyspace {
        &self.shared.keyspace
    }

    pub(super) fn cursors(&self) -> &Cursors {
        &self.shared.cursors
    }

    /// Draws numbers below one that is given, about evenly.
    pub(super) fn random(&self) -> impl FnMut(u64) -> u64 + Send + 'static {
        let random = Arc::clone(&self.shared.random);
        move |below| u64::from_le_bytes(random.array()) % below.max(1)
    }

    pub(super) fn id(&self) -> i64 {
        i64::try_from(self.client.id).unwrap_or(i64::MAX)
    }

    pub(super) fn name(&self) -> Bytes {
        self.client.name.lock().clone()
    }

    pub(super) fn set_name(&self, name: Bytes) {
        *self.client.name.lock() = name;
    }

    pub(super) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(super) const fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    pub(super) fn client_line(&self) -> String {
        self.client.line()
    }

    pub(super) fn client_lines(&self) -> String {
        self.shared.clients.lock().values().map(|client| client.line()).collect()
    }

    /// Sends a client away; whether there is one of this id.
    pub(super) fn kill(&self, id: i64) -> bool {
        let clients = self.shared.clients.lock();
        let client = u64::try_from(id).ok().and_then(|id| clients.get(&id));
        client.inspect(|client| client.stop.cancel()).is_some()
    }

    /// A number that was drawn, for a command that draws others from it.
    pub(super) fn seed(&self) -> u64 {
        u64::from_le_bytes(self.shared.random.array())
    }

    /// What this door is set to, by the names that Redis has for it.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let idle = self.shared.config.idle.map_or(0, |idle| idle.as_secs());
        vec![
            ("appendfsync", "always".to_owned()),
            ("appendonly", "yes".to_owned()),
            ("databases", "1".to_owned()),
            ("maxclients", self.shared.config.clients_max.to_string()),
            ("proto-max-bulk-len", VALUE_BYTES_MAX.to_string()),
            ("save", String::new()),
            ("timeout", idle.to_string()),
        ]
    }

    /// What is told about this door: sections, and what stands in them.
    pub(super) fn info(&self, as_redis: &str) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
        let shared = &self.shared;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed).to_string();
        vec![
            (
                "Server",
                vec![
                    ("redis_version", as_redis.to_owned()),
                    ("storgo_version", shared.config.version.clone()),
                    ("redis_mode", "standalone".to_owned()),
                    ("process_id", std::process::id().to_string()),
                    ("uptime_in_seconds", shared.started.elapsed().as_secs().to_string()),
                ],
            ),
            (
                "Clients",
                vec![
                    ("connected_clients", shared.clients.lock().len().to_string()),
                    ("maxclients", shared.config.clients_max.to_string()),
                ],
            ),
            (
                "Stats",
                vec![
                    ("total_connections_received", count(&shared.came)),
                    ("total_commands_processed", count(&shared.commands)),
                    ("rejected_connections", count(&shared.refused)),
                ],
            ),
            ("Replication", vec![("role", "master".to_owned())]),
            ("Cluster", vec![("cluster_enabled", "0".to_owned())]),
        ]
    }
}

/// An answer that is on its way.
enum Pending {
    Done(Reply),
    Keys(Vec<oneshot::Receiver<Reply>>, fn(Vec<Reply>) -> Reply),
    /// All before it is to be done first, and all behind it waits.
    Alone(BoxFuture<'static, Reply>),
    /// The connection's last.
    Close(Reply),
}

impl Pending {
    /// Has done what a command says.
    fn of(begun: Begun, keyspace: &Keyspace) -> Self {
        fn only(mut replies: Vec<Reply>) -> Reply {
            replies.pop().unwrap_or_else(commands::lost)
        }
        match begun {
            Begun::Done(reply) => Self::Done(reply),
            Begun::Key(key, op) => Self::Keys(vec![keyspace.submit(key, op)], only),
            Begun::Keys(ops, one) => {
                Self::Keys(ops.into_iter().map(|(key, op)| keyspace.submit(key, op)).collect(), one)
            }
            Begun::Together(joint) => {
                let keyspace = keyspace.clone();
                Self::Alone(Box::pin(async move {
                    match keyspace.together(&joint, &BTreeMap::new()).await {
                        Ok(reply) => reply.unwrap_or_else(commands::lost),
                        Err(error) => refusal(&error),
                    }
                }))
            }
            Begun::Alone(work) => Self::Alone(work),
            Begun::Close(reply) => Self::Close(reply),
        }
    }

    /// The answer, and whether it is the connection's last.
    async fn finish(self) -> (Reply, bool) {
        match self {
            Self::Done(reply) => (reply, false),
            Self::Keys(answers, one) => {
                let mut replies = Vec::with_capacity(answers.len());
                for answer in answers {
                    replies.push(answer.await.unwrap_or_else(|_| commands::lost()));
                }
                (one(replies), false)
            }
            Self::Alone(work) => (work.await, false),
            Self::Close(reply) => (reply, true),
        }
    }

    const fn is_alone(&self) -> bool {
        matches!(self, Self::Alone(_) | Self::Close(_))
    }
}

/// A connection without a socket, for tests of commands.
#[cfg(test)]
impl Session {
    pub(super) fn of_test(shared: Shared) -> Self {
        let from = SocketAddr::from(([127, 0, 0, 1], 1));
        Self::new(Arc::new(shared), Arc::new(Client::new(1, from, CancellationToken::new())))
    }

    /// What the client is answered.
    pub(super) async fn ask(&mut self, args: &[Bytes]) -> (Protocol, Reply) {
        let begun = commands::begin(&mut self.state, args);
        let (reply, _) = Pending::of(begun, self.state.keyspace()).finish().await;
        (self.state.protocol, reply)
    }
}

/// Why a session ends.
enum End {
    Asked,
    Io(std::io::Error),
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Says that nothing more comes, and reads what the client still sends until it hangs up too: a connection that is closed
/// over unread bytes is reset, and takes the last answer with it.
async fn hang_up(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.shutdown().await?;
    let mut unread = BytesMut::with_capacity(RESP_READ_BYTES);
    while stream.read_buf(&mut unread).await? > 0 {
        unread.clear();
    }
    Ok(())
}

/// A client's connection.
#[derive(Debug)]
pub(super) struct Session {
    state: State,
    share: Share,
    parser: RequestParser,
    input: BytesMut,
    output: BytesMut,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, client: Arc<Client>) -> Self {
        let share = Share::of(Arc::clone(&shared.held_bytes), shared.config.query_bytes_max);
        let (protocol, transaction, watched) = (Protocol::default(), None, Watched::default());
        let state = State { shared, client, protocol, transaction, watched };
        Self { state, share, parser: RequestParser::default(), input: BytesMut::new(), output: BytesMut::new() }
    }

    /// Serves the client until it goes, or is to go.
    pub(super) async fn run(mut self, mut stream: TcpStream) {
        match self.serve(&mut stream).await {
            Err(End::Io(error)) => tracing::debug!(client = self.state.client.id, %error, "a client was lost"),
            Ok(()) | Err(End::Asked) => {
                let hung_up = tokio::time::timeout(Duration::from_secs(RESP_REFUSAL_SECONDS_MAX), hang_up(&mut stream));
                // It was told all there is to tell; whether it took that is its own affair.
                drop(self.state.client.stop.run_until_cancelled(hung_up).await);
            }
        }
        self.state.shared.clients.lock().remove(&self.state.client.id);
    }

    async fn serve(&mut self, stream: &mut TcpStream) -> Result<(), End> {
        loop {
            let (begun, is_starved) = self.begin();
            for (protocol, pending) in begun {
                // What is answered so far does not wait for what takes long.
                if pending.is_alone() {
                    self.flush(stream).await?;
                }
                let (reply, is_last) = pending.finish().await;
                reply.write(protocol, &mut self.output);
                if self.output.len() >= RESP_FLUSH_BYTES || is_last {
                    self.flush(stream).await?;
                }
                if is_last {
                    return Err(End::Asked);
                }
            }
            if is_starved {
                self.flush(stream).await?;
                self.read(stream).await?;
            }
        }
    }

    /// Begins what has come, up to something that is done by itself; and whether there is nothing more.
    fn begin(&mut self) -> (VecDeque<(Protocol, Pending)>, bool) {
        const BOUNDS: Bounds = Bounds {
            args_max: RESP_ARGS_MAX,
            bulk_bytes_max: VALUE_BYTES_MAX,
            inline_bytes_max: RESP_INLINE_BYTES_MAX,
            is_authenticated: true,
        };
        let mut all = VecDeque::new();
        while all.len() < RESP_PIPELINED_MAX {
            let begun = match self.parser.next(&mut self.input, &BOUNDS) {
                Ok(Some(args)) => {
                    self.state.shared.commands.fetch_add(1, Ordering::Relaxed);
                    commands::begin(&mut self.state, &args)
                }
                Ok(None) => return (all, true),
                Err(error) => Begun::Close(Reply::error(format!("ERR Protocol error: {error}"))),
            };
            let pending = Pending::of(begun, self.state.keyspace());
            let is_alone = pending.is_alone();
            all.push_back((self.state.protocol, pending));
            if is_alone {
                break;
            }
        }
        (all, false)
    }

    /// Waits for more, until the client is to go.
    async fn read(&mut self, stream: &mut TcpStream) -> Result<(), End> {
        // Who is idle keeps neither the memory of what it sent last, nor its share of what all may hold.
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        self.share.keep(self.held_bytes());
        self.input.reserve(RESP_READ_BYTES);
        let idle = self.state.shared.config.idle;
        let client = Arc::clone(&self.state.client);
        let silence = async {
            match idle {
                Some(idle) => tokio::time::sleep(idle).await,
                None => std::future::pending().await,
            }
        };
        let read = tokio::select! {
            read = stream.read_buf(&mut self.input) => read?,
            () = client.stop.cancelled() => return Err(End::Asked),
            () = silence => return Err(End::Asked),
        };
        if read == 0 {
            return Err(End::Asked);
        }
        let refusal = match self.share.hold(self.held_bytes()) {
            Ok(()) => return Ok(()),
            Err(TooMuch::OfOne) => "ERR Protocol error: the request is too long",
            Err(TooMuch::OfAll) => "OOM the requests of all clients take too much memory: try again later",
        };
        Reply::error(refusal).write(self.state.protocol, &mut self.output);
        self.flush(stream).await?;
        Err(End::Asked)
    }

    /// Bytes of requests that are not whole, or wait for the rest of their transaction.
    fn held_bytes(&self) -> usize {
        let queued = self.state.transaction.as_ref().map_or(0, Transaction::queued_bytes);
        self.input.len().saturating_add(self.parser.held_bytes()).saturating_add(queued)
    }

    /// Writes what was answered; a client that does not take it is left.
    async fn flush(&mut self, stream: &mut TcpStream) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = stream.write_all(&self.output);
        let written = tokio::time::timeout(Duration::from_secs(RESP_WRITE_SECONDS_MAX), written).await;
        written.map_err(|_| std::io::Error::new(std::io::ErrorKind::TimedOut, "its answers were not taken"))??;
        if self.output.capacity() > 2 * RESP_FLUSH_BYTES {
            self.output = BytesMut::new();
        }
        self.output.clear();
        Ok(())
    }
}
