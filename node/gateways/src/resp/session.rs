//! One client: its requests are begun in the order in which they come, many at once, and answered in that order.

use std::collections::VecDeque;
#[cfg(test)]
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
use bytes::Bytes;
use bytes::BytesMut;
use storgo_protocol::limits::{
    RESP_AHEAD_BYTES, RESP_ARGS_MAX, RESP_FLUSH_BYTES, RESP_INLINE_BYTES_MAX, RESP_PIPELINED_MAX, RESP_READ_BYTES,
    RESP_REFUSAL_SECONDS_MAX, RESP_WRITE_SECONDS_MAX, VALUE_BYTES_MAX,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;
#[cfg(test)]
use tokio_util::sync::CancellationToken;

use super::asked::{Answer, Asked};
use super::client::Client;
#[cfg(test)]
use super::reply::Protocol;
use super::reply::Reply;
use super::request::{Bounds, RequestParser};
use super::shared::{Share, Shared, TooMuch};
use super::state::State;

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
        let answer = asked.finish(&mut self.state).await;
        self.state.unsent().sent(answer.counted);
        let outbox = self.state.client().outbox();
        outbox.take(outbox.marks(), &mut self.output);
        answer.is_heard.then_some((answer.protocol, answer.reply))
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
        self.state.shared().leave(self.state.client());
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
                let is_later = asked.settle(self.state.unsent()).await;
                if is_later || asked.is_alone() {
                    self.flush(stream).await?;
                }
                if is_later {
                    for other in &mut begun {
                        other.settle(self.state.unsent()).await;
                    }
                    self.state.unsent().go_on();
                }
                let Answer { reply, counted, due, protocol, is_heard, is_last } = asked.finish(&mut self.state).await;
                longest = longest.max(counted);
                self.push(due, stream).await?;
                if is_heard {
                    let mut writing = reply.writing(protocol);
                    while writing.go_on(&mut self.output, RESP_FLUSH_BYTES) {
                        self.flush(stream).await?;
                    }
                }
                self.state.unsent().sent(counted);
                if is_last {
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
            let is_alone = asked.is_alone();
            is_behind |= asked.concerns_keys();
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
