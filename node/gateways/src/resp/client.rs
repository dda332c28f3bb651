//! A client as others see it, and as they choose whom to send away.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use storgo_protocol::limits::RESP_STRANGER_SECONDS_MAX;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::guard::User;
use super::pubsub::{Outbox, Subscribed};
use super::reply::Protocol;

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    from: SocketAddr,
    /// Where it came to.
    to: SocketAddr,
    since: Instant,
    /// What its connection tells of it. Held for a moment by who writes or reads that.
    seen: Mutex<Seen>,
    /// Who it is, where that was asked and told.
    user: watch::Sender<Option<User>>,
    /// What it is to be told of that it listens to.
    outbox: Outbox,
    /// What it listens to. Held by its own session while that changes, and for a moment by who reads it.
    subscribed: Mutex<Subscribed>,
    /// Cancelled when it is to go.
    stop: CancellationToken,
    /// Cancelled when it is to go though it has not what it was answered.
    cut: CancellationToken,
}

/// What changes of a client.
#[derive(Debug, Clone)]
struct Seen {
    name: Bytes,
    /// What it asked for last, and when.
    command: &'static str,
    asked: Instant,
    /// Commands that wait for EXEC, if it has opened a transaction.
    queued: Option<usize>,
    protocol: Protocol,
}

impl Client {
    pub(super) fn new(id: u64, from: SocketAddr, to: SocketAddr, outbox: Outbox, stop: CancellationToken) -> Self {
        let now = Instant::now();
        let seen =
            Seen { name: Bytes::new(), command: "NULL", asked: now, queued: None, protocol: Protocol::default() };
        let (seen, subscribed, cut) = (Mutex::new(seen), Mutex::default(), CancellationToken::new());
        Self { id, from, to, since: now, seen, user: watch::Sender::default(), outbox, subscribed, stop, cut }
    }

    /// Where it came from.
    pub(super) const fn from(&self) -> SocketAddr {
        self.from
    }

    /// Where it came to.
    pub(super) const fn to(&self) -> SocketAddr {
        self.to
    }

    pub(super) fn name(&self) -> Bytes {
        self.seen.lock().name.clone()
    }

    pub(super) fn set_name(&self, name: Bytes) {
        self.seen.lock().name = name;
    }

    /// Who it is, as far as it said.
    pub(super) fn user(&self) -> Option<User> {
        *self.user.borrow()
    }

    pub(super) fn set_user(&self, user: Option<User>) {
        self.user.send_replace(user);
    }

    /// What its user is called: that of a client which did not say is everybody's.
    pub(super) fn user_name(&self) -> Bytes {
        self.user().map_or_else(|| Bytes::from_static(b"default"), |user| user.id.to_string().into())
    }

    /// Done when it has been a stranger for too long. Its place among strangers is given back when it is none any more.
    pub(super) async fn overstays(&self, place: OwnedSemaphorePermit) {
        let (mut user, mut place) = (self.user.subscribe(), Some(place));
        let patience = Duration::from_secs(RESP_STRANGER_SECONDS_MAX);
        while matches!(tokio::time::timeout(patience, user.wait_for(Option::is_some)).await, Ok(Ok(_))) {
            place.take();
            if user.wait_for(Option::is_none).await.is_err() {
                break;
            }
        }
    }

    /// It asks for a command.
    pub(super) fn asks(&self, command: &'static str) {
        let mut seen = self.seen.lock();
        (seen.command, seen.asked) = (command, Instant::now());
    }

    /// How its connection stands after a command.
    pub(super) fn stands(&self, protocol: Protocol, queued: Option<usize>) {
        let mut seen = self.seen.lock();
        (seen.protocol, seen.queued) = (protocol, queued);
    }

    /// Sends it away once it has what it was answered so far.
    pub(super) fn leave(&self) {
        self.stop.cancel();
    }

    /// Sends it away at once: it takes nothing.
    pub(super) fn cut_off(&self) {
        self.cut.cancel();
        self.leave();
    }

    /// Done when it is to go at once.
    pub(super) async fn was_cut_off(&self) {
        self.cut.cancelled().await;
    }

    pub(super) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(super) fn subscribed(&self) -> MutexGuard<'_, Subscribed> {
        self.subscribed.lock()
    }

    /// Whether it listens to anything.
    pub(super) fn is_subscribed(&self) -> bool {
        self.subscribed.lock().counts() != (0, 0, 0)
    }

    /// Whether it is to go.
    pub(super) fn is_leaving(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Done when it is to go.
    pub(super) async fn left(&self) {
        self.stop.cancelled().await;
    }

    fn kind(&self) -> ClientKind {
        if self.is_subscribed() { ClientKind::Pubsub } else { ClientKind::Normal }
    }

    /// The line that tells of it. What this door does not have, such as numbers of files, does not stand in it.
    pub(super) fn line(&self) -> String {
        let Seen { name, command, asked, queued, protocol } = self.seen.lock().clone();
        let (name, seconds) = (String::from_utf8_lossy(&name).into_owned(), |since: Instant| since.elapsed().as_secs());
        let (flags, multi) = match queued {
            Some(queued) => ("x", queued.to_string()),
            None => ("", "-1".to_owned()),
        };
        let (channels, patterns, shards) = self.subscribed.lock().counts();
        let flags = match self.kind() {
            ClientKind::Pubsub => format!("P{flags}"),
            _ if flags.is_empty() => "N".to_owned(),
            _ => flags.to_owned(),
        };
        let user = String::from_utf8_lossy(&self.user_name()).into_owned();
        let resp = if protocol == Protocol::Three { 3 } else { 2 };
        format!(
            "id={} addr={} laddr={} name={name} age={} idle={} flags={flags} db=0 sub={channels} psub={patterns} \
             ssub={shards} multi={multi} cmd={command} user={user} redir=-1 resp={resp}\n",
            self.id,
            self.from,
            self.to,
            seconds(self.since),
            seconds(asked),
        )
    }
}

/// What clients are there for. All of this door ask: none is another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientKind {
    Normal,
    /// It listens.
    Pubsub,
    Other,
}

impl ClientKind {
    pub(super) fn parse(word: &[u8]) -> Option<Self> {
        let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
        match () {
            () if is("normal") => Some(Self::Normal),
            () if is("pubsub") => Some(Self::Pubsub),
            () if ["master", "replica", "slave"].into_iter().any(is) => Some(Self::Other),
            () => None,
        }
    }
}

/// Which clients are meant: those for whom all that is said holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) id: Option<u64>,
    pub(super) from: Option<Bytes>,
    pub(super) to: Option<Bytes>,
    pub(super) kind: Option<ClientKind>,
    pub(super) user: Option<Bytes>,
    /// One that is not meant, whatever else is said.
    pub(super) spared: Option<u64>,
}

impl Filter {
    pub(super) fn holds(&self, client: &Client) -> bool {
        let is_at = |said: &Option<Bytes>, address: SocketAddr| {
            said.as_ref().is_none_or(|said| said.as_ref() == address.to_string().as_bytes())
        };
        self.id.is_none_or(|id| id == client.id)
            && self.spared != Some(client.id)
            && self.kind.is_none_or(|kind| kind == client.kind())
            && self.user.as_ref().is_none_or(|user| *user == client.user_name())
            && is_at(&self.from, client.from)
            && is_at(&self.to, client.to)
    }
}
