//! Publish and subscribe by datagrams, beside the port of the door: one request of version 2 in each, and one answer or message.
//!
//! ```text
//!   socket ─► request ─► token ─┬─► at once ────────────► socket
//!                               ├─► an access key ──────►
//!                               └─► who listens there ──► ◄── Channels
//! ```
//!
//! Anybody can send a datagram in the name of any address. So nothing is done and nothing sent for who did not show first that
//! it receives there: it asks for a token by a datagram that is no shorter than the answer, and begins what it says then with
//! that. What makes no sense, or has no good token, is counted and never answered: nobody can have this door send more to
//! others than is sent to it. Of who listens nothing tells that it is gone, but that it asks for nothing any more.

mod listener;
#[cfg(test)]
mod tests;
mod token;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use storgo_protocol::limits::{RESP_UDP_ARGS_MAX, RESP_UDP_BYTES_MAX, RESP_UDP_GUESSES_MAX, RESP_UDP_LISTENERS_MAX};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{self, error::SendError};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use self::listener::Listener;
use self::token::Tokens;
use super::asked::Asked;
use super::client::Client;
use super::commands::{self, Command};
use super::guard::User;
use super::reply::{Protocol, Reply};
use super::request::{Bounds, RequestParser};
use super::shared::Shared;
use super::state::State;

/// What is taken. No more: what concerns keys wants to be done once and answered, and a datagram may come twice or not at all.
const TAKEN: &[&str] = &["auth", "ping", "psubscribe", "publish", "punsubscribe", "subscribe", "unsubscribe"];

/// What a request has that came in a datagram of its own, with its token.
const BOUNDS: Bounds = Bounds {
    args_max: RESP_UDP_ARGS_MAX,
    bulk_bytes_max: RESP_UDP_BYTES_MAX,
    inline_bytes_max: RESP_UDP_BYTES_MAX,
    // What strangers may send is bounded here by what is a datagram.
    is_authenticated: true,
};

/// How long it waits before it takes datagrams again when there is something wrong with that.
const PAUSE: Duration = Duration::from_millis(100);

/// A datagram to which nothing is said.
struct Ignored;

/// What somebody asks for who receives at its address.
struct Request {
    command: &'static Command,
    args: Vec<Bytes>,
    /// Whose access key it showed, where one is wanted.
    user: Option<User>,
}

impl Request {
    /// Has it done for a client; the answer.
    async fn ask(self, shared: &Arc<Shared>, client: Arc<Client>) -> Reply {
        let mut state = State::new(Arc::clone(shared), client);
        let answer = Asked::begin(&mut state, self.args, false).finish(&mut state).await;
        state.unsent().sent(answer.counted);
        answer.reply
    }
}

/// Sends what is to be said, and counts what cannot be sent: nothing is sent twice.
#[derive(Clone)]
struct Post {
    shared: Arc<Shared>,
    socket: Arc<UdpSocket>,
    /// Where datagrams come to.
    at: SocketAddr,
}

impl Post {
    /// Sends an answer; several, each by itself.
    async fn answer(&self, reply: &Reply, to: SocketAddr) {
        let replies = if let Reply::Several(replies) = reply { replies } else { std::slice::from_ref(reply) };
        for reply in replies {
            self.send(&bytes_of(reply), to).await;
        }
    }

    async fn send(&self, bytes: &[u8], to: SocketAddr) {
        let sent = if bytes.len() > RESP_UDP_BYTES_MAX {
            Err(std::io::ErrorKind::FileTooLarge.into())
        } else {
            self.socket.send_to(bytes, to).await
        };
        if let Err(error) = sent {
            self.shared.stats.udp_lost.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%to, bytes = bytes.len(), %error, "a datagram was not sent");
        }
    }

    /// A client that asks for one thing, and of which nothing is kept.
    fn passer_by(&self, from: SocketAddr, user: Option<User>) -> Arc<Client> {
        let (id, outbox) = (self.shared.next_id(), self.shared.channels.outbox());
        let client = Client::new(id, from, self.at, outbox, CancellationToken::new());
        client.set_user(user);
        Arc::new(client)
    }
}

