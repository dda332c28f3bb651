//! One client: its requests are begun in the order in which they come, many at once, and answered in that order.

use std::collections::{BTreeMap, VecDeque};
#[cfg(test)]
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use storgo_protocol::limits::{
    RESP_AHEAD_BYTES, RESP_ARGS_MAX, RESP_FLUSH_BYTES, RESP_INLINE_BYTES_MAX, RESP_PIPELINED_MAX, RESP_READ_BYTES,
    RESP_REFUSAL_SECONDS_MAX, RESP_WRITE_SECONDS_MAX, VALUE_BYTES_MAX,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;
#[cfg(test)]
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::commands::{self, Begun, Command, Outcome};
use super::keyspace::refusal;
use super::reply::{Protocol, Reply};
use super::request::{Bounds, RequestParser};
use super::shared::{Share, Shared, TooMuch, Unsent};
use super::slowlog::Slow;
use super::state::{Answers, State};
use super::step::Told;

/// An answer that is on its way.
enum Pending {
    Done(Reply),
    Keys(Vec<Part>, fn(Vec<Reply>) -> Reply),
    /// All before it is to be done first, and all behind it waits.
    Alone(BoxFuture<'static, Reply>),
    /// The same, and the connection is told what came of it.
    Changing(BoxFuture<'static, Outcome>),
    /// The connection's last.
    Close(Reply),
}

/// What is done to one key.
enum Part {
    Asked(oneshot::Receiver<Told>),
    Told(Told),
}

impl Part {
    /// What was told of it.
    async fn told(self, unsent: &Unsent) -> Told {
        match self {
            Self::Asked(answer) => answer.await.unwrap_or_else(|_| {
                let lost = commands::lost();
                unsent.add(lost.weight());
                Told::Reply(lost)
            }),
            Self::Told(told) => told,
        }
    }
}

impl Pending {
    /// Has done what a command says. What concerns no key waits for what `is_behind` others that are not done.
    fn of(begun: Begun, state: &State, is_behind: bool) -> Self {
        let keyspace = state.keyspace();
        match begun {
            Begun::Done(reply) => Self::done(reply, state),
            Begun::Keys(ops, one) => {
                let submit = |(key, op)| Part::Asked(keyspace.submit(key, op, state.unsent(), false));
                Self::Keys(ops.into_iter().map(submit).collect(), one)
            }
            Begun::Together(joint) => {
                let (keyspace, unsent) = (keyspace.clone(), Arc::clone(state.unsent()));
                Self::Alone(Box::pin(async move {
                    match keyspace.together(&joint, &BTreeMap::new(), &unsent).await {
                        Ok(reply) => reply.unwrap_or_else(commands::lost),
                        Err(error) => refusal(&error),
                    }
                }))
            }
            Begun::Once(run) if is_behind => Self::Alone(Box::pin(async move { run() })),
            Begun::Once(run) => Self::done(run(), state),
            Begun::Alone(work) => Self::Alone(work),
            Begun::Changing(work) => Self::Changing(work),
            Begun::Close(reply) => Self::Close(reply),
        }
    }

    /// An answer that is made: it counts as such.
    fn done(reply: Reply, state: &State) -> Self {
        state.unsent().add(reply.weight());
        Self::Done(reply)
    }

    /// Waits until nothing is being done to keys for it any more; whether some of that is to be done later.
    async fn settle(&mut self, unsent: &Unsent) -> bool {
        let Self::Keys(parts, _) = self else { return false };
        let mut is_later = false;
        for part in parts {
            let told = std::mem::replace(part, Part::Told(Told::Reply(Reply::Nil))).told(unsent).await;
            is_later |= matches!(told, Told::Later(..));
            *part = Part::Told(told);
        }
        is_later
    }

    /// The answer, where all before it is answered, and nothing behind it is being done if some of it was to be done later.
    async fn finish(self, state: &mut State) -> Answer {
        match self {
            Self::Done(reply) => Answer { counted: reply.weight(), reply, is_last: false },
            Self::Keys(parts, one) => {
                let (mut replies, mut counted) = (Vec::with_capacity(parts.len()), 0);
                for part in parts {
                    let mut told = part.told(state.unsent()).await;
                    if let Told::Later(key, op) = told {
                        told = Part::Asked(state.keyspace().submit(key, op, state.unsent(), true))
                            .told(state.unsent())
                            .await;
                    }
                    let reply = if let Told::Reply(reply) = told { reply } else { commands::lost() };
                    counted += reply.weight();
                    replies.push(reply);
                }
                Answer { reply: one(replies), counted, is_last: false }
            }
            Self::Alone(work) => {
                let reply = work.await;
                let counted = reply.weight();
                state.unsent().add(counted);
                Answer { reply, counted, is_last: false }
            }
            Self::Changing(work) => Answer { reply: work.await(state), counted: 0, is_last: false },
            Self::Close(reply) => Answer { reply, counted: 0, is_last: true },
        }
    }

    const fn is_alone(&self) -> bool {
        matches!(self, Self::Alone(_) | Self::Changing(_) | Self::Close(_))
    }
}

/// What a client is answered.
struct Answer {
    reply: Reply,
    /// Bytes of it that count as not sent yet.
    counted: usize,
    /// Whether it is the connection's last.
    is_last: bool,
}

/// A command that a client asked for, and that was begun.
struct Call {
    command: &'static Command,
    args: Vec<Bytes>,
    since: Instant,
    /// How long it took, if it is done.
    took: Option<Duration>,
}

impl Call {
    /// Counts it as answered, and keeps it if it was slow.
    fn note(&self, took: Duration, reply: &Reply, state: &State) {
        let (shared, client) = (state.shared(), state.client());
        shared.stats.answered(self.command.name, took, reply);
        if shared.settings.slow().is_some_and(|slow| took >= slow) {
            let (at_seconds, from) = (shared.keyspace.now_ms() / 1000, client.from().to_string());
            let (name, kept) = (client.name(), shared.settings.slow_kept());
            shared.slow.keep(Slow { at_seconds, took, args: &self.args, from, name: &name }, kept);
        }
    }
}

/// A request that is to be answered.
struct Asked {
    pending: Pending,
    protocol: Protocol,
    /// Whether the client does not want the answer.
    is_silent: bool,
    /// Marks of the outbox that are passed when it is answered.
    due: u64,
    call: Option<Call>,
}

impl Asked {
    /// A request that was no command.
    fn nonsense(refusal: Reply, state: &State) -> Self {
        let is_silent = state.answers != Answers::On;
        let due = state.client().outbox().marks();
        Self { pending: Pending::Close(refusal), protocol: state.protocol(), is_silent, due, call: None }
    }

    /// Begins what a client asks for.
    fn begin(state: &mut State, args: Vec<Bytes>, is_behind: bool) -> Self {
        let (since, before) = (Instant::now(), state.client().outbox().marks());
        if state.answers == Answers::SkipNext {
            state.answers = Answers::SkipThis;
        }
        let (command, begun) = commands::begin(state, &args);
        let is_silent = state.answers != Answers::On;
        if state.answers == Answers::SkipThis {
            state.answers = Answers::On;
        }
        state.show();
        let pending = Pending::of(begun, state, is_behind);
        let took = matches!(pending, Pending::Done(_)).then(|| since.elapsed());
        let call = command.map(|command| Call { command, args, since, took });
        let due = due(before, state);
        Self { pending, protocol: state.protocol(), is_silent, due, call }
    }

    /// In which protocol it is answered, unless that is decided by what comes of it, and whether not at all.
    const fn told(&self) -> (Option<Protocol>, bool) {
        let protocol = if matches!(self.pending, Pending::Changing(_)) { None } else { Some(self.protocol) };
        (protocol, self.is_silent)
    }

    /// The answer. It is counted, and kept if it was slow.
    async fn finish(self, state: &mut State) -> Answer {
        // What is done by itself begins now.
        let begins = self.pending.is_alone().then(Instant::now);
        let answer = self.pending.finish(state).await;
        let reply = &answer.reply;
        match self.call {
            Some(call) => {
                let took = call.took.unwrap_or_else(|| begins.unwrap_or(call.since).elapsed());
                call.note(took, reply, state);
            }
            None => state.shared().stats.said(reply),
        }
        answer
    }
}

/// The mark up to which messages come before an answer: the first that was set since, or the last before.
fn due(before: u64, state: &State) -> u64 {
    state.client().outbox().marks().min(before + 1)
}

/// A connection without a socket, for tests of commands.
#[cfg(test)]
impl Session {
    pub(super) fn of_test(shared: Arc<Shared>, id: u16) -> Self {
        let [from, to] = [id, 6379].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let outbox = shared.channels.outbox();
        let client = Arc::new(Client::new(id.into(), from, to, outbox, CancellationToken::new()));
        shared.clients.lock().insert(id.into(), Arc::clone(&client));
        Self::new(shared, client)
    }

    /// What the client is answered, unless it does not want that.
    pub(super) async fn ask(&mut self, args: Vec<Bytes>) -> Option<(Protocol, Reply)> {
        let asked = Asked::begin(&mut self.state, args, false);
        let (protocol, is_silent) = asked.told();
        let answer = asked.finish(&mut self.state).await;
        self.state.unsent().sent(answer.counted);
        let outbox = self.state.client().outbox();
        outbox.take(outbox.marks(), &mut self.output);
        let is_heard = !is_silent || answer.reply.is_push();
        is_heard.then_some((protocol.unwrap_or(self.state.protocol()), answer.reply))
    }

    /// What the client is told without having asked.
    pub(super) fn pushed(&mut self) -> BytesMut {
        let outbox = self.state.client().outbox();
        outbox.take(outbox.marks(), &mut self.output);
        self.output.split()
    }
}

/// What a client is spoken to through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

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
async fn hang_up(stream: &mut impl Stream) -> std::io::Result<()> {
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
    /// How many requests are begun before the first of them is answered: twice as many each time, as long as answers as long
    /// as the longest of the last ones would fit what is made ahead.
    ahead: usize,
    parser: RequestParser,
    input: BytesMut,
    output: BytesMut,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, client: Arc<Client>) -> Self {
        let share = Share::of(Arc::clone(&shared.held_bytes), Arc::clone(&shared.settings));
        let state = State::new(shared, client);
        let (input, output) = (BytesMut::new(), BytesMut::new());
        Self { state, share, ahead: 1, parser: RequestParser::default(), input, output }
    }

    /// Serves the client until it goes, or is to go. It has a place among strangers until it says who it is.
    pub(super) async fn run(mut self, mut stream: impl Stream, place: Option<OwnedSemaphorePermit>) {
        let overstays = Self::overstays(&self.state, place);
        let served = tokio::select! {
            served = self.serve(&mut stream) => served,
            () = overstays => Err(End::Asked),
        };
        match served {
            Err(End::Io(error)) => tracing::debug!(client = self.state.client().id, %error, "a client was lost"),
            Ok(()) | Err(End::Asked) => {
                let hung_up = tokio::time::timeout(Duration::from_secs(RESP_REFUSAL_SECONDS_MAX), hang_up(&mut stream));
                // It was told all there is to tell; whether it took that is its own affair.
                tokio::select! {
                    _ = hung_up => {}
                    () = self.state.client().left() => {}
                }
            }
        }
        self.state.shared().channels.leave(self.state.client());
        self.state.shared().clients.lock().remove(&self.state.client().id);
    }

    /// Done when the client is to go because it does not say who it is.
    fn overstays(state: &State, place: Option<OwnedSemaphorePermit>) -> impl Future<Output = ()> + Send + use<> {
        let (client, place) = (Arc::clone(state.client()), place.filter(|_| state.is_stranger()));
        async move {
            match place {
                Some(place) => client.overstays(place).await,
                None => std::future::pending().await,
            }
        }
    }

    async fn serve(&mut self, stream: &mut impl Stream) -> Result<(), End> {
        loop {
            let (mut begun, is_starved) = self.begin();
            let mut longest = 1;
            while let Some(mut asked) = begun.pop_front() {
                // What is answered so far does not wait for what takes long.
                let is_later = asked.pending.settle(self.state.unsent()).await;
                let is_alone = asked.pending.is_alone();
                if is_later || is_alone {
                    self.flush(stream).await?;
                }
                if is_later {
                    for other in &mut begun {
                        other.pending.settle(self.state.unsent()).await;
                    }
                    self.state.unsent().go_on();
                }
                let ((protocol, is_silent), due) = (asked.told(), asked.due);
                let before = self.state.client().outbox().marks();
                let answer = asked.finish(&mut self.state).await;
                longest = longest.max(answer.counted);
                // What is done by itself may have set marks meanwhile, and nothing else.
                let due = if is_alone { self::due(before, &self.state) } else { due };
                self.push(due, stream).await?;
                if !is_silent || answer.reply.is_push() {
                    let mut writing = answer.reply.writing(protocol.unwrap_or(self.state.protocol()));
                    while writing.go_on(&mut self.output, RESP_FLUSH_BYTES) {
                        self.flush(stream).await?;
                    }
                }
                self.state.unsent().sent(answer.counted);
                if answer.is_last {
                    self.flush(stream).await?;
                    return Err(End::Asked);
                }
            }
            self.ahead = (2 * self.ahead).min(RESP_AHEAD_BYTES / longest).clamp(1, RESP_PIPELINED_MAX);
            if is_starved {
                self.push_all(stream).await?;
                self.read(stream).await?;
            }
        }
    }

    /// Begins what has come, up to something that is done by itself; and whether there is nothing more.
    fn begin(&mut self) -> (VecDeque<Asked>, bool) {
        let (mut all, mut is_behind) = (VecDeque::new(), false);
        while all.len() < self.ahead && (all.is_empty() || !self.state.unsent().is_ahead()) {
            let bounds = Bounds {
                args_max: RESP_ARGS_MAX,
                bulk_bytes_max: VALUE_BYTES_MAX,
                inline_bytes_max: RESP_INLINE_BYTES_MAX,
                is_authenticated: !self.state.is_stranger(),
            };
            let asked = match self.parser.next(&mut self.input, &bounds) {
                Ok(Some(args)) => Asked::begin(&mut self.state, args, is_behind),
                Ok(None) => return (all, true),
                Err(error) => Asked::nonsense(Reply::error(format!("ERR Protocol error: {error}")), &self.state),
            };
            let is_alone = asked.pending.is_alone();
            is_behind |= matches!(asked.pending, Pending::Keys(..));
            all.push_back(asked);
            if is_alone {
                break;
            }
        }
        (all, false)
    }

    /// Waits for more, until the client is to go.
    async fn read(&mut self, stream: &mut impl Stream) -> Result<(), End> {
        // Who is idle keeps neither the memory of what it sent last, nor its share of what all may hold.
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        self.share.keep(self.held_bytes());
        self.input.reserve(RESP_READ_BYTES);
        let client = Arc::clone(self.state.client());
        // Who listens says nothing.
        let idle = self.state.shared().settings.idle().filter(|_| !client.is_subscribed());
        let silence = async {
            match idle {
                Some(idle) => tokio::time::sleep(idle).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(silence);
        let read = loop {
            tokio::select! {
                biased;
                () = client.left() => return Err(End::Asked),
                read = stream.read_buf(&mut self.input) => break read?,
                () = client.outbox().filled() => {}
                () = &mut silence => return Err(End::Asked),
            }
            self.push_all(stream).await?;
        };
        if read == 0 {
            return Err(End::Asked);
        }
        let refusal = match self.share.hold(self.held_bytes()) {
            Ok(()) => return Ok(()),
            Err(TooMuch::OfOne) => "ERR Protocol error: the request is too long",
            Err(TooMuch::OfAll) => "OOM the requests of all clients take too much memory: try again later",
        };
        self.refuse(refusal, stream).await
    }

    /// Says why the connection ends.
    async fn refuse(&mut self, why: &'static str, stream: &mut impl Stream) -> Result<(), End> {
        Reply::error(why).write(self.state.protocol(), &mut self.output);
        self.flush(stream).await?;
        Err(End::Asked)
    }

    /// Gathers what the client is to be told of that it listens to, up to an answer that is not due.
    async fn push(&mut self, due: u64, stream: &mut impl Stream) -> Result<(), End> {
        while self.state.client().outbox().take(due, &mut self.output) {
            self.flush(stream).await?;
        }
        Ok(())
    }

    /// Writes all that the client is to be told, where it has all answers.
    async fn push_all(&mut self, stream: &mut impl Stream) -> Result<(), End> {
        self.push(u64::MAX, stream).await?;
        self.flush(stream).await
    }

    /// Bytes of requests that are not whole, or wait for the rest of their transaction.
    fn held_bytes(&self) -> usize {
        self.input.len().saturating_add(self.parser.held_bytes()).saturating_add(self.state.queued_bytes())
    }

    /// Writes what was answered; a client that does not take it is left.
    async fn flush(&mut self, stream: &mut impl Stream) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = async {
            stream.write_all(&self.output).await?;
            // What is sealed is not sent before.
            stream.flush().await
        };
        let written = tokio::time::timeout(Duration::from_secs(RESP_WRITE_SECONDS_MAX), written);
        let untaken = || std::io::Error::new(std::io::ErrorKind::TimedOut, "its answers were not taken");
        tokio::select! {
            biased;
            () = self.state.client().was_cut_off() => return Err(untaken().into()),
            written = written => written.map_err(|_| untaken())??,
        }
        if self.output.capacity() > 2 * RESP_FLUSH_BYTES {
            self.output = BytesMut::new();
        }
        self.output.clear();
        Ok(())
    }
}