/// The socket of a door that takes datagrams, and who talks to it.
pub(super) struct Datagrams {
    post: Post,
    tokens: Arc<Tokens>,
    /// Where what they ask for goes to who listens. One request waits, and all others wait in the socket.
    listeners: HashMap<SocketAddr, mpsc::Sender<Request>>,
    /// Addresses whose secrets are looked at.
    guesses: HashMap<SocketAddr, AbortHandle>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Datagrams {
    /// Of a door, until it is to stop.
    ///
    /// # Errors
    /// [`std::io::Error`] if the socket does not say where it is.
    pub(super) fn new(shared: Arc<Shared>, socket: UdpSocket, stop: CancellationToken) -> std::io::Result<Self> {
        let tokens = Arc::new(Tokens::new(shared.random.array()));
        let post = Post { shared, at: socket.local_addr()?, socket: Arc::new(socket) };
        let (listeners, guesses, tasks) = (HashMap::new(), HashMap::new(), JoinSet::new());
        Ok(Self { post, tokens, listeners, guesses, tasks, stop })
    }

    /// Takes datagrams until it is to stop.
    pub(super) async fn serve(mut self) {
        // One byte more than there may be: a longer datagram is cut off, and is to be seen as such.
        let mut buffer = vec![0; RESP_UDP_BYTES_MAX + 1];
        loop {
            let received = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(_) = self.tasks.join_next() => {
                    self.listeners.retain(|_, requests| !requests.is_closed());
                    self.guesses.retain(|_, guess| !guess.is_finished());
                    continue;
                }
                received = self.post.socket.recv_from(&mut buffer) => received,
            };
            match received {
                Ok((bytes, from)) => {
                    let datagram = buffer.get(..bytes).unwrap_or_default();
                    if self.take(datagram, from).await.is_err() {
                        self.post.shared.stats.udp_ignored.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "datagrams cannot be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Does what a datagram asks for.
    async fn take(&mut self, datagram: &[u8], from: SocketAddr) -> Result<(), Ignored> {
        let mut args = whole(datagram).ok_or(Ignored)?;
        if let [word] | [word, _] = args.as_slice()
            && word.eq_ignore_ascii_case(b"hello")
        {
            return self.greet(datagram.len(), from).await;
        }
        if args.len() < 2 {
            return Err(Ignored);
        }
        let user = self.user(&args.remove(0), from)?;
        let command = match commands::named(&args) {
            Ok(command) if TAKEN.contains(&command.name) => command,
            named => {
                let refusal = named.map_or_else(|unknown| unknown, not_taken);
                self.post.shared.stats.said(&refusal);
                self.post.answer(&refusal, from).await;
                return Ok(());
            }
        };
        self.hear(Request { command, args, user }, from).await
    }

    /// Sends a token to an address, and no more bytes there than came in its name. A secret is not looked at here: that could
    /// be asked for in anybody's name, until nobody's is looked at.
    async fn greet(&self, bytes: usize, from: SocketAddr) -> Result<(), Ignored> {
        let answer = bytes_of(&Reply::Bulk(self.tokens.give(from, "")));
        if answer.len() > bytes {
            return Err(Ignored);
        }
        self.post.send(&answer, from).await;
        Ok(())
    }

    /// Who showed a token: nobody that is known, if its address was not asked for more.
    fn user(&self, token: &Bytes, from: SocketAddr) -> Result<Option<User>, Ignored> {
        let id = self.tokens.read(token, from).ok_or(Ignored)?;
        if id.is_empty() {
            return Ok(None);
        }
        // A token outlives its access key, and is worth nothing then.
        let id = str::from_utf8(&id).ok().and_then(|id| id.parse().ok());
        let user = id.and_then(|id| self.post.shared.guard.as_ref()?.user(id));
        user.map(Some).ok_or(Ignored)
    }

    /// Has done what somebody asks for who receives at its address.
    async fn hear(&mut self, mut request: Request, from: SocketAddr) -> Result<(), Ignored> {
        if request.command.name == "auth" {
            return self.judge(request, from);
        }
        let is_stranger = self.post.shared.guard.is_some() && request.user.is_none();
        if !is_stranger {
            if let Some(listener) = self.listeners.get(&from) {
                match listener.send(request).await {
                    Ok(()) => return Ok(()),
                    // It has just ended.
                    Err(SendError(unheard)) => request = unheard,
                }
            }
            if request.listens_to().is_some() {
                self.listen(request, from).await;
                return Ok(());
            }
        }
        let client = self.post.passer_by(from, request.user);
        let reply = request.ask(&self.post.shared, client).await;
        self.post.answer(&reply, from).await;
        Ok(())
    }

    /// Looks whether somebody is who it says, and sends it another token if it is. A wrong secret takes a second, in which no
    /// other of that address is looked at.
    fn judge(&mut self, request: Request, from: SocketAddr) -> Result<(), Ignored> {
        if self.guesses.contains_key(&from) || self.guesses.len() >= RESP_UDP_GUESSES_MAX {
            return Err(Ignored);
        }
        let (post, tokens, stop) = (self.post.clone(), Arc::clone(&self.tokens), self.stop.clone());
        let work = async move {
            let client = post.passer_by(from, None);
            let reply = request.ask(&post.shared, Arc::clone(&client)).await;
            let token = client.user().map(|user| Reply::Bulk(tokens.give(from, user.id.as_str())));
            post.answer(&token.unwrap_or(reply), from).await;
        };
        let guess = self.tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
        self.guesses.insert(from, guess);
        Ok(())
    }

    /// Has an address listen, if there is room for one more.
    async fn listen(&mut self, request: Request, from: SocketAddr) {
        let shared = Arc::clone(&self.post.shared);
        let entered = if self.listeners.len() < RESP_UDP_LISTENERS_MAX {
            shared.enter(from, self.post.at, self.stop.child_token())
        } else {
            shared.stats.refused.fetch_add(1, Ordering::Relaxed);
            None
        };
        let Some(client) = entered else {
            return self.post.answer(&Reply::error("ERR max number of clients reached"), from).await;
        };
        let (sender, requests) = mpsc::channel(1);
        // There is room for it: it is the first.
        drop(sender.try_send(request));
        self.tasks.spawn(Listener { shared, client, post: self.post.clone(), requests }.run());
        self.listeners.insert(from, sender);
    }
}

/// The request that a datagram is, if it is one and nothing else.
fn whole(datagram: &[u8]) -> Option<Vec<Bytes>> {
    if datagram.len() > RESP_UDP_BYTES_MAX {
        return None;
    }
    let mut input = BytesMut::from(datagram);
    let args = RequestParser::default().next(&mut input, &BOUNDS).ok()??;
    // The line of an inline request has no count of arguments before it.
    (input.is_empty() && args.len() <= RESP_UDP_ARGS_MAX).then_some(args)
}

/// What is said to who asks for what has no place here.
fn not_taken(command: &Command) -> Reply {
    let (name, taken) = (command.name, TAKEN.join(", ").to_ascii_uppercase());
    Reply::error(format!("ERR '{name}' is not taken over UDP: only {taken} are"))
}

fn bytes_of(reply: &Reply) -> BytesMut {
    let mut bytes = BytesMut::new();
    reply.write(Protocol::Two, &mut bytes);
    bytes
}
